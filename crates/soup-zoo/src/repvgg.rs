//! RepVGG A0 to B3 (Ding et al., "RepVGG: making VGG-style ConvNets great again", CVPR 2021) in the
//! training form of timm's `repvgg_a0` to `repvgg_b3`: each block is a 3x3 convolution, a 1x1 one
//! and, where shapes allow, the input itself, each normalised, added up.
//! `soup_graph::rewrite::merge_branches` turns each block into one 3x3 convolution.
//!
//! `repvgg_nano` and `repvgg_micro` are ours, for quick training on a CPU.

use soup_graph::{Activation, Builder, Convolution, Graph, GraphError, Initial, NodeId, Role};

use crate::backbone::{Backbone, Classifier, EPSILON, MOMENTUM, Options};

/// Blocks and channels of the stem and the four stages.
#[derive(Debug)]
pub(crate) struct Variant {
    name: &'static str,
    side: usize,
    stem: usize,
    blocks: [usize; 4],
    channels: [usize; 4],
}

const fn variant(
    name: &'static str,
    side: usize,
    stem: usize,
    blocks: [usize; 4],
    channels: [usize; 4],
) -> Variant {
    Variant {
        name,
        side,
        stem,
        blocks,
        channels,
    }
}

const A: [usize; 4] = [2, 4, 14, 1];
const B: [usize; 4] = [4, 6, 16, 1];

pub(crate) static VARIANTS: [Variant; 9] = [
    variant("repvgg_nano", 128, 16, [1, 2, 3, 1], [24, 48, 96, 192]),
    variant("repvgg_micro", 128, 24, [1, 2, 3, 1], [32, 64, 128, 320]),
    variant("repvgg_a0", 224, 48, A, [48, 96, 192, 1280]),
    variant("repvgg_a1", 224, 64, A, [64, 128, 256, 1280]),
    variant("repvgg_a2", 224, 64, A, [96, 192, 384, 1408]),
    variant("repvgg_b0", 224, 64, B, [64, 128, 256, 1280]),
    variant("repvgg_b1", 224, 64, B, [128, 256, 512, 2048]),
    variant("repvgg_b2", 224, 64, B, [160, 320, 640, 2560]),
    variant("repvgg_b3", 224, 64, B, [192, 384, 768, 2560]),
];

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
            name: "head.fc",
            weight: Some(|_| Initial::Normal(0.01)),
        }
    }

    fn features(&self, net: &mut Builder, options: Options) -> Result<NodeId, GraphError> {
        // timm spreads the rates over the stages' blocks, the stem not counted.
        let last = (self.blocks.iter().sum::<usize>() - 1) as f32;
        let mut made = 0;
        let mut x = block(net, "stem", net.input(), self.stem, 2, 0.0, options)?;
        for (stage, (&blocks, &channels)) in self.blocks.iter().zip(&self.channels).enumerate() {
            for index in 0..blocks {
                let name = format!("stages.{stage}.{index}");
                let stride = if index == 0 { 2 } else { 1 };
                let rate = options.drop_path * made as f32 / last;
                x = block(net, &name, x, channels, stride, rate, options)?;
                made += 1;
            }
        }
        Ok(x)
    }

    fn set_initials(&self, graph: &mut Graph) {
        graph.start(|parameter| match parameter.role() {
            Role::NormWeight => Some(Initial::NormalAbout {
                mean: 0.1,
                deviation: 0.1,
            }),
            Role::NormBias => Some(Initial::Normal(0.1)),
            _ => None,
        });
    }
}

fn block(
    net: &mut Builder,
    name: &str,
    input: NodeId,
    channels: usize,
    stride: usize,
    drop_path: f32,
    options: Options,
) -> Result<NodeId, GraphError> {
    let norm = |net: &mut Builder, name: &str, x| net.batch_norm(name, x, EPSILON, MOMENTUM);
    let keeps_shape = stride == 1 && net.shape(input).channels() == channels;
    let identity = match keeps_shape {
        true => Some(norm(net, &format!("{name}.identity"), input)?),
        false => None,
    };
    let mut branch = |layer: &str, kernel| {
        let spec = Convolution::square(channels, kernel).stride(stride);
        let x = net.convolution(&format!("{name}.{layer}.conv"), input, spec)?;
        norm(net, &format!("{name}.{layer}.bn"), x)
    };
    let wide = branch("conv_kxk", 3)?;
    let narrow = branch("conv_1x1", 1)?;
    let sum = match identity {
        None => net.add(&[narrow, wide])?,
        Some(identity) if drop_path == 0.0 => net.add(&[narrow, wide, identity])?,
        Some(identity) => {
            let sum = net.add(&[narrow, wide])?;
            let sum = net.drop_path(sum, drop_path);
            net.add(&[sum, identity])?
        }
    };
    Ok(net.activation(sum, options.activation))
}
