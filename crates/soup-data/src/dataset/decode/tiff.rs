//! TIFF, by the crate `tiff`: strips and tiles, samples beside each other or in planes, 1 to 64 bits.
//! That crate knows no palettes and turns few kinds of white-is-zero around, so those files are given
//! to it as grey ones, and what their numbers mean is added here.

use std::io::Cursor;

use tiff::{
    ColorType,
    decoder::{Decoder, DecodingResult, Limits},
    tags::Tag,
};

use super::{Decoded, MOST_BYTES, Orientation, SampleRange, checked_size, plausible, samples};
use crate::ImageShape;

/// Values of the tag of what samples mean.
const WHITE_IS_ZERO: u16 = 0;
const BLACK_IS_ZERO: u16 = 1;
const PALETTE: u16 = 3;
const MEANING: u16 = 262;
/// The tag of what the image is for, and its bit for a smaller copy.
const KIND: u16 = 254;
const IS_PREVIEW: u32 = 1;

/// Bytes of samples as they are stored, before they become bytes, at most.
const MOST_DECODED: usize = 640 << 20;
/// Bytes of the values of a tag at most: the places of strips are the longest.
const MOST_VALUES: usize = 32 << 20;

/// Whether a file is a TIFF, by its first bytes.
pub(super) fn is(start: &[u8]) -> bool {
    [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"]
        .iter()
        .any(|mark| start.starts_with(*mark))
}

/// Whether a file is what a camera's sensor saw: such files are TIFFs whose first image is a small
/// preview.
pub(super) fn is_raw(start: &[u8]) -> bool {
    is(start)
        && (start.get(8..10) == Some(b"CR")
            || entry(start, KIND).is_some_and(|(_, value)| value & IS_PREVIEW != 0))
}

/// Where the value of a tag of the first directory with one number lies, its least byte, and the value.
fn entry(bytes: &[u8], tag: u16) -> Option<(usize, u32)> {
    let is_little = bytes.first() == Some(&b'I');
    let number = |at: usize, length: usize| {
        let bytes = bytes.get(at..at.checked_add(length)?)?;
        let join = |all: u64, byte: &u8| all << 8 | u64::from(*byte);
        Some(match is_little {
            true => bytes.iter().rev().fold(0, join),
            false => bytes.iter().fold(0, join),
        })
    };
    let is_big = number(2, 2)? == 43;
    let (directory, count, first, step, value) = match is_big {
        true => {
            let at = usize::try_from(number(8, 8)?).ok()?;
            (at, number(at, 8)?, at.checked_add(8)?, 20, 12)
        }
        false => {
            let at = number(4, 4)? as usize;
            (at, number(at, 2)?, at.checked_add(2)?, 12, 8)
        }
    };
    debug_assert!(first > directory);
    for place in 0..count as usize {
        let at = first.checked_add(place.checked_mul(step)?)?;
        if number(at, 2)? == u64::from(tag) {
            let length = match number(at + 2, 2)? {
                3 => 2,
                4 => 4,
                _ => return None,
            };
            let least = at + value + if is_little { 0 } else { length - 1 };
            return Some((least, number(at + value, length)? as u32));
        }
    }
    None
}

fn fault(error: tiff::TiffError) -> String {
    match error {
        tiff::TiffError::UnsupportedError(kind) => {
            format!("a TIFF file of a kind that is not read: {kind}")
        }
        error => format!("damaged TIFF: {error}"),
    }
}

/// A file whose first directory is read.
struct Opened<R: std::io::Read + std::io::Seek> {
    decoder: Decoder<R>,
    shape: ImageShape,
    orientation: Orientation,
    meaning: u16,
    /// The colours of a palette, 16 bits each, where they are not all grey.
    palette: Vec<[u16; 3]>,
}

/// Opens a file; one that is given as grey has `meaning` of its own.
fn open<R: std::io::Read + std::io::Seek>(
    reader: R,
    meaning: Option<u16>,
) -> Result<Opened<R>, String> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MOST_DECODED;
    limits.intermediate_buffer_size = MOST_BYTES;
    limits.ifd_value_size = MOST_VALUES;
    let mut decoder = Decoder::new(reader).map_err(fault)?.with_limits(limits);
    let (width, height) = decoder.dimensions().map_err(fault)?;
    let number =
        |decoder: &mut Decoder<R>, tag| decoder.find_tag_unsigned::<u16>(tag).ok().flatten();
    let orientation = number(&mut decoder, Tag::Orientation);
    let found = number(&mut decoder, Tag::PhotometricInterpretation);
    let meaning = meaning.or(found).unwrap_or(BLACK_IS_ZERO);
    let mut palette = Vec::new();
    let channels = match meaning {
        PALETTE => {
            let colors = decoder.get_tag_u16_vec(Tag::ColorMap).map_err(fault)?;
            let third = colors.len() / 3;
            palette.extend(
                (0..third).map(|at| [colors[at], colors[third + at], colors[2 * third + at]]),
            );
            let is_grey = |[red, green, blue]: &[u16; 3]| red == green && green == blue;
            if palette.iter().all(is_grey) { 1 } else { 3 }
        }
        WHITE_IS_ZERO | BLACK_IS_ZERO => {
            usize::from(number(&mut decoder, Tag::SamplesPerPixel).unwrap_or(1))
        }
        _ => match decoder.colortype().map_err(fault)? {
            ColorType::RGBA(_) => 4,
            ColorType::RGB(_) | ColorType::CMYK(8) | ColorType::YCbCr(8) => 3,
            other => return Err(format!("a TIFF file of a kind that is not read: {other:?}")),
        },
    };
    if channels > 4 || (meaning <= BLACK_IS_ZERO && channels > 2) {
        return Err(format!(
            "a TIFF file of a kind that is not read: {channels} channels that are no colours"
        ));
    }
    Ok(Opened {
        decoder,
        shape: ImageShape {
            height: height as usize,
            width: width as usize,
            channels,
        },
        orientation: orientation.map_or(Orientation::Upright, Orientation::of_value),
        meaning,
        palette,
    })
}

