//! WebP, BMP, PNM and QOI, by the crate `image`.

use std::io::Cursor;

use image::{
    ColorType, ImageDecoder, ImageError, Limits,
    codecs::{bmp::BmpDecoder, pnm::PnmDecoder, qoi::QoiDecoder, webp::WebPDecoder},
};

use super::{Decoded, MOST_BYTES, Orientation, checked_size, formats::Format, plausible, samples};
use crate::ImageShape;

/// A WebP file may hold a large image in few bytes, and decoding it takes 7 bytes a pixel.
const MOST_WEBP: usize = 1 << 26;

/// Whether a file is a BMP: its mark is short, so the size of its header must be one there is, too.
pub(super) fn is_bmp(start: &[u8]) -> bool {
    start.starts_with(b"BM")
        && (start.get(14..18)).is_some_and(|size| {
            [12, 16, 40, 52, 56, 64, 108, 124]
                .map(|size| [size, 0, 0, 0])
                .contains(&[size[0], size[1], size[2], size[3]])
        })
}

/// Whether a file is one of Netpbm's: a `P`, a digit, and then a header and not prose.
pub(super) fn is_pnm(start: &[u8]) -> bool {
    let Some(([b'P', kind], mut rest)) = start.split_first_chunk::<2>() else {
        return false;
    };
    if *kind == b'7' {
        return [
            &b"\nWIDTH"[..],
            b"\nHEIGHT",
            b"\nDEPTH",
            b"\nMAXVAL",
            b"\nTUPLTYPE",
            b"\n#",
        ]
        .iter()
        .any(|line| rest.starts_with(line));
    }
    if !(b'1'..=b'6').contains(kind) || !rest.first().is_some_and(u8::is_ascii_whitespace) {
        return false;
    }
    // Width and height, with comments between.
    let mut numbers = 0;
    while let Some(&byte) = rest.first() {
        let length = match byte {
            b'#' => rest.iter().position(|byte| *byte == b'\n'),
            _ if byte.is_ascii_whitespace() => Some(1),
            _ => {
                let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                numbers += 1;
                (digits > 0).then_some(digits)
            }
        };
        match length {
            _ if numbers == 2 => return byte.is_ascii_digit(),
            Some(length) => rest = &rest[length..],
            // A comment that goes on past the start.
            None => return byte == b'#',
        }
    }
    false
}

