//! From the channels that a file has to those that are wanted. There is no other conversion: packs,
//! predictions, the server and the crate `soup` all come here.

use serde::{Deserialize, Serialize};

use super::Reading;
use crate::{Annotation, Error, ImageShape, Result, Source};

/// What becomes of the channels of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channels {
    /// As the file has them. In a set of files that differ: RGB where any of them is coloured, else grey.
    #[default]
    AsStored,
    /// One: luma by the weights of ITU-R BT.601, in OpenCV's integer arithmetic. An alpha channel is dropped.
    Grey,
    /// Three: red, green, blue. An alpha channel is dropped.
    Rgb,
}

impl Channels {
    /// The number of channels that an image has then which was stored with `stored`.
    pub(crate) fn count(self, stored: usize) -> usize {
        match self {
            Self::AsStored => stored,
            Self::Grey => 1,
            Self::Rgb => 3,
        }
    }

    /// Those in which images become alike that were stored in these numbers of channels.
    pub(crate) fn common(stored: impl IntoIterator<Item = usize>) -> Self {
        match stored.into_iter().any(|channels| channels >= 3) {
            true => Self::Rgb,
            false => Self::Grey,
        }
    }
}

impl std::fmt::Display for Channels {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::AsStored => "as stored",
            Self::Grey => "grey",
            Self::Rgb => "RGB",
        })
    }
}

impl std::str::FromStr for Channels {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" | "as-stored" => Ok(Self::AsStored),
            "grey" => Ok(Self::Grey),
            "rgb" => Ok(Self::Rgb),
            other => Err(Error::setting(
                "channels",
                format!("`{other}` is not one of auto, grey, rgb"),
            )),
        }
    }
}

/// Appends pixels of `from` channels to `converted` in `to` channels, each 1 (grey), 2 (grey and
/// alpha), 3 (RGB) or 4 (RGB and alpha). An alpha channel that is not wanted is dropped: what is
/// under it shows. One that is wanted but not there is opaque.
pub fn convert(pixels: &[u8], from: usize, to: usize, converted: &mut Vec<u8>) {
    converted.reserve(pixels.len() / from * to);
    for pixel in pixels.chunks_exact(from) {
        converted.extend_from_slice(&converted_pixel(pixel, from, to)[..to]);
    }
}

/// The same in place, where pixels do not become longer.
pub(super) fn narrow(pixels: &mut Vec<u8>, from: usize, to: usize) {
    let count = pixels.len() / from;
    for at in 0..count {
        let pixel = converted_pixel(&pixels[from * at..][..from], from, to);
        pixels[to * at..][..to].copy_from_slice(&pixel[..to]);
    }
    pixels.truncate(to * count);
}

/// One pixel in `to` channels.
#[inline]
fn converted_pixel(pixel: &[u8], from: usize, to: usize) -> [u8; 4] {
    let mut converted = [0; 4];
    match (from, to) {
        (1 | 2, 1 | 2) => converted[0] = pixel[0],
        (1 | 2, _) => converted[..3].fill(pixel[0]),
        (_, 1 | 2) => {
            let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
            let luma = red * 4899 + green * 9617 + blue * 1868;
            converted[0] = ((luma + 8192) >> 14) as u8;
        }
        _ => converted[..3].copy_from_slice(&pixel[..3]),
    }
    if to.is_multiple_of(2) {
        let is_opaque = from % 2 == 1;
        converted[to - 1] = if is_opaque { 255 } else { pixel[from - 1] };
    }
    converted
}

/// Images in other channels than their own, for a network that learned from such.
pub struct InChannels<'a> {
    examples: &'a dyn Source,
    channels: usize,
}

impl<'a> InChannels<'a> {
    /// `examples` with `channels` channels, 1 to 4.
    pub fn new(examples: &'a dyn Source, channels: usize) -> Self {
        Self { examples, channels }
    }
}

impl Source for InChannels<'_> {
    fn len(&self) -> u64 {
        self.examples.len()
    }

    fn shape(&self) -> ImageShape {
        ImageShape {
            channels: self.channels,
            ..self.examples.shape()
        }
    }

    fn label_names(&self) -> &[String] {
        self.examples.label_names()
    }

    fn reading(&self) -> Reading {
        self.examples.reading()
    }

    fn read(
        &self,
        index: u64,
        pixels: &mut [u8],
        labels: &mut [f32],
    ) -> Result<Option<Vec<Annotation>>> {
        let shape = self.examples.shape();
        if pixels.len() != self.shape().len() {
            return Err(Error::Buffer {
                what: "pixels",
                found: pixels.len(),
                expected: self.shape().len(),
            });
        }
        let mut stored = vec![0; shape.len()];
        let boxes = self.examples.read(index, &mut stored, labels)?;
        let mut converted = Vec::new();
        convert(&stored, shape.channels, self.channels, &mut converted);
        pixels.copy_from_slice(&converted);
        Ok(boxes)
    }
}
