//! JPEG, baseline and progressive, grey, of three colours or of four inks. Inks are taken as Adobe's programs
//! store them, inverted; so does Pillow.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::{Decoded, Orientation, checked_size};
use crate::ImageShape;

/// The marker that begins a file.
pub(super) const SIGNATURE: &[u8] = &[0xff, 0xd8];

const MOST_SIDE: usize = 1 << 16;

/// What the header says: the stored shape, and which way up it is.
pub(super) fn shape(bytes: &[u8]) -> Result<(ImageShape, Orientation), String> {
    let options = DecoderOptions::default()
        .set_max_width(MOST_SIDE)
        .set_max_height(MOST_SIDE);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| fault(&error))?;
    header(&decoder)
}

/// The decoder's words, some of which have several lines, in one.
fn fault(error: &zune_jpeg::errors::DecodeErrors) -> String {
    let text = error.to_string();
    let words: Vec<&str> = text.split_whitespace().collect();
    format!("damaged JPEG: {}", words.join(" "))
}

/// Shape and orientation, once the headers are decoded.
fn header(decoder: &JpegDecoder<ZCursor<&[u8]>>) -> Result<(ImageShape, Orientation), String> {
    let (width, height) = decoder.dimensions().ok_or("damaged JPEG: it has no size")?;
    let is_grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let shape = ImageShape {
        height,
        width,
        channels: if is_grey { 1 } else { 3 },
    };
    let exif = decoder.exif();
    Ok((
        shape,
        exif.map_or(Orientation::Upright, |exif| Orientation::of_exif(exif)),
    ))
}

/// Decodes to grey or RGB as it is stored, and says which way up that is. Strict: a file cut short is an error, not an image with a grey end.
pub(super) fn decode(bytes: &[u8], pixels: &mut Vec<u8>) -> Result<Decoded, String> {
    let strict = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(MOST_SIDE)
        .set_max_height(MOST_SIDE);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), strict);
    decoder.decode_headers().map_err(|error| fault(&error))?;
    let (shape, orientation) = header(&decoder)?;
    decoder.set_options(strict.jpeg_set_out_colorspace(if shape.channels == 1 {
        ColorSpace::Luma
    } else {
        ColorSpace::RGB
    }));
    let size = checked_size(shape)?;
    // A block of 64 pixels takes one bit at least, for its mean.
    if shape.height * shape.width / (8 * 64) > bytes.len() {
        return Err("damaged JPEG: it has too little data for its size".into());
    }
    pixels.clear();
    pixels.resize(size, 0);
    // Two bytes end every JPEG file; the decoder does not miss them.
    if !bytes.windows(2).rev().any(|pair| pair == [0xff, 0xd9]) {
        return Err("damaged JPEG: the file is cut short".into());
    }
    decoder.decode_into(pixels).map_err(|error| fault(&error))?;
    Ok(Decoded {
        shape,
        orientation,
        samples: None,
    })
}
