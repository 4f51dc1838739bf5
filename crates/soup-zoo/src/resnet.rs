//! ResNet (He et al., "Deep residual learning for image recognition", CVPR 2016) as timm's
//! `resnet18`, `resnet34` and `resnet50`: in a bottleneck the 3x3 convolution takes the stride.
//!
//! `resnet_nano` is ours, for quick training on a CPU.

use soup_graph::{Activation, Builder, Convolution, Graph, GraphError, Initial, NodeId};

use crate::backbone::{Backbone, Classifier, EPSILON, MOMENTUM, Options};

/// Blocks of the four stages.
#[derive(Debug)]
pub(crate) struct Variant {
    name: &'static str,
    side: usize,
    blocks: [usize; 4],
    /// Channels of the stem; each stage has twice those of the one before.
    channels: usize,
    /// Blocks of three convolutions that give four times the channels, instead of two.
    bottleneck: bool,
}

const fn variant(
    name: &'static str,
    side: usize,
    blocks: [usize; 4],
    channels: usize,
    bottleneck: bool,
) -> Variant {
    Variant {
        name,
        side,
        blocks,
        channels,
        bottleneck,
    }
}

pub(crate) static VARIANTS: [Variant; 4] = [
    variant("resnet_nano", 128, [1, 1, 1, 1], 24, false),
    variant("resnet18", 224, [2, 2, 2, 2], 64, false),
    variant("resnet34", 224, [3, 4, 6, 3], 64, false),
    variant("resnet50", 224, [3, 4, 6, 3], 64, true),
];

impl Variant {
    /// The layers of a block: kernel and channels over those of the stage.
    fn layers(&self) -> &'static [(usize, usize)] {
        match self.bottleneck {
            true => &[(1, 1), (3, 1), (1, 4)],
            false => &[(3, 1), (3, 1)],
        }
    }

    /// Position in [`Self::layers`] of the layer that takes the stride.
    fn strided(&self) -> usize {
        usize::from(self.bottleneck)
    }
}

impl Backbone for Variant {
    fn name(&self) -> &'static str {
        self.name
    }

    fn side(&self) -> usize {
        self.side
    }

    fn activation(&self) -> Activation {
        Activation::Relu
    }

    fn classifier(&self) -> Classifier {
        Classifier {
            name: "fc",
            weight: None,
        }
    }

    fn features(&self, net: &mut Builder, options: Options) -> Result<NodeId, GraphError> {
        let last = (self.blocks.iter().sum::<usize>() - 1) as f32;
        let mut made = 0;
        let stem = Convolution::square(self.channels, 7).stride(2);
        let x = net.convolution("conv1", net.input(), stem)?;
        let x = net.batch_norm("bn1", x, EPSILON, MOMENTUM)?;
        let x = net.activation(x, options.activation);
        let mut x = net.max_pool(x, 3, 2, 1)?;
        for (stage, &blocks) in self.blocks.iter().enumerate() {
            for index in 0..blocks {
                let block = Block {
                    name: format!("layer{}.{index}", stage + 1),
                    channels: self.channels << stage,
                    stride: if stage > 0 && index == 0 { 2 } else { 1 },
                    drop_path: options.drop_path * made as f32 / last,
                };
                x = block.add(net, x, self, options)?;
                made += 1;
            }
        }
        Ok(x)
    }

    /// The last scale of each branch starts at 0, so that every block starts as its shortcut.
    fn set_initials(&self, graph: &mut Graph) {
        let ending = format!(".bn{}.weight", self.layers().len());
        graph.start(|parameter| {
            let is_last =
                parameter.name().starts_with("layer") && parameter.name().ends_with(&ending);
            is_last.then_some(Initial::Constant(0.0))
        });
    }
}

struct Block {
    name: String,
    channels: usize,
    stride: usize,
    drop_path: f32,
}

impl Block {
    fn add(
        &self,
        net: &mut Builder,
        input: NodeId,
        variant: &Variant,
        options: Options,
    ) -> Result<NodeId, GraphError> {
        let mut x = input;
        for (index, &(kernel, factor)) in variant.layers().iter().enumerate() {
            if index > 0 {
                x = net.activation(x, options.activation);
            }
            let stride = match index == variant.strided() {
                true => self.stride,
                false => 1,
            };
            let spec = Convolution::square(self.channels * factor, kernel).stride(stride);
            x = net.convolution(&format!("{}.conv{}", self.name, index + 1), x, spec)?;
            x = net.batch_norm(
                &format!("{}.bn{}", self.name, index + 1),
                x,
                EPSILON,
                MOMENTUM,
            )?;
        }
        x = net.drop_path(x, self.drop_path);
        let mut shortcut = input;
        let channels = net.shape(x).channels();
        if self.stride != 1 || net.shape(input).channels() != channels {
            let name = format!("{}.downsample", self.name);
            let spec = Convolution::square(channels, 1).stride(self.stride);
            shortcut = net.convolution(&format!("{name}.0"), input, spec)?;
            shortcut = net.batch_norm(&format!("{name}.1"), shortcut, EPSILON, MOMENTUM)?;
        }
        let x = net.add(&[x, shortcut])?;
        Ok(net.activation(x, options.activation))
    }
}
