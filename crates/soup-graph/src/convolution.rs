//! Convolutions and the windows that pass over maps.

use serde::{Deserialize, Serialize};

use crate::{
    ImageShape, Initial, Shape,
    shape::{MOST_WINDOW, within},
};

/// Zeros around a map before a window passes over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WrittenPadding", into = "WrittenPadding")]
pub enum Padding {
    /// So many on each side, as PyTorch has it.
    Each(usize),
    /// As many as make the output `side / stride`, rounded up: half of them before and, where their number is odd, one
    /// more behind. TensorFlow's `SAME` and ONNX's `SAME_UPPER`. How many depends on the side of the map, so one that is
    /// 1 pixel larger may be read at other places.
    Same,
}

/// As files hold it: a number, or `"same"`.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenPadding {
    Each(usize),
    Rule(Rule),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Rule {
    Same,
}

impl From<WrittenPadding> for Padding {
    fn from(written: WrittenPadding) -> Self {
        match written {
            WrittenPadding::Each(zeros) => Self::Each(zeros),
            WrittenPadding::Rule(Rule::Same) => Self::Same,
        }
    }
}

impl From<Padding> for WrittenPadding {
    fn from(padding: Padding) -> Self {
        match padding {
            Padding::Each(zeros) => Self::Each(zeros),
            Padding::Same => Self::Rule(Rule::Same),
        }
    }
}

/// A two-dimensional convolution. Dilation is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Output channels.
    pub channels: usize,
    /// Side of the square kernel.
    pub kernel: usize,
    /// Step in both directions.
    pub stride: usize,
    /// Zeros added around the map.
    pub padding: Padding,
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
            padding: Padding::Each(kernel / 2),
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

    /// The same with other zeros around the map.
    pub fn padding(self, padding: Padding) -> Self {
        Self { padding, ..self }
    }

    /// The same with a bias.
    pub fn with_bias(self) -> Self {
        Self { bias: true, ..self }
    }

    /// Output side for an input side.
    pub fn output_side(&self, side: usize) -> usize {
        self.window().output_side(side)
    }

    /// Zeros before and behind a map of this side.
    pub fn zeros(&self, side: usize) -> [usize; 2] {
        self.window().zeros(side)
    }

    pub(crate) fn window(&self) -> Window {
        Window {
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
        }
    }

    /// How its filters start by timm's rule: normal with variance `2 / fan_out`.
    pub(crate) fn initial(&self) -> Initial {
        let area = self.kernel as f32 * self.kernel as f32;
        let fan_out = area * self.channels as f32 / self.groups as f32;
        Initial::Normal((2.0 / fan_out).sqrt())
    }

    /// The shape of the filters that read so many channels.
    pub(crate) fn filters(&self, channels: usize) -> Vec<usize> {
        let inputs = channels / self.groups.max(1);
        vec![self.channels, inputs, self.kernel, self.kernel]
    }
}

/// A window that passes over a map.
pub(crate) struct Window {
    pub kernel: usize,
    pub stride: usize,
    pub padding: Padding,
}

impl Window {
    fn output_side(&self, side: usize) -> usize {
        match self.padding {
            Padding::Each(zeros) => (side + 2 * zeros - self.kernel) / self.stride + 1,
            Padding::Same => side.div_ceil(self.stride),
        }
    }

    /// Zeros before and behind a map of this side.
    fn zeros(&self, side: usize) -> [usize; 2] {
        match self.padding {
            Padding::Each(zeros) => [zeros; 2],
            Padding::Same => {
                let read = (self.output_side(side) - 1) * self.stride + self.kernel;
                let all = read.saturating_sub(side);
                [all / 2, all - all / 2]
            }
        }
    }

    /// What it makes of a map.
    pub(crate) fn over(&self, map: ImageShape, channels: usize) -> Result<Shape, String> {
        let Self {
            kernel,
            stride,
            padding,
        } = *self;
        within("kernel", kernel, 1, MOST_WINDOW)?;
        within("stride", stride, 1, MOST_WINDOW)?;
        let ImageShape { height, width, .. } = map;
        if let Padding::Each(zeros) = padding {
            within("padding", zeros, 0, MOST_WINDOW)?;
            if kernel > height.min(width) + 2 * zeros {
                return Err(format!(
                    "a kernel of {kernel} does not fit a map of {height}x{width} padded by {zeros}"
                ));
            }
        }
        Ok(Shape::Map(ImageShape {
            channels,
            height: self.output_side(height),
            width: self.output_side(width),
        }))
    }
}
