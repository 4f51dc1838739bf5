//! Operations.

use serde::{Deserialize, Serialize};

use crate::{
    Convolution, Padding, Parameter, ParameterId, Role, Shape,
    convolution::Window,
    shape::{MOST_CHANNELS, bounded, within},
};

/// An element-wise function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// `max(x, 0)`
    Relu,
    /// `x * sigmoid(x)`, also called swish.
    Silu,
    /// `x * Phi(x)`, by the error function.
    Gelu,
    /// `x * tanh(ln(1 + e^x))`
    Mish,
    /// `min(max(x, 0), 6)` (Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010).
    Relu6,
    /// `x * clip(x + 3, 0, 6) / 6`
    Hardswish,
    /// `1 / (1 + e^-x)`
    Sigmoid,
}

/// What a node computes. Parameters are named by their place in the graph.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// The image.
    Input,
    /// Convolution. Weight in PyTorch's order: out, in / groups, rows, columns.
    Convolution {
        /// Kernel, stride, padding, groups.
        spec: Convolution,
        /// The filters.
        weight: ParameterId,
        /// One value an output channel.
        bias: Option<ParameterId>,
    },
    /// Batch normalisation over images, rows and columns.
    BatchNorm {
        /// Added to the variance.
        epsilon: f32,
        /// Share of the new batch in the running statistics.
        momentum: f32,
        /// Scale, one a channel.
        weight: ParameterId,
        /// Shift, one a channel.
        bias: ParameterId,
        /// Running mean, one a channel.
        mean: ParameterId,
        /// Running (unbiased) variance, one a channel.
        variance: ParameterId,
    },
    /// Element-wise function of a map or a vector.
    Activation(Activation),
    /// Mean over rows and columns: map to vector.
    AveragePool,
    /// Smooth maximum over rows and columns, `ln(mean(exp(s x))) / s`: map to vector.
    LogSumExpPool {
        /// `s`: 0 gives the mean, infinity the maximum.
        sharpness: f32,
    },
    /// Smooth maximum over rows and columns with a learned sharpness that all channels share,
    /// `ln(mean(exp(p x))) / p`: map to vector. It is the generalised mean of `exp(x)` with power `p`
    /// (GeM: Radenovic, Tolias and Chum, TPAMI 2019), written as a logarithm again.
    PowerPool {
        /// `p`, one value.
        power: ParameterId,
    },
    /// Attention over rows and columns, channel by channel: map to vector. Inputs are what is
    /// attended by and what is attended to, `y = mean * mean(values) + share * sum(softmax(t scores)
    /// values)`.
    AttentionPool {
        /// `t`: 0 attends everywhere alike, infinity to the largest scores alone.
        temperature: f32,
        /// Factor of what is attended to.
        share: f32,
        /// Factor of the mean over all places.
        mean: f32,
    },
    /// Largest value in a window; padding never wins.
    MaxPool {
        /// Side of the window.
        kernel: usize,
        /// Step.
        stride: usize,
        /// Places added on each side.
        padding: usize,
    },
    /// A map times a vector, one factor a channel: inputs are the map and the vector.
    Scale,
    /// Sum of two or more maps or vectors of one shape.
    Add,
    /// Matrix product of a vector. Weight: out, in (any trailing sides of 1).
    Linear {
        /// The matrix.
        weight: ParameterId,
        /// One value an output.
        bias: Option<ParameterId>,
    },
    /// In training, values are zeroed with this probability and the rest scaled up.
    Dropout(f32),
    /// In training, an image's whole branch is zeroed with this probability and the rest scaled up.
    DropPath(f32),
}

/// Infinity is allowed where the operation has a limit.
fn at_least_0(what: &str, value: f32, infinite: bool) -> Result<(), String> {
    (value >= 0.0 && (infinite || value.is_finite()))
        .then_some(())
        .ok_or_else(|| format!("{what} is {value}; it must be a number of at least 0"))
}

