//! A graph written down: what a file holds so that its reader needs no zoo.

use serde::{Deserialize, Serialize};

use crate::{Activation, Builder, Convolution, Graph, GraphError, ImageShape, NodeId, Op, Padding};

/// The layers of a network in the order in which they are run. Layer `n`, counted from 1, is node
/// `n` of the graph; node 0 is the image.
///
/// It names no size of an image or of a map: [`Description::build`] goes through [`Builder`], which
/// derives every shape and refuses what does not fit, so that a description from a damaged or
/// hostile file gives a graph that could have been built by hand or an error.
///
/// ```
/// use soup_graph::{Builder, Convolution, Description, ImageShape};
///
/// let mut net = Builder::new(ImageShape { channels: 1, height: 32, width: 32 });
/// let x = net.convolution("conv", net.input(), Convolution::square(8, 3).with_bias())?;
/// let x = net.average_pool(x)?;
/// let graph = net.finish(&[x])?;
///
/// let text = serde_json::to_string(&Description::of(&graph))?;
/// let read: Description = serde_json::from_str(&text)?;
/// let larger = read.build(ImageShape { channels: 1, height: 64, width: 48 })?;
/// assert_eq!(larger.parameters()[0].name(), "conv.weight");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    layers: Vec<Layer>,
    outputs: Vec<usize>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Layer {
    #[serde(flatten)]
    kind: Kind,
    /// The nodes that it reads.
    from: Vec<usize>,
}

/// [`Op`] by words and numbers alone; parameters follow from the layer's name as timm builds them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Kind {
    Convolution {
        name: String,
        channels: usize,
        kernel: usize,
        stride: usize,
        padding: Padding,
        groups: usize,
        bias: bool,
    },
    BatchNorm {
        name: String,
        epsilon: f32,
        momentum: f32,
    },
    Activation {
        function: Activation,
    },
    AveragePool,
    LogSumExpPool {
        /// `null` is infinity, which JSON cannot write: the maximum.
        sharpness: Option<f32>,
    },
    PowerPool {
        name: String,
    },
    AttentionPool {
        /// `null` is infinity.
        temperature: Option<f32>,
        share: f32,
        mean: f32,
    },
    MaxPool {
        kernel: usize,
        stride: usize,
        padding: usize,
    },
    Scale,
    Add,
    Linear {
        name: String,
        outputs: usize,
        bias: bool,
        /// Whether the weight has the shape of a 1x1 convolution.
        pointwise: bool,
    },
    Dropout {
        rate: f32,
    },
    DropPath {
        rate: f32,
    },
}

impl Description {
    /// Writes a graph down. How its parameters start is left out; its parameters must be named as
    /// [`Builder`] names them, which every rewrite keeps.
    pub fn of(graph: &Graph) -> Self {
        let layers = graph.nodes().iter().skip(1).map(|node| Layer {
            kind: Kind::of(graph, &node.op),
            from: node.inputs.iter().map(|id| id.0).collect(),
        });
        Self {
            layers: layers.collect(),
            outputs: graph.outputs().iter().map(|id| id.0).collect(),
        }
    }

    /// The graph for images of this shape.
    ///
    /// # Errors
    /// [`GraphError`] naming the layer that cannot be: it reads a node that does not stand before
    /// it, or a shape that it has no use for, or has a setting out of range.
    pub fn build(&self, input: ImageShape) -> Result<Graph, GraphError> {
        // Before any work is done for them.
        crate::check_layers(self.layers.len())?;
        let mut net = Builder::new(input);
        for (index, layer) in self.layers.iter().enumerate() {
            let number = index + 1;
            let wrong = |problem: String| GraphError::Shape {
                name: format!("layer {number}"),
                problem,
            };
            if let Some(later) = layer.from.iter().find(|from| **from >= number) {
                return Err(wrong(format!(
                    "it reads layer {later}, which does not stand before it"
                )));
            }
            let from: Vec<NodeId> = layer.from.iter().copied().map(NodeId).collect();
            let node = match (&layer.kind, from.as_slice()) {
                (Kind::Add, terms) => net.add(terms),
                (Kind::Scale, &[map, factors]) => net.scale(map, factors),
                (
                    Kind::AttentionPool {
                        temperature,
                        share,
                        mean,
                    },
                    &[scores, values],
                ) => {
                    let temperature = temperature.unwrap_or(f32::INFINITY);
                    net.attention_pool(scores, values, temperature, *share, *mean)
                }
                (kind, &[from]) if !matches!(kind, Kind::Scale | Kind::AttentionPool { .. }) => {
                    kind.add(&mut net, from)
                }
                _ => {
                    let problem = format!("it cannot read {} nodes", from.len());
                    return Err(wrong(problem));
                }
            };
            // Every error names the layer of the file.
            let node = node.map_err(|error| match error {
                GraphError::Shape { name, problem } => wrong(format!("{name}: {problem}")),
                other => other,
            })?;
            if node.0 != number {
                // The builder leaves out what does nothing.
                return Err(wrong("a rate of 0 drops nothing".to_owned()));
            }
        }
        let outputs: Vec<NodeId> = self.outputs.iter().copied().map(NodeId).collect();
        net.finish(&outputs)
    }
}

