//! Operations and shapes.

use serde::{Deserialize, Serialize};

use crate::ParameterId;

/// Shape of a picture or of a feature map: channels, height, width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImageShape {
    /// Channels.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl ImageShape {
    /// Values in one picture.
    pub fn len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Whether there is no value in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Shape of a node's output for one picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A feature map; engines store it channels last.
    Map(ImageShape),
    /// A vector of this length.
    Vector(usize),
}

impl Shape {
    /// Values in one picture's output.
    pub fn len(&self) -> usize {
        match self {
            Self::Map(shape) => shape.len(),
            Self::Vector(length) => *length,
        }
    }

    /// Whether there is no value in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Channels of a map, length of a vector.
    pub fn channels(&self) -> usize {
        match self {
            Self::Map(shape) => shape.channels,
            Self::Vector(length) => *length,
        }
    }
}

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
    /// `x * clip(x + 3, 0, 6) / 6`
    Hardswish,
    /// `1 / (1 + e^-x)`
    Sigmoid,
}

/// A two-dimensional convolution. Padding is the same on all sides; dilation is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Output channels.
    pub channels: usize,
    /// Side of the square kernel.
    pub kernel: usize,
    /// Step in both directions.
    pub stride: usize,
    /// Zeros added on each side.
    pub padding: usize,
    /// 1, or the number of channels (depthwise).
    pub groups: usize,
    /// Whether a bias is added.
    pub bias: bool,
}

impl Convolution {
    /// A convolution with a square kernel, stride 1 and padding `kernel / 2`, without bias.
    pub fn square(channels: usize, kernel: usize) -> Self {
        Self {
            channels,
            kernel,
            stride: 1,
            padding: kernel / 2,
            groups: 1,
            bias: false,
        }
    }

    /// A depthwise convolution: one filter a channel.
    pub fn depthwise(channels: usize, kernel: usize) -> Self {
        Self {
            groups: channels,
            ..Self::square(channels, kernel)
        }
    }

    /// The same with another stride.
    pub fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// The same with a bias.
    pub fn with_bias(self) -> Self {
        Self { bias: true, ..self }
    }

    /// Output side for an input side.
    pub fn output_side(&self, side: usize) -> usize {
        (side + 2 * self.padding - self.kernel) / self.stride + 1
    }
}

/// What a node computes. Parameters are named by their place in the graph.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// The picture.
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
    /// Batch normalisation over pictures, rows and columns.
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
    /// In training, a picture's whole branch is zeroed with this probability and the rest scaled up.
    DropPath(f32),
}
