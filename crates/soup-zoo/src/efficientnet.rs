//! EfficientNet B0 to B8 (Tan and Le, "EfficientNet: rethinking model scaling for convolutional
//! neural networks", ICML 2019), as timm's `efficientnet_b0` to `efficientnet_b8`: PyTorch's
//! padding and batch norm.

use soup_graph::{Activation, Builder, Convolution, GraphError, Initial, NodeId};

use crate::backbone::{Backbone, Classifier, EPSILON, MOMENTUM, Options};

/// B0 scaled: `width` multiplies channels, `depth` multiplies blocks.
#[derive(Debug)]
pub(crate) struct Variant {
    name: &'static str,
    width: f64,
    depth: f64,
    side: usize,
}

const fn variant(name: &'static str, width: f64, depth: f64, side: usize) -> Variant {
    Variant {
        name,
        width,
        depth,
        side,
    }
}

/// Sides are those of timm's weights.
pub(crate) static VARIANTS: [Variant; 9] = [
    variant("efficientnet_b0", 1.0, 1.0, 224),
    variant("efficientnet_b1", 1.0, 1.1, 240),
    variant("efficientnet_b2", 1.1, 1.2, 256),
    variant("efficientnet_b3", 1.2, 1.4, 288),
    variant("efficientnet_b4", 1.4, 1.8, 320),
    variant("efficientnet_b5", 1.6, 2.2, 448),
    variant("efficientnet_b6", 1.8, 2.6, 528),
    variant("efficientnet_b7", 2.0, 3.1, 600),
    variant("efficientnet_b8", 2.2, 3.6, 672),
];

/// Blocks of one stage of B0.
struct Stage {
    blocks: usize,
    kernel: usize,
    stride: usize,
    expansion: usize,
    channels: usize,
}

const fn stage(
    blocks: usize,
    kernel: usize,
    stride: usize,
    expansion: usize,
    channels: usize,
) -> Stage {
    Stage {
        blocks,
        kernel,
        stride,
        expansion,
        channels,
    }
}

const STAGES: [Stage; 7] = [
    stage(1, 3, 1, 1, 16),
    stage(2, 3, 2, 6, 24),
    stage(2, 5, 2, 6, 40),
    stage(3, 3, 2, 6, 80),
    stage(3, 5, 1, 6, 112),
    stage(4, 5, 2, 6, 192),
    stage(1, 3, 1, 6, 320),
];
const STEM: usize = 32;
const FEATURES: usize = 1280;
/// Squeeze-excite has this fraction of the block's input channels.
const SQUEEZE: usize = 4;

impl Variant {
    /// Channels times width, to a multiple of 8 that is not more than a tenth smaller.
    fn scale(&self, channels: usize) -> usize {
        let wanted = channels as f64 * self.width;
        let rounded = ((wanted + 4.0) as usize / 8 * 8).max(8);
        if (rounded as f64) < 0.9 * wanted {
            rounded + 8
        } else {
            rounded
        }
    }

    fn blocks(&self, stage: &Stage) -> usize {
        (stage.blocks as f64 * self.depth).ceil() as usize
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
        Activation::Silu
    }

    fn classifier(&self) -> Classifier {
        Classifier {
            name: "classifier",
            weight: Some(|outputs| Initial::Uniform(1.0 / (outputs as f32).sqrt())),
        }
    }

    fn features(&self, net: &mut Builder, options: Options) -> Result<NodeId, GraphError> {
        let total: usize = STAGES.iter().map(|stage| self.blocks(stage)).sum();
        let mut made = 0;
        let stem = Convolution::square(self.scale(STEM), 3).stride(2);
        let x = net.convolution("conv_stem", net.input(), stem)?;
        let mut x = norm_act(net, "bn1", x, options)?;
        for (index, stage) in STAGES.iter().enumerate() {
            for block in 0..self.blocks(stage) {
                let shape = Block {
                    name: format!("blocks.{index}.{block}"),
                    kernel: stage.kernel,
                    stride: if block == 0 { stage.stride } else { 1 },
                    expansion: stage.expansion,
                    channels: self.scale(stage.channels),
                    drop_path: (f64::from(options.drop_path) * made as f64 / total as f64) as f32,
                };
                x = shape.add(net, x, options)?;
                made += 1;
            }
        }
        let head = Convolution::square(self.scale(FEATURES), 1);
        let x = net.convolution("conv_head", x, head)?;
        norm_act(net, "bn2", x, options)
    }
}

/// An inverted residual block; without expansion it is timm's depthwise separable one, whose layers
/// have other names.
struct Block {
    name: String,
    kernel: usize,
    stride: usize,
    expansion: usize,
    channels: usize,
    drop_path: f32,
}

impl Block {
    fn add(
        &self,
        net: &mut Builder,
        input: NodeId,
        options: Options,
    ) -> Result<NodeId, GraphError> {
        let layer = |name: &str| format!("{}.{name}", self.name);
        let channels = net.shape(input).channels();
        let middle = channels * self.expansion;
        let mut x = input;
        let [norm_depthwise, project, norm_project] = if self.expansion == 1 {
            ["bn1", "conv_pw", "bn2"]
        } else {
            x = net.convolution(&layer("conv_pw"), x, Convolution::square(middle, 1))?;
            x = norm_act(net, &layer("bn1"), x, options)?;
            ["bn2", "conv_pwl", "bn3"]
        };
        let depthwise = Convolution::depthwise(middle, self.kernel).stride(self.stride);
        let x = net.convolution(&layer("conv_dw"), x, depthwise)?;
        let x = norm_act(net, &layer(norm_depthwise), x, options)?;
        let x = squeeze_excite(net, &layer("se"), x, channels / SQUEEZE, options)?;
        let x = net.convolution(&layer(project), x, Convolution::square(self.channels, 1))?;
        let x = net.batch_norm(&layer(norm_project), x, EPSILON, MOMENTUM)?;
        if self.stride != 1 || channels != self.channels {
            return Ok(x);
        }
        let x = net.drop_path(x, self.drop_path);
        net.add(&[x, input])
    }
}

fn squeeze_excite(
    net: &mut Builder,
    name: &str,
    map: NodeId,
    squeezed: usize,
    options: Options,
) -> Result<NodeId, GraphError> {
    let channels = net.shape(map).channels();
    let x = net.average_pool(map)?;
    let x = net.pointwise(&format!("{name}.conv_reduce"), x, squeezed, true)?;
    let x = net.activation(x, options.activation);
    let x = net.pointwise(&format!("{name}.conv_expand"), x, channels, true)?;
    let factors = net.activation(x, Activation::Sigmoid);
    net.scale(map, factors)
}

fn norm_act(
    net: &mut Builder,
    name: &str,
    input: NodeId,
    options: Options,
) -> Result<NodeId, GraphError> {
    let x = net.batch_norm(name, input, EPSILON, MOMENTUM)?;
    Ok(net.activation(x, options.activation))
}