impl Op {
    /// The rules of the operations, in one place: the shape that this one gives for inputs of these shapes, or why it
    /// cannot be. Inputs and parameters that it does not have are named too.
    pub(crate) fn output(
        &self,
        inputs: &[Shape],
        parameters: &[Parameter],
    ) -> Result<Shape, String> {
        let needs = |id: ParameterId, role: Role, shape: &[usize]| match parameters.get(id.0) {
            Some(found) if found.role() == role && found.shape() == shape => Ok(()),
            Some(found) => Err(format!(
                "needs a parameter of shape {shape:?} as its {role:?}, got '{}' of shape {:?} ({:?})",
                found.name(),
                found.shape(),
                found.role()
            )),
            None => Err(format!("there is no parameter {} for its {role:?}", id.0)),
        };
        let shape = match (self, inputs) {
            (Self::Convolution { spec, weight, bias }, &[input]) => {
                let map = input.map()?;
                within("channels", spec.channels, 1, MOST_CHANNELS)?;
                within("groups", spec.groups, 1, MOST_CHANNELS)?;
                let depthwise = spec.groups == map.channels && spec.groups == spec.channels;
                if spec.groups != 1 && !depthwise {
                    return Err(format!(
                        "{} groups with {} input and {} output channels: only 1 and depthwise are supported",
                        spec.groups, map.channels, spec.channels
                    ));
                }
                let output = spec.window().over(map, spec.channels)?;
                needs(*weight, Role::Weight, &spec.filters(map.channels))?;
                if spec.bias != bias.is_some() {
                    return Err("a bias is wanted and missing, or there and not wanted".to_owned());
                }
                if let Some(bias) = bias {
                    needs(*bias, Role::Bias, &[spec.channels])?;
                }
                output
            }
            (
                Self::BatchNorm {
                    epsilon,
                    momentum,
                    weight,
                    bias,
                    mean,
                    variance,
                },
                &[input],
            ) => {
                let channels = [input.map()?.channels];
                at_least_0("epsilon", *epsilon, false)?;
                at_least_0("momentum", *momentum, false)?;
                needs(*weight, Role::NormWeight, &channels)?;
                needs(*bias, Role::NormBias, &channels)?;
                needs(*mean, Role::RunningMean, &channels)?;
                needs(*variance, Role::RunningVariance, &channels)?;
                input
            }
            (Self::Activation(_), &[input]) => input,
            (Self::AveragePool, &[input]) => Shape::Vector(input.map()?.channels),
            (Self::LogSumExpPool { sharpness }, &[input]) => {
                at_least_0("sharpness", *sharpness, true)?;
                Shape::Vector(input.map()?.channels)
            }
            (Self::PowerPool { power }, &[input]) => {
                needs(*power, Role::Bias, &[1])?;
                Shape::Vector(input.map()?.channels)
            }
            (
                Self::AttentionPool {
                    temperature,
                    share,
                    mean,
                },
                &[scores, values],
            ) => {
                at_least_0("temperature", *temperature, true)?;
                at_least_0("share", *share, false)?;
                at_least_0("mean", *mean, false)?;
                let (by, map) = (scores.map()?, values.map()?);
                if by != map {
                    return Err(format!("scores of {by:?} do not fit values of {map:?}"));
                }
                Shape::Vector(map.channels)
            }
            (
                &Self::MaxPool {
                    kernel,
                    stride,
                    padding,
                },
                &[input],
            ) => {
                let map = input.map()?;
                let window = Window {
                    kernel,
                    stride,
                    padding: Padding::Each(padding),
                };
                let output = window.over(map, map.channels)?;
                if 2 * padding > kernel {
                    return Err(format!(
                        "a window of {kernel} padded by {padding} could lie in the padding alone"
                    ));
                }
                output
            }
            (Self::Scale, &[input, factors]) => {
                let channels = input.map()?.channels;
                if factors != Shape::Vector(channels) {
                    return Err(format!(
                        "{channels} channels need as many factors, got {factors:?}"
                    ));
                }
                input
            }
            (Self::Add, terms) => match terms {
                [first, _, ..] if terms.iter().all(|term| term == first) => *first,
                _ => {
                    return Err(format!(
                        "needs two or more terms of one shape, got {terms:?}"
                    ));
                }
            },
            (Self::Linear { weight, bias }, &[input]) => {
                let length = input.vector()?;
                let given = parameters.get(weight.0).map_or(&[][..], Parameter::shape);
                let outputs = given.first().copied().unwrap_or(1);
                // A 1x1 convolution of a vector is written with two more sides.
                let shape = [outputs, length, 1, 1];
                needs(*weight, Role::Weight, &shape[..given.len().clamp(2, 4)])?;
                if let Some(bias) = bias {
                    needs(*bias, Role::Bias, &[outputs])?;
                }
                Shape::Vector(outputs)
            }
            (Self::Dropout(rate) | Self::DropPath(rate), &[input]) => {
                at_least_0("rate", *rate, false)?;
                if *rate >= 1.0 {
                    return Err(format!("rate is {rate}; it must be below 1"));
                }
                input
            }
            (Self::Input, _) => return Err("only node 0 is the image".to_owned()),
            _ => return Err(format!("it cannot read {} nodes", inputs.len())),
        };
        bounded(shape)
    }

    /// The parameters that it reads.
    pub(crate) fn parameters_mut(&mut self) -> Vec<&mut ParameterId> {
        match self {
            Self::Convolution { weight, bias, .. } | Self::Linear { weight, bias } => {
                std::iter::once(weight).chain(bias).collect()
            }
            Self::BatchNorm {
                weight,
                bias,
                mean,
                variance,
                ..
            } => vec![weight, bias, mean, variance],
            Self::PowerPool { power } => vec![power],
            Self::Input
            | Self::Activation(_)
            | Self::AveragePool
            | Self::LogSumExpPool { .. }
            | Self::AttentionPool { .. }
            | Self::MaxPool { .. }
            | Self::Scale
            | Self::Add
            | Self::Dropout(_)
            | Self::DropPath(_) => Vec::new(),
        }
    }
}
