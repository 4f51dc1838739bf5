//! PNG. The plain form, 8 bits a channel and not interlaced, has a path of its own: noise images
//! are nearly incompressible, so their decoding is one long Huffman stream, and inflating the whole
//! image in one call takes about half the time of a streaming decoder. Every other form goes to
//! the `png` crate.

use std::io::Cursor;

use flate2::{Decompress, FlushDecompress, Status};

use super::{Decoded, LARGE, Orientation, SampleRange, checked_size, samples};
use crate::ImageShape;

pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Buffers of the plain path.
pub(super) struct PngDecoder {
    orientation: Orientation,
    inflate: Decompress,
    compressed: Vec<u8>,
    filtered: Vec<u8>,
}

impl Default for PngDecoder {
    fn default() -> Self {
        Self {
            orientation: Orientation::Upright,
            inflate: Decompress::new(true),
            compressed: Vec::new(),
            filtered: Vec::new(),
        }
    }
}

impl PngDecoder {
    pub(super) fn decode(
        &mut self,
        bytes: &[u8],
        max_value: Option<u16>,
        pixels: &mut Vec<u8>,
    ) -> Result<Decoded, String> {
        let fault = |fault: String| format!("damaged PNG: {fault}");
        let (claimed, _) = shape(bytes)?;
        if claimed.height.saturating_mul(claimed.width) > LARGE {
            checked_size(claimed)?;
            // Row by row: the whole filtered image beside the pixels would be as much again.
            return general(bytes, max_value, pixels);
        }
        let Some(shape) = self.gather(bytes).map_err(fault)? else {
            return general(bytes, max_value, pixels);
        };
        self.inflate(shape, pixels).map_err(fault)?;
        Ok(Decoded {
            shape,
            orientation: self.orientation,
            samples: None,
        })
    }

    /// Checks every chunk and joins the compressed data; `None` where the image is not plain.
    fn gather(&mut self, bytes: &[u8]) -> Result<Option<ImageShape>, String> {
        const CUT: &str = "the file is cut short";
        self.compressed.clear();
        self.orientation = Orientation::Upright;
        let mut rest = &bytes[SIGNATURE.len()..];
        let mut shape = None;
        loop {
            let (head, after) = rest.split_first_chunk::<8>().ok_or(CUT)?;
            let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
            let kind = &head[4..];
            if after.len() < length.saturating_add(4) {
                return Err(CUT.into());
            }
            let (data, after) = after.split_at(length);
            let (sum, after) = after.split_first_chunk::<4>().ok_or(CUT)?;
            if crc32fast::hash(&rest[4..8 + length]) != u32::from_be_bytes(*sum) {
                return Err(format!(
                    "the checksum of chunk {} does not match",
                    kind.escape_ascii()
                ));
            }
            rest = after;
            match (kind, shape) {
                (b"IHDR", None) => match header(data)? {
                    Some(found) => shape = Some(found),
                    None => return Ok(None),
                },
                (_, None) => return Err("it does not begin with a header".into()),
                (b"IHDR", _) => return Err("it has two headers".into()),
                (b"IDAT", _) => self.compressed.extend_from_slice(data),
                (b"eXIf", _) => self.orientation = Orientation::of_exif(data),
                // Transparency by colour needs every pixel; animations are not images.
                (b"tRNS" | b"acTL", _) => return Ok(None),
                (b"IEND", Some(shape)) => return Ok(Some(shape)),
                _ => {}
            }
        }
    }

    fn inflate(&mut self, shape: ImageShape, pixels: &mut Vec<u8>) -> Result<(), String> {
        /// Room to notice an image with more data than its size needs.
        const ROOM: usize = 64;
        let size = checked_size(shape)?;
        // Deflate packs at best 1032 to 1: a header may not make us allocate more than that.
        if size / 1100 > self.compressed.len() {
            return Err("it has too little data for its size".into());
        }
        let expected = size + shape.height;
        self.filtered.resize(expected + ROOM, 0);
        self.inflate.reset(true);
        let status = self
            .inflate
            .decompress(
                &self.compressed,
                &mut self.filtered,
                FlushDecompress::Finish,
            )
            .map_err(|error| format!("its compressed data is broken ({error})"))?;
        let found = self.inflate.total_out();
        if status != Status::StreamEnd || found != expected as u64 {
            let problem = if found < expected as u64 {
                "too little"
            } else {
                "too much"
            };
            return Err(format!("its compressed data holds {problem} for its size"));
        }
        pixels.resize(size, 0);
        unfilter(&self.filtered[..expected], shape, pixels)
    }
}

