//! From the bytes of an image's file to pixels of 8 bits. A format is a file here and a row of the
//! table in `formats.rs`.

mod channels;
mod fit;
mod formats;
mod general;
mod gif;
mod jpeg;
mod orientation;
mod png;
mod samples;
mod tiff;

pub use channels::{Channels, InChannels, convert};
pub use fit::{Fit, FitMode};
pub(crate) use formats::foreign_format;
pub use formats::{extensions, formats, is_image, no_image};

use std::sync::{Mutex, PoisonError};

use formats::Format;
use orientation::Orientation;

use crate::ImageShape;

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
    /// The sample of an image with more than 8 bits a channel that becomes 255; whatever is above it
    /// does too. Without one the upper 8 of 16 bits are taken, and of real numbers 0 to 1.
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

/// Decodes an image's file, of any format that is read: its shape and its pixels, row by row, the channels of a pixel
/// beside each other, upright as its EXIF data say.
///
/// # Errors
/// What is wrong with the bytes, in a few words.
pub fn decode(bytes: &[u8], reading: impl Into<Reading>) -> Result<(ImageShape, Vec<u8>), String> {
    let mut decoder = Decoder::default();
    let (shape, _) = decoder.decode(bytes, reading.into())?;
    Ok((shape, decoder.pixels))
}

/// The shape that an image's file will be decoded to as it is stored, by its header, without
/// decoding a pixel: what a program that takes files from strangers checks first.
///
/// # Errors
/// What is wrong with the bytes, in a few words.
pub fn image_shape(bytes: &[u8]) -> Result<ImageShape, String> {
    let format = Format::of(bytes).ok_or_else(|| no_image(bytes))?;
    let (shape, orientation) = match format {
        Format::Png => png::shape(bytes),
        Format::Jpeg => jpeg::shape(bytes),
        Format::Gif => gif::shape(bytes),
        Format::Tiff => tiff::shape(bytes),
        Format::WebP | Format::Bmp | Format::Pnm | Format::Qoi => general::shape(format, bytes),
    }?;
    Ok(orientation.of_shape(shape))
}

/// Whether an image has samples of more than 8 bits, so that another `max_value` makes other pixels of it.
pub fn is_deep(bytes: &[u8]) -> bool {
    match Format::of(bytes) {
        Some(Format::Png) => png::is_sixteen_bit(bytes),
        Some(Format::Tiff) => tiff::is_deep(bytes),
        Some(Format::Pnm) => general::is_deep(bytes),
        Some(Format::Jpeg | Format::WebP | Format::Gif | Format::Bmp | Format::Qoi) | None => false,
    }
}

/// What a file was decoded to, as it is stored.
struct Decoded {
    shape: ImageShape,
    orientation: Orientation,
    samples: Option<SampleRange>,
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
        let format = Format::of(bytes).ok_or_else(|| no_image(bytes))?;
        let claimed = image_shape(bytes)?;
        let is_large = claimed.height.saturating_mul(claimed.width) > LARGE;
        // What a large image took is not kept, least of all while another one is waited for.
        for kept in [&mut self.pixels, &mut self.converted] {
            kept.clear();
            kept.shrink_to(4 * LARGE);
        }
        // Whoever panicked with it left nothing behind.
        let _alone = is_large.then(|| ALONE.lock().unwrap_or_else(PoisonError::into_inner));
        self.samples = None;
        let (most, pixels) = (reading.max_value, &mut self.pixels);
        let Decoded {
            shape,
            orientation,
            samples,
        } = match format {
            Format::Png => self.png.decode(bytes, most, pixels),
            Format::Jpeg => jpeg::decode(bytes, pixels),
            Format::Gif => gif::decode(bytes, pixels),
            Format::Tiff => tiff::decode(bytes, most, pixels),
            Format::WebP | Format::Bmp | Format::Pnm | Format::Qoi => {
                general::decode(format, bytes, most, pixels)
            }
        }?;
        self.samples = samples;
        let channels = reading.channels.count(shape.channels);
        if channels < shape.channels {
            channels::narrow(&mut self.pixels, shape.channels, channels);
        } else if channels > shape.channels {
            self.converted.clear();
            convert(&self.pixels, shape.channels, channels, &mut self.converted);
            std::mem::swap(&mut self.pixels, &mut self.converted);
        }
        let mut shape = ImageShape { channels, ..shape };
        // To turn a large image takes it twice, so it is made small first.
        let (first, second) = match is_large {
            true => (reading.fit.map(|fit| orientation.of_fit(fit)), None),
            false => (None, reading.fit),
        };
        if let Some(fit) = first {
            shape = self.fitter.apply(fit, shape, &mut self.pixels)?;
            self.pixels.shrink_to(4 * LARGE);
        }
        shape = orientation.apply(shape, &mut self.pixels);
        if let Some(fit) = second {
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

/// Refuses a large image in a file that is too small for it. Of formats without a bound on how much
/// they compress, what a small file may claim is a small image.
fn plausible(shape: ImageShape, bytes: usize) -> Result<(), String> {
    let pixels = shape.height.saturating_mul(shape.width);
    match pixels > LARGE && pixels / 2048 > bytes {
        true => Err("it has too little data for its size".into()),
        false => Ok(()),
    }
}
