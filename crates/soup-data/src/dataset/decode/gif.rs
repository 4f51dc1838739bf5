//! GIF: the first frame, on its canvas. Transparent places show the colour that the palette has for
//! them, as alpha is dropped everywhere.

use gif::{ColorOutput, DecodeOptions, MemoryLimit};

use super::{Decoded, Orientation, checked_size, plausible};
use crate::ImageShape;

/// Whether a file is a GIF, by its first bytes.
pub(super) fn is(start: &[u8]) -> bool {
    start.starts_with(b"GIF87a") || start.starts_with(b"GIF89a")
}

/// Where the first frame lies on the canvas, and its colours.
struct First<'a> {
    decoder: gif::Decoder<&'a [u8]>,
    shape: ImageShape,
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    /// The place in the palette of what the frame leaves open.
    open: u8,
    palette: Vec<[u8; 3]>,
}

fn first(bytes: &[u8]) -> Result<First<'_>, String> {
    let fault = |error: gif::DecodingError| format!("damaged GIF: {error}");
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    // Our own bounds hold: the frame is decoded into a buffer of ours.
    options.set_memory_limit(MemoryLimit::Unlimited);
    let mut decoder = options.read_info(bytes).map_err(fault)?;
    let frame = decoder.next_frame_info().map_err(fault)?;
    let frame = frame.ok_or("damaged GIF: it has no frame")?;
    let [left, top, width, height] =
        [frame.left, frame.top, frame.width, frame.height].map(usize::from);
    let open = frame.transparent.unwrap_or(0);
    let palette = match decoder.palette() {
        Ok(palette) => palette.as_chunks().0.to_vec(),
        // Without colours the places are levels of grey.
        Err(_) => (0..=255).map(|level| [level; 3]).collect(),
    };
    let is_grey = palette
        .iter()
        .all(|[red, green, blue]| red == green && green == blue);
    let shape = ImageShape {
        // Some canvases are smaller than what lies on them.
        height: usize::from(decoder.height()).max(top + height),
        width: usize::from(decoder.width()).max(left + width),
        channels: if is_grey { 1 } else { 3 },
    };
    Ok(First {
        decoder,
        shape,
        left,
        top,
        width,
        height,
        open,
        palette,
    })
}

pub(super) fn shape(bytes: &[u8]) -> Result<(ImageShape, Orientation), String> {
    Ok((first(bytes)?.shape, Orientation::Upright))
}

pub(super) fn decode(bytes: &[u8], pixels: &mut Vec<u8>) -> Result<Decoded, String> {
    let mut first = first(bytes)?;
    let size = checked_size(first.shape)?;
    plausible(first.shape, bytes.len()).map_err(|fault| format!("damaged GIF: {fault}"))?;
    let mut places = vec![0; first.width * first.height];
    (first.decoder)
        .read_into_buffer(&mut places)
        .map_err(|error| format!("damaged GIF: {error}"))?;
    let color = |place: u8| *first.palette.get(usize::from(place)).unwrap_or(&[0; 3]);
    let channels = first.shape.channels;
    pixels.clear();
    pixels.reserve(size);
    for row in 0..first.shape.height {
        let inside = row
            .checked_sub(first.top)
            .filter(|row| *row < first.height)
            .map_or(&[][..], |row| &places[row * first.width..][..first.width]);
        for column in 0..first.shape.width {
            let place = column
                .checked_sub(first.left)
                .and_then(|column| inside.get(column));
            pixels.extend(&color(*place.unwrap_or(&first.open))[..channels]);
        }
    }
    Ok(Decoded {
        shape: first.shape,
        orientation: Orientation::Upright,
        samples: None,
    })
}