/// The shape in a header of the plain form, `None` for another form.
fn header(data: &[u8]) -> Result<Option<ImageShape>, String> {
    let data: &[u8; 13] = data.try_into().map_err(|_| "its header is broken")?;
    let number = |at: usize| {
        u32::from_be_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]) as usize
    };
    let channels = match data[9] {
        0 => 1,
        4 => 2,
        2 => 3,
        6 => 4,
        _ => return Ok(None),
    };
    let shape = ImageShape {
        height: number(4),
        width: number(0),
        channels,
    };
    checked_size(shape)?;
    Ok((data[8] == 8 && data[10..] == [0, 0, 0]).then_some(shape))
}

/// What the header and the chunks say: the stored shape, and which way up it is.
pub(super) fn shape(bytes: &[u8]) -> Result<(ImageShape, Orientation), String> {
    // After the signature: length and name of the first chunk, then width, height, depth and colour.
    let head = bytes.get(SIGNATURE.len()..SIGNATURE.len() + 18);
    let head = head.ok_or("damaged PNG: the file is cut short")?;
    let Some((b"\0\0\0\x0dIHDR", &[w0, w1, w2, w3, h0, h1, h2, h3, _, color])) =
        head.split_first_chunk::<8>()
    else {
        return Err("damaged PNG: it does not begin with a header".into());
    };
    let side = |bytes| u32::from_be_bytes(bytes) as usize;
    let (mut orientation, mut is_transparent) = (Orientation::Upright, false);
    let mut has_begun = false;
    for (kind, data) in Chunks(&bytes[SIGNATURE.len()..]) {
        match kind {
            b"eXIf" => orientation = Orientation::of_exif(data),
            b"tRNS" => is_transparent |= !has_begun,
            b"IDAT" => has_begun = true,
            b"IEND" => break,
            _ => {}
        }
    }
    let channels = match color {
        0 | 4 => 1,
        2 | 3 | 6 => 3,
        _ => return Err("damaged PNG: its header names an unknown kind of colour".into()),
    };
    let shape = ImageShape {
        height: side([h0, h1, h2, h3]),
        width: side([w0, w1, w2, w3]),
        channels: channels + usize::from(is_transparent || color == 4 || color == 6),
    };
    Ok((shape, orientation))
}

/// Whether a file is a PNG with 16 bits a channel.
pub(super) fn is_sixteen_bit(bytes: &[u8]) -> bool {
    bytes.starts_with(SIGNATURE) && bytes.get(SIGNATURE.len() + 16) == Some(&16)
}

/// Kind and data of each whole chunk, unchecked.
struct Chunks<'a>(&'a [u8]);

