//! EfficientNet of both generations: a stem, stages of blocks, a pointwise layer before the pool. What differs is the table of
//! stages, one file a generation.

pub mod v1;
pub mod v2;

use soup_graph::{Activation, Builder, Convolution, GraphError, Initial, NodeId};

use crate::backbone::{Backbone, Classifier, EPSILON, MOMENTUM, Options};

/// Squeeze-excite has this fraction of the block's input channels.
const SQUEEZE: usize = 4;

/// How the blocks of a stage are made.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// One convolution with a shortcut around it (timm's `ConvBnAct`).
    Plain,
    /// A convolution that expands, a pointwise one back (`EdgeResidual`).
    Fused,
    /// Pointwise expansion, depthwise convolution, squeeze-excite, a pointwise one back (`InvertedResidual`; without
    /// expansion `DepthwiseSeparableConv`, whose layers have other names).
    Inverted,
}

/// Blocks of one shape; the first takes the stride.
#[derive(Clone, Copy, Debug)]
struct Stage {
    kind: Kind,
    blocks: usize,
    kernel: usize,
    stride: usize,
    expansion: usize,
    channels: usize,
}

/// A network: the stages and the channels of its ends, scaled.
#[derive(Debug)]
pub(crate) struct Variant {
    name: &'static str,
    side: usize,
    /// Multiplies channels.
    width: f64,
    /// Multiplies blocks.
    depth: f64,
    /// Channels that leave the first convolution.
    stem: usize,
    stages: &'static [Stage],
    /// Channels of the last map.
    features: usize,
}

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

    fn stages(&self) -> impl Iterator<Item = Stage> {
        self.stages.iter().map(|stage| Stage {
            blocks: (stage.blocks as f64 * self.depth).ceil() as usize,
            channels: self.scale(stage.channels),
            ..*stage
        })
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
        let total: usize = self.stages().map(|stage| stage.blocks).sum();
        let mut made = 0;
        let stem = Convolution::square(self.scale(self.stem), 3).stride(2);
        let x = net.convolution("conv_stem", net.input(), stem)?;
        let mut x = norm_act(net, "bn1", x, options)?;
        for (index, stage) in self.stages().enumerate() {
            for place in 0..stage.blocks {
                let block = Block {
                    name: format!("blocks.{index}.{place}"),
                    stage,
                    stride: if place == 0 { stage.stride } else { 1 },
                    drop_path: (f64::from(options.drop_path) * made as f64 / total as f64) as f32,
                };
                x = block.add(net, x, options)?;
                made += 1;
            }
        }
        let head = Convolution::square(self.scale(self.features), 1);
        let x = net.convolution("conv_head", x, head)?;
        norm_act(net, "bn2", x, options)
    }
}

struct Block {
    name: String,
    stage: Stage,
    stride: usize,
    drop_path: f32,
}

impl Block {
    fn add(
        &self,
        net: &mut Builder,
        input: NodeId,
        options: Options,
    ) -> Result<NodeId, GraphError> {
        let x = match self.stage.kind {
            Kind::Plain => self.plain(net, input, options)?,
            Kind::Fused => self.fused(net, input, options)?,
            Kind::Inverted => self.inverted(net, input, options)?,
        };
        if self.stride != 1 || net.shape(input).channels() != self.stage.channels {
            return Ok(x);
        }
        let x = net.drop_path(x, self.drop_path);
        net.add(&[x, input])
    }

    fn layer(&self, name: &str) -> String {
        format!("{}.{name}", self.name)
    }

    /// Channels between the block's ends.
    fn middle(&self, net: &Builder, input: NodeId) -> usize {
        net.shape(input).channels() * self.stage.expansion
    }

    fn plain(
        &self,
        net: &mut Builder,
        input: NodeId,
        options: Options,
    ) -> Result<NodeId, GraphError> {
        let spec = Convolution::square(self.stage.channels, self.stage.kernel).stride(self.stride);
        let x = net.convolution(&self.layer("conv"), input, spec)?;
        norm_act(net, &self.layer("bn1"), x, options)
    }

    fn fused(
        &self,
        net: &mut Builder,
        input: NodeId,
        options: Options,
    ) -> Result<NodeId, GraphError> {
        let middle = self.middle(net, input);
        let spec = Convolution::square(middle, self.stage.kernel).stride(self.stride);
        let x = net.convolution(&self.layer("conv_exp"), input, spec)?;
        let x = norm_act(net, &self.layer("bn1"), x, options)?;
        self.project(net, ["conv_pwl", "bn2"], x)
    }

    fn inverted(
        &self,
        net: &mut Builder,
        input: NodeId,
        options: Options,
    ) -> Result<NodeId, GraphError> {
        let middle = self.middle(net, input);
        let mut x = input;
        let [norm_depthwise, project, norm_project] = if self.stage.expansion == 1 {
            ["bn1", "conv_pw", "bn2"]
        } else {
            x = net.convolution(&self.layer("conv_pw"), x, Convolution::square(middle, 1))?;
            x = norm_act(net, &self.layer("bn1"), x, options)?;
            ["bn2", "conv_pwl", "bn3"]
        };
        let depthwise = Convolution::depthwise(middle, self.stage.kernel).stride(self.stride);
        let x = net.convolution(&self.layer("conv_dw"), x, depthwise)?;
        let x = norm_act(net, &self.layer(norm_depthwise), x, options)?;
        let squeezed = net.shape(input).channels() / SQUEEZE;
        let x = squeeze_excite(net, &self.layer("se"), x, squeezed, options)?;
        self.project(net, [project, norm_project], x)
    }

    /// The pointwise layer at the end of a block, which has no activation.
    fn project(
        &self,
        net: &mut Builder,
        [convolution, norm]: [&str; 2],
        map: NodeId,
    ) -> Result<NodeId, GraphError> {
        let spec = Convolution::square(self.stage.channels, 1);
        let x = net.convolution(&self.layer(convolution), map, spec)?;
        net.batch_norm(&self.layer(norm), x, EPSILON, MOMENTUM)
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
