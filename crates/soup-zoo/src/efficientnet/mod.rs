//! EfficientNet of both generations: a stem, stages of blocks, a pointwise layer before the pool. What differs is the table of
//! stages, one file a generation. Those that begin with `tf_` are as TensorFlow trained them, so that its weights fit.

pub mod lite;
pub mod v1;
pub mod v2;

use soup_graph::{Activation, Builder, Convolution, GraphError, Initial, NodeId, Padding};

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
    dialect: Dialect,
    /// Whether the epsilon of batch norms and the padding at strides are TensorFlow's.
    tensorflow: bool,
}

/// TensorFlow's epsilon of batch norms.
const TENSORFLOW_EPSILON: f32 = 1e-3;

/// What else tells networks apart.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Dialect {
    /// As the papers have it.
    Plain,
    /// EfficientNetV2's smaller ones: channels are rounded to the nearest multiple of 8, however much smaller.
    Nearest,
    /// EfficientNet-Lite: no squeeze-excite, ReLU6, and neither the ends' channels nor the blocks of the first and last
    /// stage are scaled.
    Lite,
}

impl Variant {
    /// Channels times width, to a multiple of 8 that is not more than a tenth smaller.
    fn scale(&self, channels: usize) -> usize {
        let wanted = channels as f64 * self.width;
        let rounded = ((wanted + 4.0) as usize / 8 * 8).max(8);
        if (rounded as f64) < 0.9 * wanted && self.dialect != Dialect::Nearest {
            rounded + 8
        } else {
            rounded
        }
    }

    /// Channels of the stem or of the last map.
    fn end(&self, channels: usize) -> usize {
        match self.dialect {
            Dialect::Lite => channels,
            Dialect::Plain | Dialect::Nearest => self.scale(channels),
        }
    }

    fn stages(&self) -> impl Iterator<Item = Stage> {
        let last = self.stages.len() - 1;
        self.stages.iter().enumerate().map(move |(place, stage)| {
            let is_end = place == 0 || place == last;
            let depth = match self.dialect {
                Dialect::Lite if is_end => 1.0,
                _ => self.depth,
            };
            Stage {
                blocks: (stage.blocks as f64 * depth).ceil() as usize,
                channels: self.scale(stage.channels),
                ..*stage
            }
        })
    }

    fn form(&self, options: Options) -> Form {
        Form {
            activation: options.activation,
            squeezes: self.dialect != Dialect::Lite,
            tensorflow: self.tensorflow,
        }
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
        match self.dialect {
            Dialect::Lite => Activation::Relu6,
            Dialect::Plain | Dialect::Nearest => Activation::Silu,
        }
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
        let form = self.form(options);
        let stem = Convolution::square(self.end(self.stem), 3);
        let x = net.convolution("conv_stem", net.input(), form.strided(stem, 2))?;
        let mut x = form.norm_act(net, "bn1", x)?;
        for (index, stage) in self.stages().enumerate() {
            for place in 0..stage.blocks {
                let block = Block {
                    name: format!("blocks.{index}.{place}"),
                    stage,
                    stride: if place == 0 { stage.stride } else { 1 },
                    drop_path: (f64::from(options.drop_path) * made as f64 / total as f64) as f32,
                };
                x = block.add(net, x, form)?;
                made += 1;
            }
        }
        let head = Convolution::square(self.end(self.features), 1);
        let x = net.convolution("conv_head", x, head)?;
        form.norm_act(net, "bn2", x)
    }
}

/// What all blocks of a network have in common.
#[derive(Clone, Copy, Debug)]
struct Form {
    activation: Activation,
    squeezes: bool,
    tensorflow: bool,
}

impl Form {
    /// A convolution at this stride; only where that is not 1 does TensorFlow pad otherwise.
    fn strided(self, spec: Convolution, stride: usize) -> Convolution {
        let spec = spec.stride(stride);
        match self.tensorflow && stride > 1 {
            true => spec.padding(Padding::Same),
            false => spec,
        }
    }