pub(super) fn shape(bytes: &[u8]) -> Result<(ImageShape, Orientation), String> {
    let opened = open(Cursor::new(bytes), None)?;
    Ok((opened.shape, opened.orientation))
}

/// Whether a file has samples of more than 8 bits.
pub(super) fn is_deep(bytes: &[u8]) -> bool {
    Decoder::new(Cursor::new(bytes)).is_ok_and(|mut decoder| {
        let bits = decoder.find_tag_unsigned_vec::<u16>(Tag::BitsPerSample);
        bits.is_ok_and(|bits| bits.is_some_and(|bits| bits.iter().any(|bits| *bits > 8)))
    })
}

pub(super) fn decode(
    bytes: &[u8],
    max_value: Option<u16>,
    pixels: &mut Vec<u8>,
) -> Result<Decoded, String> {
    let told = open(Cursor::new(bytes), None)?;
    checked_size(told.shape)?;
    plausible(told.shape, bytes.len()).map_err(|problem| format!("damaged TIFF: {problem}"))?;
    match (told.meaning, entry(bytes, MEANING)) {
        (PALETTE | WHITE_IS_ZERO, Some((at, _))) => {
            let mut grey = bytes.to_vec();
            grey[at] = BLACK_IS_ZERO as u8;
            read(
                open(Cursor::new(grey), Some(told.meaning))?,
                max_value,
                pixels,
            )
        }
        _ => read(told, max_value, pixels),
    }
}

