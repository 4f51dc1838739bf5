//! From the bytes of a PNG or JPEG file to pixels of 8 bits.

mod jpeg;
mod png;

use serde::{Deserialize, Serialize};

use crate::{Error, PictureShape, Result};

/// File name extensions, in lower case, of the pictures that can be decoded.
pub const EXTENSIONS: [&str; 3] = ["jpeg", "jpg", "png"];

/// No picture that a network sees is larger; a damaged header may claim anything.
const MOST_BYTES: usize = 1 << 30;

/// What becomes of the channels of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channels {
    /// As the file has them.
    #[default]
    AsStored,
    /// One: luma by the weights of ITU-R BT.601, in OpenCV's integer arithmetic.
    Grey,
    /// Three: red, green, blue. An alpha channel is dropped.
    Rgb,
}

impl std::str::FromStr for Channels {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "as-stored" => Ok(Self::AsStored),
            "grey" => Ok(Self::Grey),
            "rgb" => Ok(Self::Rgb),
            other => Err(Error::setting(
                "channels",
                format!("`{other}` is not one of as-stored, grey, rgb"),
            )),
        }
    }
}

/// Decodes one PNG or JPEG file: its shape and its pixels, row by row, the channels of a pixel
/// beside each other.
///
/// # Errors
/// What is wrong with the bytes, in a few words.
pub fn decode(bytes: &[u8], channels: Channels) -> Result<(PictureShape, Vec<u8>), String> {
    let mut decoder = Decoder::default();
    let (shape, _) = decoder.decode(bytes, channels)?;
    Ok((shape, decoder.pixels))
}

/// Rows and columns that the header of a PNG or JPEG file claims, without decoding a pixel: what a
/// program that takes files from strangers looks at first.
///
/// # Errors
/// What is wrong with the bytes, in a few words.
pub fn picture_size(bytes: &[u8]) -> Result<(usize, usize), String> {
    if bytes.starts_with(png::SIGNATURE) {
        png::size(bytes)
    } else if bytes.starts_with(&[0xff, 0xd8]) {
        jpeg::size(bytes)
    } else if bytes.is_empty() {
        Err("the file is empty".into())
    } else {
        Err("neither a PNG nor a JPEG file".into())
    }
}

/// Decodes one picture after the other; keeps its buffers between them.
#[derive(Default)]
pub(crate) struct Decoder {
    png: png::PngDecoder,
    pixels: Vec<u8>,
}

impl Decoder {
    /// Shape and pixels of the picture in `bytes`, the format recognised by its first bytes.
    ///
    /// # Errors
    /// What is wrong with the bytes, in a few words.
    pub(crate) fn decode(
        &mut self,
        bytes: &[u8],
        channels: Channels,
    ) -> Result<(PictureShape, &[u8]), String> {
        let shape = if bytes.starts_with(png::SIGNATURE) {
            self.png.decode(bytes, &mut self.pixels)?
        } else if bytes.starts_with(&[0xff, 0xd8]) {
            jpeg::decode(bytes, &mut self.pixels)?
        } else if bytes.is_empty() {
            return Err("the file is empty".into());
        } else {
            return Err("neither a PNG nor a JPEG file".into());
        };
        let shape = convert(shape, channels, &mut self.pixels);
        Ok((shape, &self.pixels))
    }
}

/// Refuses sizes that only a damaged header claims.
fn checked_size(shape: PictureShape) -> Result<usize, String> {
    shape
        .height
        .checked_mul(shape.width)
        .and_then(|size| size.checked_mul(shape.channels))
        .filter(|size| (1..=MOST_BYTES).contains(size))
        .ok_or_else(|| {
            format!(
                "the header claims {} x {} pixels",
                shape.width, shape.height
            )
        })
}

/// Changes the channels in place.
fn convert(shape: PictureShape, wanted: Channels, pixels: &mut Vec<u8>) -> PictureShape {
    let from = shape.channels;
    let to = match wanted {
        Channels::AsStored => from,
        Channels::Grey => 1,
        Channels::Rgb => 3,
    };
    if from == to {
        return shape;
    }
    let mut converted = Vec::with_capacity(shape.height * shape.width * to);
    for pixel in pixels.chunks_exact(from) {
        match (from, to) {
            (1 | 2, 1) => converted.push(pixel[0]),
            (1 | 2, _) => converted.extend([pixel[0]; 3]),
            (_, 1) => {
                let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
                let luma = red * 4899 + green * 9617 + blue * 1868;
                converted.push(((luma + 8192) >> 14) as u8);
            }
            _ => converted.extend(&pixel[..3]),
        }
    }
    *pixels = converted;
    PictureShape {
        channels: to,
        ..shape
    }
}
