//! Our own residual networks for small objects in large images, made to be trained on a CPU. The stem downsamples twice,
//! cheaply. The stages stop at a sixteenth of the image (nano, micro) or at an eighth (tiny, small, base, large), so that
//! an object of 20 pixels still has a cell in the last map. Blocks are those of ResNet (He et al., CVPR 2016) with two 3x3
//! convolutions.

use soup_graph::{Activation, Builder, Convolution, Graph, GraphError, Initial, NodeId};

use crate::backbone::{Backbone, Classifier, EPSILON, Options};

/// Momentum of the running statistics of batch norm. Batches are small here (8 images): with the usual 0.1 the statistics
/// would be those of the last 80 images, and every validation as noisy.
const MOMENTUM: f32 = 0.01;

/// Channels of the two layers of the stem, and (blocks, channels, stride) of each stage.
#[derive(Debug)]
pub(crate) struct Variant {
    name: &'static str,
    stem: [usize; 2],
    stages: &'static [(usize, usize, usize)],
}

pub(crate) static VARIANTS: [Variant; 6] = [
    Variant {
        name: "soup_nano",
        stem: [16, 24],
        stages: &[(1, 48, 2), (2, 96, 2)],
    },
    Variant {
        name: "soup_micro",
        stem: [16, 32],
        stages: &[(2, 64, 2), (2, 128, 2)],
    },
    Variant {
        name: "soup_tiny",
        stem: [16, 32],
        stages: &[(1, 32, 1), (2, 64, 2), (1, 96, 1)],
    },
    Variant {
        name: "soup_small",
        stem: [16, 32],
        stages: &[(1, 32, 1), (2, 64, 2), (2, 96, 1)],
    },
    Variant {
        name: "soup_base",
        stem: [24, 48],
        stages: &[(1, 48, 1), (2, 96, 2), (3, 128, 1)],
    },
    Variant {
        name: "soup_large",
        stem: [32, 64],
        stages: &[(1, 64, 1), (2, 128, 2), (3, 192, 1)],
    },
];

impl Backbone for Variant {
    fn name(&self) -> &'static str {
        self.name
    }

    fn side(&self) -> usize {
        256
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
        let mut x = net.input();
        for (index, channels) in self.stem.into_iter().enumerate() {
            let spec = Convolution::square(channels, 3).stride(2);
            x = normalised(net, &format!("stem.{index}"), x, spec)?;
            x = net.activation(x, options.activation);
        }
        let total: usize = self.stages.iter().map(|(blocks, ..)| blocks).sum();
        let mut made = 0;
        let mut inputs = self.stem[1];
        for (stage, &(blocks, channels, stride)) in self.stages.iter().enumerate() {
            for block in 0..blocks {
                let stride = if block == 0 { stride } else { 1 };
                let name = format!("stages.{stage}.{block}");
                let spec = Convolution::square(channels, 3);
                let y = normalised(net, &format!("{name}.1"), x, spec.stride(stride))?;
                let y = net.activation(y, options.activation);
                let y = normalised(net, &format!("{name}.2"), y, spec)?;
                made += 1;
                let y = net.drop_path(y, options.drop_path * made as f32 / total as f32);
                let shortcut = if stride == 1 && inputs == channels {
                    x
                } else {
                    let spec = Convolution::square(channels, 1).stride(stride);
                    normalised(net, &format!("{name}.shortcut"), x, spec)?
                };
                let sum = net.add(&[y, shortcut])?;
                x = net.activation(sum, options.activation);
                inputs = channels;
            }
        }
        Ok(x)
    }

    /// The last scale of a branch beside a plain shortcut starts at 0, so that the block starts as its shortcut.
    fn set_initials(&self, graph: &mut Graph) {
        let with_shortcut: Vec<String> = graph
            .parameters()
            .iter()
            .filter_map(|p| p.name().strip_suffix(".shortcut.norm.weight"))
            .map(str::to_owned)
            .collect();
        graph.start(|parameter| {
            let block = parameter.name().strip_suffix(".2.norm.weight")?;
            let has_shortcut = with_shortcut.iter().any(|name| name == block);
            (!has_shortcut).then_some(Initial::Constant(0.0))
        });
    }
}

fn normalised(
    net: &mut Builder,
    name: &str,
    input: NodeId,
    spec: Convolution,
) -> Result<NodeId, GraphError> {
    let x = net.convolution(&format!("{name}.conv"), input, spec)?;
    net.batch_norm(&format!("{name}.norm"), x, EPSILON, MOMENTUM)
}
