//! From the bytes of a PNG or JPEG file to pixels of 8 bits.

mod channels;
mod fit;
mod jpeg;
mod orientation;
mod png;

pub use channels::{Channels, InChannels, convert};
pub use fit::{Fit, FitMode};
pub use png::is_sixteen_bit;

use std::sync::{Mutex, PoisonError};

use orientation::Orientation;

use crate::ImageShape;

/// File name extensions, in lower case, of the images that can be decoded.
pub const EXTENSIONS: [&str; 5] = ["jfif", "jpe", "jpeg", "jpg", "png"];

/// No image that a network sees has more pixels or bytes; a damaged header may claim anything.
const MOST_PIXELS: usize = 1 << 27;
const MOST_BYTES: usize = 1 << 30;

/// Images with more pixels are decoded one at a time, whatever the number of threads.
const LARGE: usize = 1 << 24;
/// Held while a large image is decoded.
static ALONE: Mutex<()> = Mutex::new(());

/// How images are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// What becomes of the channels.
    pub channels: Channels,
    /// The sample of an image with 16 bits a channel that becomes 255; whatever is above it does
    /// too. Without one the upper 8 bits of each sample are taken.
    pub max_value: Option<u16>,
    /// The one size that images are brought to; as they are where nothing is given.
    pub fit: Option<Fit>,
}

impl Reading {
    /// The same, with channels left as they are stored.
    #[must_use]
    pub fn without_channels(self) -> Self {
        Self {
            channels: Channels::default(),
            ..self
        }
    }

    /// The shape in which an image of this shape comes out.
    pub fn of_shape(self, stored: ImageShape) -> ImageShape {
        let shape = ImageShape {
            channels: self.channels.count(stored.channels),
            ..stored
        };
        self.fit.map_or(shape, |fit| fit.of_shape(shape))
    }
}

impl From<Channels> for Reading {
    fn from(channels: Channels) -> Self {
        Self {
            channels,
            ..Self::default()
        }
    }
}

/// Decodes one PNG or JPEG file: its shape and its pixels, row by row, the channels of a pixel
/// beside each other, upright as its EXIF data say.
///
/// # Errors
/// What is wrong with the bytes, in a few words.
pub fn decode(bytes: &[u8], reading: impl Into<Reading>) -> Result<(ImageShape, Vec<u8>), String> {
    let mut decoder = Decoder::default();
    let (shape, _) = decoder.decode(bytes, reading.into())?;
    Ok((shape, decoder.pixels))
}

/// The shape that a PNG or JPEG file will be decoded to as it is stored, by its header, without
/// decoding a pixel: what a program that takes files from strangers checks first.
///
/// # Errors
/// What is wrong with the bytes, in a few words.
pub fn image_shape(bytes: &[u8]) -> Result<ImageShape, String> {
    let (shape, orientation) = match Format::of(bytes) {
        Some(Format::Png) => png::shape(bytes)?,
        Some(Format::Jpeg) => jpeg::shape(bytes)?,
        None => return Err(no_image(bytes)),
    };
    Ok(orientation.of_shape(shape))
}

/// The formats that can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Png,
    Jpeg,
}

impl Format {
    /// By the first bytes of a file; its name says nothing.
    fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(png::SIGNATURE) {
            Some(Self::Png)
        } else if bytes.starts_with(&[0xff, 0xd8]) {
            Some(Self::Jpeg)
        } else {
            None
        }
    }
}

/// Whether a file that begins with these bytes is a PNG or JPEG file.
pub(crate) fn is_image(start: &[u8]) -> bool {
    Format::of(start).is_some()
}

/// Why a file is no image, by its first bytes.
fn no_image(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "the file is empty".into();
    }
    match foreign_format(bytes) {
        Some(format) => format!("a {format} file, neither a PNG nor a JPEG file"),
        None => "neither a PNG nor a JPEG file".into(),
    }
}

/// The image format that a file has which we do not decode, by its first bytes (132 are enough).
pub(crate) fn foreign_format(start: &[u8]) -> Option<&'static str> {
    let at = |from: usize, mark: &[u8]| start.get(from..from + mark.len()) == Some(mark);
    let begins = |mark: &[u8]| at(0, mark);
    if begins(b"GIF87a") || begins(b"GIF89a") {
        Some("GIF")
    } else if begins(b"RIFF") && at(8, b"WEBP") {
        Some("WebP")
    } else if begins(b"II*\0") || begins(b"MM\0*") || begins(b"II+\0") || begins(b"MM\0+") {
        Some("TIFF")
    } else if begins(b"BM") && at(6, &[0; 4]) {
        Some("BMP")
    } else if at(4, b"ftyp") {
        let brand = |mark: &[u8]| {
            start
                .get(8..)
                .is_some_and(|from| from.windows(4).any(|four| four == mark))
        };
        if brand(b"avif") || brand(b"avis") {
            Some("AVIF")
        } else if [b"heic", b"heix", b"hevc", b"mif1", b"msf1"]
            .iter()
            .any(|mark| brand(*mark))
        {
            Some("HEIF")
        } else {
            None
        }
    } else if begins(&[0xff, 0x0a]) || begins(b"\0\0\0\x0cJXL ") {
        Some("JPEG XL")
    } else if begins(b"\0\0\0\x0cjP  ") || begins(&[0xff, 0x4f, 0xff, 0x51]) {
        Some("JPEG 2000")
    } else if at(128, b"DICM") {
        Some("DICOM")
    } else if begins(b"8BPS") {
        Some("Photoshop")
    } else if begins(b"\0\0\x01\0") && start.get(5) == Some(&0) {
        Some("icon")
    } else if begins(b"qoif") {
        Some("QOI")
    } else if begins(b"v/1\x01") {
        Some("OpenEXR")
    } else if start.len() > 2
        && start[0] == b'P'
        && (b'1'..=b'7').contains(&start[1])
        && start[2].is_ascii_whitespace()
    {
        Some("Netpbm")
    } else {
        None
    }
}