    fn norm(self, net: &mut Builder, name: &str, input: NodeId) -> Result<NodeId, GraphError> {
        let epsilon = match self.tensorflow {
            true => TENSORFLOW_EPSILON,
            false => EPSILON,
        };
        net.batch_norm(name, input, epsilon, MOMENTUM)
    }

    fn norm_act(self, net: &mut Builder, name: &str, input: NodeId) -> Result<NodeId, GraphError> {
        let x = self.norm(net, name, input)?;
        Ok(net.activation(x, self.activation))
    }

    fn squeeze_excite(
        self,
        net: &mut Builder,
        name: &str,
        map: NodeId,
        squeezed: usize,
    ) -> Result<NodeId, GraphError> {
        let channels = net.shape(map).channels();
        let x = net.average_pool(map)?;
        let x = net.pointwise(&format!("{name}.conv_reduce"), x, squeezed, true)?;
        let x = net.activation(x, self.activation);
        let x = net.pointwise(&format!("{name}.conv_expand"), x, channels, true)?;
        let factors = net.activation(x, Activation::Sigmoid);
        net.scale(map, factors)
    }
}

struct Block {
    name: String,
    stage: Stage,
    stride: usize,
    drop_path: f32,
}

impl Block {
    fn add(&self, net: &mut Builder, input: NodeId, form: Form) -> Result<NodeId, GraphError> {
        let x = match self.stage.kind {
            Kind::Plain => self.plain(net, input, form)?,
            Kind::Fused => self.fused(net, input, form)?,
            Kind::Inverted => self.inverted(net, input, form)?,
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

    fn plain(&self, net: &mut Builder, input: NodeId, form: Form) -> Result<NodeId, GraphError> {
        let spec = Convolution::square(self.stage.channels, self.stage.kernel);
        let x = net.convolution(&self.layer("conv"), input, form.strided(spec, self.stride))?;
        form.norm_act(net, &self.layer("bn1"), x)
    }

    fn fused(&self, net: &mut Builder, input: NodeId, form: Form) -> Result<NodeId, GraphError> {
        let middle = self.middle(net, input);
        let spec = Convolution::square(middle, self.stage.kernel);
        let x = net.convolution(
            &self.layer("conv_exp"),
            input,
            form.strided(spec, self.stride),
        )?;
        let x = form.norm_act(net, &self.layer("bn1"), x)?;
        self.project(net, ["conv_pwl", "bn2"], x, form)
    }

    fn inverted(&self, net: &mut Builder, input: NodeId, form: Form) -> Result<NodeId, GraphError> {
        let middle = self.middle(net, input);
        let mut x = input;
        let [norm_depthwise, project, norm_project] = if self.stage.expansion == 1 {
            ["bn1", "conv_pw", "bn2"]
        } else {
            x = net.convolution(&self.layer("conv_pw"), x, Convolution::square(middle, 1))?;
            x = form.norm_act(net, &self.layer("bn1"), x)?;
            ["bn2", "conv_pwl", "bn3"]
        };
        let depthwise = Convolution::depthwise(middle, self.stage.kernel);
        let depthwise = form.strided(depthwise, self.stride);
        x = net.convolution(&self.layer("conv_dw"), x, depthwise)?;
        x = form.norm_act(net, &self.layer(norm_depthwise), x)?;
        if form.squeezes {
            let squeezed = net.shape(input).channels() / SQUEEZE;
            x = form.squeeze_excite(net, &self.layer("se"), x, squeezed)?;
        }
        self.project(net, [project, norm_project], x, form)
    }

    /// The pointwise layer at the end of a block, which has no activation.
    fn project(
        &self,
        net: &mut Builder,
        [convolution, norm]: [&str; 2],
        map: NodeId,
        form: Form,
    ) -> Result<NodeId, GraphError> {
        let spec = Convolution::square(self.stage.channels, 1);
        let x = net.convolution(&self.layer(convolution), map, spec)?;
        form.norm(net, &self.layer(norm), x)
    }
}