impl Graph {
    /// The same network for images of another shape; how parameters start is forgotten.
    ///
    /// # Errors
    /// [`GraphError`] where images of this shape are too small for a layer.
    pub fn resized(&self, input: ImageShape) -> Result<Self, GraphError> {
        Description::of(self).build(input)
    }
}

impl Kind {
    fn of(graph: &Graph, op: &Op) -> Self {
        let parameter = |id: crate::ParameterId| graph.at(id);
        let layer = |id| {
            let name = parameter(id).name();
            name.strip_suffix(".weight").unwrap_or(name).to_owned()
        };
        match *op {
            // Only node 0 is the input, and it is not written down.
            Op::Input => Self::Add,
            Op::Convolution { spec, weight, .. } => Self::Convolution {
                name: layer(weight),
                channels: spec.channels,
                kernel: spec.kernel,
                stride: spec.stride,
                padding: spec.padding,
                groups: spec.groups,
                bias: spec.bias,
            },
            Op::BatchNorm {
                epsilon,
                momentum,
                weight,
                ..
            } => Self::BatchNorm {
                name: layer(weight),
                epsilon,
                momentum,
            },
            Op::Activation(function) => Self::Activation { function },
            Op::AveragePool => Self::AveragePool,
            Op::LogSumExpPool { sharpness } => Self::LogSumExpPool {
                sharpness: sharpness.is_finite().then_some(sharpness),
            },
            Op::PowerPool { power } => {
                let name = parameter(power).name();
                Self::PowerPool {
                    name: name.strip_suffix(".power").unwrap_or(name).to_owned(),
                }
            }
            Op::AttentionPool {
                temperature,
                share,
                mean,
            } => Self::AttentionPool {
                temperature: temperature.is_finite().then_some(temperature),
                share,
                mean,
            },
            Op::MaxPool {
                kernel,
                stride,
                padding,
            } => Self::MaxPool {
                kernel,
                stride,
                padding,
            },
            Op::Scale => Self::Scale,
            Op::Add => Self::Add,
            Op::Linear { weight, bias } => Self::Linear {
                name: layer(weight),
                outputs: parameter(weight).shape()[0],
                bias: bias.is_some(),
                pointwise: parameter(weight).shape().len() > 2,
            },
            Op::Dropout(rate) => Self::Dropout { rate },
            Op::DropPath(rate) => Self::DropPath { rate },
        }
    }

    /// Adds a node that reads one other.
    fn add(&self, net: &mut Builder, from: NodeId) -> Result<NodeId, GraphError> {
        match self {
            Self::Convolution {
                name,
                channels,
                kernel,
                stride,
                padding,
                groups,
                bias,
            } => {
                let spec = Convolution {
                    channels: *channels,
                    kernel: *kernel,
                    stride: *stride,
                    padding: *padding,
                    groups: *groups,
                    bias: *bias,
                };
                net.convolution(name, from, spec)
            }
            Self::BatchNorm {
                name,
                epsilon,
                momentum,
            } => net.batch_norm(name, from, *epsilon, *momentum),
            Self::Activation { function } => Ok(net.activation(from, *function)),
            Self::AveragePool => net.average_pool(from),
            Self::LogSumExpPool { sharpness } => {
                net.log_sum_exp_pool(from, sharpness.unwrap_or(f32::INFINITY))
            }
            // The weights hold the power; a fresh network would start at the logarithm of the mean.
            Self::PowerPool { name } => net.power_pool(name, from, 1.0),
            Self::MaxPool {
                kernel,
                stride,
                padding,
            } => net.max_pool(from, *kernel, *stride, *padding),
            Self::Linear {
                name,
                outputs,
                bias,
                pointwise: true,
            } => net.pointwise(name, from, *outputs, *bias),
            Self::Linear {
                name,
                outputs,
                bias,
                pointwise: false,
            } => net.linear(name, from, *outputs, *bias),
            Self::Dropout { rate } => Ok(net.dropout(from, *rate)),
            Self::DropPath { rate } => Ok(net.drop_path(from, *rate)),
            // Read by `Description::build` itself.
            Self::Scale | Self::Add | Self::AttentionPool { .. } => net.add(&[from]),
        }
    }
}