impl<'a> Iterator for Chunks<'a> {
    type Item = (&'a [u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let (kind, rest) = rest.split_first_chunk::<4>()?;
        let (data, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        self.0 = rest.get(4..)?;
        Some((kind, data))
    }
}

/// Undoes the filter of each row (PNG specification, section 9).
fn unfilter(filtered: &[u8], shape: ImageShape, pixels: &mut [u8]) -> Result<(), String> {
    let width = shape.width * shape.channels;
    let mut above: &[u8] = &vec![0; width];
    let rows = pixels.chunks_exact_mut(width);
    for (source, row) in filtered.chunks_exact(width + 1).zip(rows) {
        row.copy_from_slice(&source[1..]);
        match shape.channels {
            1 => unfilter_row::<1>(source[0], row, above),
            2 => unfilter_row::<2>(source[0], row, above),
            3 => unfilter_row::<3>(source[0], row, above),
            _ => unfilter_row::<4>(source[0], row, above),
        }?;
        above = row;
    }
    Ok(())
}

/// Undoes the filter of one row of pixels of `STEP` bytes. The pixel to the left stays in registers:
/// each byte waits for the one before it, so this chain is what a filtered image costs.
fn unfilter_row<const STEP: usize>(filter: u8, row: &mut [u8], above: &[u8]) -> Result<(), String> {
    let (row, _) = row.as_chunks_mut::<STEP>();
    let (above, _) = above.as_chunks::<STEP>();
    let mut left = [0; STEP];
    match filter {
        0 => {}
        1 => {
            for pixel in row {
                for at in 0..STEP {
                    pixel[at] = pixel[at].wrapping_add(left[at]);
                }
                left = *pixel;
            }
        }
        2 => {
            for (pixel, up) in row.iter_mut().zip(above) {
                for at in 0..STEP {
                    pixel[at] = pixel[at].wrapping_add(up[at]);
                }
            }
        }
        3 => {
            for (pixel, up) in row.iter_mut().zip(above) {
                for at in 0..STEP {
                    let mean = (u16::from(left[at]) + u16::from(up[at])) / 2;
                    pixel[at] = pixel[at].wrapping_add(mean as u8);
                }
                left = *pixel;
            }
        }
        4 => {
            let mut corner = [0; STEP];
            for (pixel, up) in row.iter_mut().zip(above) {
                for at in 0..STEP {
                    pixel[at] = pixel[at].wrapping_add(paeth(left[at], up[at], corner[at]));
                }
                left = *pixel;
                corner = *up;
            }
        }
        other => return Err(format!("it names the unknown filter {other}")),
    }
    Ok(())
}

/// Of left, up and corner the one nearest to `left + up - corner`. Written with one threshold in
/// place of three distances, which shortens the chain; a test compares all triples with the
/// specification's text.
#[inline]
fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let (low, high) = (left.min(up), left.max(up));
    let threshold = 3 * i16::from(corner) - i16::from(left) - i16::from(up);
    let below = if i16::from(high) <= threshold {
        low
    } else {
        corner
    };
    if threshold <= i16::from(low) {
        high
    } else {
        below
    }
}

/// Palettes, 1, 2, 4 and 16 bits, interlacing, transparency.
fn general(bytes: &[u8], max_value: Option<u16>, pixels: &mut Vec<u8>) -> Result<Decoded, String> {
    let fault = |error: png::DecodingError| format!("damaged PNG: {error}");
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(fault)?;
    let (color, depth) = reader.output_color_type();
    let shape = ImageShape {
        height: reader.info().height as usize,
        width: reader.info().width as usize,
        channels: color.samples(),
    };
    let size = checked_size(shape)?;
    // As above: what is packed is at most 1032 times as large when it is unpacked.
    let packed = reader.info().raw_row_length().saturating_mul(shape.height);
    if packed / 1100 > bytes.len() {
        return Err("damaged PNG: it has too little data for its size".into());
    }
    let is_deep = depth == png::BitDepth::Sixteen;
    pixels.clear();
    let samples = if is_deep && !reader.info().interlaced {
        pixels.reserve(size);
        let mut range: Option<SampleRange> = None;
        while let Some(row) = reader.next_row().map_err(fault)? {
            let row = row.data().as_chunks().0.iter();
            let row = row.map(|sample| u16::from_be_bytes(*sample));
            let found = samples::of_sixteen(row, shape.channels, max_value, pixels);
            range = Some(range.map_or(found, |range| range.joined(found)));
        }
        range
    } else {
        pixels.resize(if is_deep { 2 * size } else { size }, 0);
        reader.next_frame(pixels).map_err(fault)?;
        is_deep.then(|| samples::in_place(shape.channels, max_value, pixels, u16::from_be_bytes))
    };
    reader.finish().map_err(fault)?;
    Ok(Decoded {
        shape,
        orientation: self::shape(bytes)?.1,
        samples,
    })
}

#[cfg(test)]
mod tests {
    use super::paeth;

    #[test]
    fn paeth_is_the_specifications() {
        for triple in 0..1u32 << 24 {
            let [left, up, corner, _] = triple.to_le_bytes();
            let [a, b, c] = [left, up, corner].map(i32::from);
            let (pa, pb, pc) = ((b - c).abs(), (a - c).abs(), (a + b - 2 * c).abs());
            let expected = if pa <= pb && pa <= pc {
                left
            } else if pb <= pc {
                up
            } else {
                corner
            };
            assert_eq!(paeth(left, up, corner), expected, "{left} {up} {corner}");
        }
    }
}