/// The least and greatest sample of an image with 16 bits a channel, alpha left aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SampleRange {
    /// The least.
    pub least: u16,
    /// The greatest.
    pub greatest: u16,
}

impl SampleRange {
    /// What a person should know of how these samples become 8 bits.
    pub fn warning(self, max_value: Option<u16>) -> Option<String> {
        let Self { least, greatest } = self;
        match max_value {
            Some(most) if greatest > most => Some(format!(
                "images of 16 bits a channel use values from {least} to {greatest}; those above {most} \
                 become white"
            )),
            None if greatest < 1 << 15 => {
                let levels = (greatest >> 8) - (least >> 8) + 1;
                let most = (greatest + 1).next_power_of_two() - 1;
                Some(format!(
                    "images of 16 bits a channel use only values from {least} to {greatest}: at most \
                     {levels} levels of them are left in 8 bits; with {most} as the largest value \
                     (--max-value {most}) up to 256 are"
                ))
            }
            _ => None,
        }
    }

    /// Of both.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        Self {
            least: self.least.min(other.least),
            greatest: self.greatest.max(other.greatest),
        }
    }
}

/// Decodes one image after the other; keeps its buffers between them.
#[derive(Default)]
pub(crate) struct Decoder {
    png: png::PngDecoder,
    pixels: Vec<u8>,
    converted: Vec<u8>,
    samples: Option<SampleRange>,
    fitter: fit::Fitter,
}

impl Decoder {
    /// Shape and pixels of the image in `bytes`, the format recognised by its first bytes.
    ///
    /// # Errors
    /// What is wrong with the bytes, in a few words.
    pub(crate) fn decode(
        &mut self,
        bytes: &[u8],
        reading: Reading,
    ) -> Result<(ImageShape, &[u8]), String> {
        let claimed = image_shape(bytes)?;
        let is_large = claimed.height.saturating_mul(claimed.width) > LARGE;
        // Whoever panicked with it left nothing behind.
        let _alone = is_large.then(|| ALONE.lock().unwrap_or_else(PoisonError::into_inner));
        // What a large image took is not kept.
        for kept in [&mut self.pixels, &mut self.converted] {
            kept.clear();
            kept.shrink_to(4 * LARGE);
        }
        self.samples = None;
        let (shape, orientation) = match Format::of(bytes) {
            Some(Format::Png) => {
                let decoded = self
                    .png
                    .decode(bytes, reading.max_value, &mut self.pixels)?;
                self.samples = decoded.samples;
                (decoded.shape, decoded.orientation)
            }
            Some(Format::Jpeg) => jpeg::decode(bytes, &mut self.pixels)?,
            None => return Err(no_image(bytes)),
        };
        let channels = reading.channels.count(shape.channels);
        if channels != shape.channels {
            self.converted.clear();
            convert(&self.pixels, shape.channels, channels, &mut self.converted);
            std::mem::swap(&mut self.pixels, &mut self.converted);
        }
        let mut shape = orientation.apply(ImageShape { channels, ..shape }, &mut self.pixels);
        if let Some(fit) = reading.fit {
            shape = self.fitter.apply(fit, shape, &mut self.pixels)?;
        }
        Ok((shape, &self.pixels))
    }

    /// The samples of the image decoded last, if it had 16 bits a channel.
    pub(crate) fn samples(&self) -> Option<SampleRange> {
        self.samples
    }
}

/// Refuses sizes that only a damaged header claims.
fn checked_size(shape: ImageShape) -> Result<usize, String> {
    shape
        .height
        .checked_mul(shape.width)
        .filter(|pixels| *pixels <= MOST_PIXELS)
        .and_then(|pixels| pixels.checked_mul(shape.channels))
        .filter(|size| (1..=MOST_BYTES).contains(size))
        .ok_or_else(|| {
            format!(
                "the header claims {} x {} pixels",
                shape.width, shape.height
            )
        })
}