/// A decoder whose header is read.
enum Opened<'a> {
    WebP(WebPDecoder<Cursor<&'a [u8]>>, Orientation),
    /// With whether its palette has no colours.
    Bmp(BmpDecoder<Cursor<&'a [u8]>>, bool),
    /// With the sample that is white.
    Pnm(PnmDecoder<Cursor<&'a [u8]>>, u32),
    Qoi(QoiDecoder<Cursor<&'a [u8]>>),
}

impl<'a> Opened<'a> {
    fn new(format: Format, bytes: &'a [u8]) -> Result<Self, String> {
        let reader = Cursor::new(bytes);
        let opened = match format {
            Format::WebP => WebPDecoder::new(reader).map(|mut decoder| {
                // EXIF data that cannot be read say nothing.
                let exif = decoder.exif_metadata().ok().flatten();
                let exif = exif.as_deref().unwrap_or_default();
                let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
                Self::WebP(decoder, Orientation::of_exif(exif))
            }),
            Format::Bmp => BmpDecoder::new(reader).map(|decoder| {
                let palette = decoder.get_palette();
                let is_grey = palette.is_some_and(|palette| {
                    (palette.iter()).all(|[red, green, blue]| red == green && green == blue)
                });
                Self::Bmp(decoder, is_grey)
            }),
            Format::Pnm => PnmDecoder::new(reader).map(|decoder| {
                let white = decoder.header().maximal_sample();
                Self::Pnm(decoder, white)
            }),
            _ => QoiDecoder::new(reader).map(Self::Qoi),
        };
        opened.map_err(|error| fault(format, &error))
    }

    fn decoder(self) -> Box<dyn ImageDecoder + 'a> {
        match self {
            Self::WebP(decoder, _) => Box::new(decoder),
            Self::Bmp(decoder, _) => Box::new(decoder),
            Self::Pnm(decoder, _) => Box::new(decoder),
            Self::Qoi(decoder) => Box::new(decoder),
        }
    }

    fn parts(&self) -> ((u32, u32), ColorType) {
        match self {
            Self::WebP(decoder, _) => (decoder.dimensions(), decoder.color_type()),
            Self::Bmp(decoder, _) => (decoder.dimensions(), decoder.color_type()),
            Self::Pnm(decoder, _) => (decoder.dimensions(), decoder.color_type()),
            Self::Qoi(decoder) => (decoder.dimensions(), decoder.color_type()),
        }
    }

    /// Whether the colours that are stored are grey.
    fn is_grey(&self) -> bool {
        matches!(self, Self::Bmp(_, true))
    }

    fn orientation(&self) -> Orientation {
        match self {
            Self::WebP(_, orientation) => *orientation,
            _ => Orientation::Upright,
        }
    }

    fn shape(&self) -> ImageShape {
        let ((width, height), color) = self.parts();
        ImageShape {
            height: height as usize,
            width: width as usize,
            channels: match self.is_grey() {
                true => 1,
                false => usize::from(color.channel_count()),
            },
        }
    }
}

fn fault(format: Format, error: &ImageError) -> String {
    match error {
        ImageError::Unsupported(_) => {
            format!(
                "a {} file of a kind that is not read: {error}",
                format.name()
            )
        }
        _ => format!("damaged {}: {error}", format.name()),
    }
}

pub(super) fn shape(format: Format, bytes: &[u8]) -> Result<(ImageShape, Orientation), String> {
    let opened = Opened::new(format, bytes)?;
    Ok((opened.shape(), opened.orientation()))
}

/// Whether a file has samples of 16 bits.
pub(super) fn is_deep(bytes: &[u8]) -> bool {
    Opened::new(Format::Pnm, bytes).is_ok_and(|opened| is_deep_color(opened.parts().1))
}

fn is_deep_color(color: ColorType) -> bool {
    color.bytes_per_pixel() > color.channel_count()
}

pub(super) fn decode(
    format: Format,
    bytes: &[u8],
    max_value: Option<u16>,
    pixels: &mut Vec<u8>,
) -> Result<Decoded, String> {
    let opened = Opened::new(format, bytes)?;
    let (shape, orientation, is_grey) = (opened.shape(), opened.orientation(), opened.is_grey());
    let is_deep = is_deep_color(opened.parts().1);
    let white = match opened {
        Opened::Pnm(_, white) => white,
        _ => u32::from(u16::MAX),
    };
    checked_size(shape)?;
    plausible(shape, bytes.len())
        .map_err(|problem| format!("damaged {}: {problem}", format.name()))?;
    let mut decoder = opened.decoder();
    let size = usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX);
    if format == Format::WebP && shape.height * shape.width > MOST_WEBP {
        return Err("a WebP file of more than 67 megapixels; convert it to JPEG or PNG".into());
    }
    // Netpbm's files are as large as what they hold, but for their bits.
    if size > MOST_BYTES || (format == Format::Pnm && size / 8 > bytes.len()) {
        return Err(format!(
            "damaged {}: it has too little data for its size",
            format.name()
        ));
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(2 * MOST_BYTES as u64);
    decoder
        .set_limits(limits)
        .map_err(|error| fault(format, &error))?;
    pixels.clear();
    pixels.resize(size, 0);
    decoder
        .read_image_boxed(pixels)
        .map_err(|error| fault(format, &error))?;
    if is_grey {
        let count = pixels.len() / 3;
        for at in 0..count {
            pixels[at] = pixels[3 * at];
        }
        pixels.truncate(count);
    }
    let samples = is_deep.then(|| {
        // The decoder has scaled samples by the white that the file names; a white of the user's is
        // one of the samples that are stored.
        let stored = |bytes| match max_value {
            Some(_) => {
                let sample = u32::from(u16::from_ne_bytes(bytes));
                ((sample * white + 32767) / 65535) as u16
            }
            None => u16::from_ne_bytes(bytes),
        };
        samples::in_place(shape.channels, max_value, pixels, stored)
    });
    Ok(Decoded {
        shape,
        orientation,
        samples,
    })
}