fn read<R: std::io::Read + std::io::Seek>(
    opened: Opened<R>,
    max_value: Option<u16>,
    pixels: &mut Vec<u8>,
) -> Result<Decoded, String> {
    let Opened {
        mut decoder,
        shape,
        orientation,
        meaning,
        palette,
    } = opened;
    let color = decoder.colortype().map_err(fault)?;
    let mut data = DecodingResult::U8(vec![]);
    let layout = decoder.read_image_to_buffer(&mut data).map_err(fault)?;
    if data.as_buffer(0).byte_len() < layout.complete_len {
        return Err("damaged TIFF: it has too little data for its size".into());
    }
    let planes = match layout.planes {
        0 | 1 => 1,
        planes => planes,
    };
    pixels.clear();
    let is_inverted = meaning == WHITE_IS_ZERO;
    let bits = color.bit_depth();
    let stored = usize::from(color.num_samples());
    let samples = match data {
        DecodingResult::U8(data) if bits <= 8 => {
            *pixels = interleaved(data, planes);
            if bits < 8 {
                unpack(pixels, shape.width * stored, shape.height, bits);
            }
            let most = ((1u16 << bits) - 1) as u8;
            if is_inverted {
                for sample in pixels.iter_mut() {
                    *sample = most - *sample;
                }
            }
            if meaning == PALETTE {
                expand(pixels, shape.channels, &palette);
            } else if bits < 8 {
                for sample in pixels.iter_mut() {
                    *sample = (u16::from(*sample) * 255 / u16::from(most)) as u8;
                }
            }
            None
        }
        DecodingResult::U16(data) if meaning != PALETTE => {
            let data = interleaved(data, planes).into_iter();
            let data = data.map(|sample| {
                if is_inverted {
                    u16::MAX - sample
                } else {
                    sample
                }
            });
            Some(samples::of_sixteen(data, stored, max_value, pixels))
        }
        data if meaning != PALETTE && !is_inverted => reals(data, planes, max_value, pixels)?,
        _ => {
            return Err(format!(
                "a TIFF file of a kind that is not read: {bits} bits a sample with this meaning of zero"
            ));
        }
    };
    match color {
        ColorType::CMYK(_) => samples::cmyk_to_rgb(pixels),
        ColorType::YCbCr(_) => samples::ycbcr_to_rgb(pixels),
        _ => {}
    }
    if pixels.len() != shape.len() {
        return Err("damaged TIFF: its data is not what its size needs".into());
    }
    Ok(Decoded {
        shape,
        orientation,
        samples,
    })
}

/// Samples with a sign, with a fraction, or of more than 16 bits.
fn reals(
    data: DecodingResult,
    planes: usize,
    max_value: Option<u16>,
    pixels: &mut Vec<u8>,
) -> Result<Option<SampleRange>, String> {
    macro_rules! of {
        ($data:expr, $real:expr) => {{
            let data = interleaved($data, planes);
            samples::of_any(data.iter().map($real), max_value, pixels)
        }};
    }
    match data {
        DecodingResult::U8(data) => of!(data, |sample| f64::from(*sample)),
        DecodingResult::U16(data) => of!(data, |sample| f64::from(*sample)),
        DecodingResult::U32(data) => of!(data, |sample| f64::from(*sample)),
        DecodingResult::U64(data) => of!(data, |sample| *sample as f64),
        DecodingResult::I8(data) => of!(data, |sample| f64::from(*sample)),
        DecodingResult::I16(data) => of!(data, |sample| f64::from(*sample)),
        DecodingResult::I32(data) => of!(data, |sample| f64::from(*sample)),
        DecodingResult::I64(data) => of!(data, |sample| *sample as f64),
        DecodingResult::F16(data) => of!(data, |sample| sample.to_f64()),
        DecodingResult::F32(data) => of!(data, |sample| f64::from(*sample)),
        DecodingResult::F64(data) => of!(data, |sample| *sample),
    }
}

/// Planes behind each other become samples beside each other.
fn interleaved<T: Copy>(data: Vec<T>, planes: usize) -> Vec<T> {
    let length = data.len() / planes;
    if planes == 1 || length == 0 {
        return data;
    }
    let mut beside = Vec::with_capacity(length * planes);
    for at in 0..length {
        beside.extend((0..planes).map(|plane| data[plane * length + at]));
    }
    beside
}

/// Rows of samples of fewer than 8 bits, each from a byte of its own on, become one byte a sample.
fn unpack(pixels: &mut Vec<u8>, width: usize, height: usize, bits: u8) {
    let bits = usize::from(bits);
    let stride = (width * bits).div_ceil(8);
    let mut unpacked = Vec::with_capacity(width * height);
    for row in pixels.chunks_exact(stride.max(1)) {
        unpacked.extend((0..width).map(|column| {
            let at = column * bits;
            let shift = 8 - bits - at % 8;
            row[at / 8] >> shift & ((1 << bits) - 1) as u8
        }));
    }
    *pixels = unpacked;
}

/// Places in a palette become its colours, of which the upper 8 bits count. A place that it lacks is black.
fn expand(pixels: &mut Vec<u8>, channels: usize, palette: &[[u16; 3]]) {
    let mut expanded = Vec::with_capacity(pixels.len() * channels);
    for place in pixels.iter() {
        let color = palette.get(usize::from(*place)).unwrap_or(&[0; 3]);
        expanded.extend(color[..channels].iter().map(|level| (level >> 8) as u8));
    }
    *pixels = expanded;
}
