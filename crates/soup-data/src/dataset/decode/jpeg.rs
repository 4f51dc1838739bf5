//! JPEG, baseline and progressive.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::checked_size;
use crate::PictureShape;

const MOST_SIDE: usize = 1 << 16;

/// Rows and columns by the header.
pub(super) fn size(bytes: &[u8]) -> Result<(usize, usize), String> {
    let options = DecoderOptions::default()
        .set_max_width(MOST_SIDE)
        .set_max_height(MOST_SIDE);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder
        .decode_headers()
        .map_err(|error| format!("damaged JPEG: {error}"))?;
    let (width, height) = decoder.dimensions().ok_or("damaged JPEG: it has no size")?;
    Ok((height, width))
}

/// Decodes to grey or RGB. Strict: a file cut short is an error, not a picture with a grey end.
pub(super) fn decode(bytes: &[u8], pixels: &mut Vec<u8>) -> Result<PictureShape, String> {
    let strict = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(MOST_SIDE)
        .set_max_height(MOST_SIDE);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), strict);
    let fault = |error: zune_jpeg::errors::DecodeErrors| format!("damaged JPEG: {error}");
    decoder.decode_headers().map_err(fault)?;
    let channels = if decoder.input_colorspace() == Some(ColorSpace::Luma) {
        1
    } else {
        3
    };
    decoder.set_options(strict.jpeg_set_out_colorspace(if channels == 1 {
        ColorSpace::Luma
    } else {
        ColorSpace::RGB
    }));
    let (width, height) = decoder.dimensions().ok_or("damaged JPEG: it has no size")?;
    let shape = PictureShape {
        height,
        width,
        channels,
    };
    pixels.clear();
    pixels.resize(checked_size(shape)?, 0);
    // Two bytes end every JPEG file; the decoder does not miss them.
    if !bytes.windows(2).rev().any(|pair| pair == [0xff, 0xd9]) {
        return Err("damaged JPEG: the file is cut short".into());
    }
    decoder.decode_into(pixels).map_err(fault)?;
    Ok(shape)
}
