//! Shapes of images, maps and vectors, and how large they may be.

use serde::{Deserialize, Serialize};

/// Shape of an image, height x width x channels in this order in memory, or of a feature map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImageShape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Of an image 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGB and alpha); of a feature map any number.
    pub channels: usize,
}

impl ImageShape {
    /// Values in one image: `height * width * channels`.
    pub const fn len(self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether there is no value in it.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl std::fmt::Display for ImageShape {
    /// `256x256 grey`, `640x480 RGB` and so on, **width first**, as image viewers print it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}x{} ", self.width, self.height)?;
        match self.channels {
            1 => formatter.write_str("grey"),
            2 => formatter.write_str("grey with alpha"),
            3 => formatter.write_str("RGB"),
            4 => formatter.write_str("RGB with alpha"),
            channels => write!(formatter, "with {channels} channels"),
        }
    }
}

/// Shape of a node's output for one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A feature map; engines store it channels last.
    Map(ImageShape),
    /// A vector of this length.
    Vector(usize),
}

impl Shape {
    /// Values in one image's output.
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

    pub(crate) fn map(self) -> Result<ImageShape, String> {
        match self {
            Self::Map(shape) => Ok(shape),
            Self::Vector(length) => Err(format!("needs a feature map, got a vector of {length}")),
        }
    }

    pub(crate) fn vector(self) -> Result<usize, String> {
        match self {
            Self::Vector(length) => Ok(length),
            Self::Map(shape) => Err(format!("needs a vector, got a map of {shape:?}")),
        }
    }

    /// Channels of a map, length of a vector.
    pub fn channels(&self) -> usize {
        match self {
            Self::Map(shape) => shape.channels,
            Self::Vector(length) => *length,
        }
    }
}

/// Most channels, longest side of a map, largest window: far above any real network, and low enough that engines can
/// count bytes of padded maps without overflow.
pub(crate) const MOST_CHANNELS: usize = 1 << 15;
const MOST_SIDE: usize = 1 << 16;
pub(crate) const MOST_WINDOW: usize = 1 << 8;
/// Most values of one map of one image, of a parameter, and of all parameters together: a tebibyte.
pub(crate) const MOST_VALUES: usize = 1 << 38;

pub(crate) fn too_many() -> String {
    format!("more than {MOST_VALUES} values")
}

/// A shape, refused where it is empty or too large.
pub(crate) fn bounded(shape: Shape) -> Result<Shape, String> {
    within("channels", shape.channels(), 1, MOST_CHANNELS)?;
    if let Shape::Map(map) = shape {
        within("height", map.height, 1, MOST_SIDE)?;
        within("width", map.width, 1, MOST_SIDE)?;
        // The sides are bounded: at most 2^47, which fits 64 bits.
        let values = [map.channels, map.height, map.width].into_iter();
        values_within(values).ok_or_else(too_many)?;
    }
    Ok(shape)
}

/// The product of these sides, where it is not too large.
pub(crate) fn values_within(sides: impl IntoIterator<Item = usize>) -> Option<usize> {
    let mut sides = sides.into_iter();
    let product = sides.try_fold(1usize, usize::checked_mul)?;
    (product <= MOST_VALUES).then_some(product)
}

pub(crate) fn within(what: &str, value: usize, least: usize, most: usize) -> Result<(), String> {
    (least..=most)
        .contains(&value)
        .then_some(())
        .ok_or_else(|| format!("{what} is {value}; it must lie in {least} to {most}"))
}
