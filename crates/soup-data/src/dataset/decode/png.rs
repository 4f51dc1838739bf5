//! PNG. The plain form, 8 bits a channel and not interlaced, has a path of its own: noise pictures
//! are nearly incompressible, so their decoding is one long Huffman stream, and inflating the whole
//! picture in one call takes about half the time of a streaming decoder. Every other form goes to
//! the `png` crate.

use std::io::Cursor;

use flate2::{Decompress, FlushDecompress, Status};

use super::checked_size;
use crate::PictureShape;

pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Buffers of the plain path.
pub(super) struct PngDecoder {
    inflate: Decompress,
    compressed: Vec<u8>,
    filtered: Vec<u8>,
}

impl Default for PngDecoder {
    fn default() -> Self {
        Self {
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
        pixels: &mut Vec<u8>,
    ) -> Result<PictureShape, String> {
        match self
            .gather(bytes)
            .map_err(|fault| format!("damaged PNG: {fault}"))?
        {
            Some(shape) => {
                self.inflate(shape, pixels)
                    .map_err(|fault| format!("damaged PNG: {fault}"))?;
                Ok(shape)
            }
            None => general(bytes, pixels),
        }
    }

    /// Checks every chunk and joins the compressed data; `None` where the picture is not plain.
    fn gather(&mut self, bytes: &[u8]) -> Result<Option<PictureShape>, String> {
        const CUT: &str = "the file is cut short";
        self.compressed.clear();
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
                // Transparency by colour needs a look at every pixel; animations are not pictures.
                (b"tRNS" | b"acTL", _) => return Ok(None),
                (b"IEND", Some(shape)) => return Ok(Some(shape)),
                _ => {}
            }
        }
    }

    fn inflate(&mut self, shape: PictureShape, pixels: &mut Vec<u8>) -> Result<(), String> {
        /// Room to notice a picture with more data than its size needs.
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
fn header(data: &[u8]) -> Result<Option<PictureShape>, String> {
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
    let shape = PictureShape {
        height: number(4),
        width: number(0),
        channels,
    };
    checked_size(shape)?;
    Ok((data[8] == 8 && data[10..] == [0, 0, 0]).then_some(shape))
}

/// Undoes the filter of each row (PNG specification, section 9).
fn unfilter(filtered: &[u8], shape: PictureShape, pixels: &mut [u8]) -> Result<(), String> {
    let step = shape.channels;
    let width = shape.width * step;
    let mut above: &[u8] = &vec![0; width];
    let rows = pixels.chunks_exact_mut(width);
    for (source, row) in filtered.chunks_exact(width + 1).zip(rows) {
        row.copy_from_slice(&source[1..]);
        match source[0] {
            0 => {}
            1 => {
                for at in step..width {
                    row[at] = row[at].wrapping_add(row[at - step]);
                }
            }
            2 => {
                for (byte, &up) in row.iter_mut().zip(above) {
                    *byte = byte.wrapping_add(up);
                }
            }
            3 => {
                for at in 0..width {
                    let left = if at < step { 0 } else { row[at - step] };
                    let mean = (u16::from(left) + u16::from(above[at])) / 2;
                    row[at] = row[at].wrapping_add(mean as u8);
                }
            }
            4 => {
                for at in 0..width {
                    let (left, corner) = if at < step {
                        (0, 0)
                    } else {
                        (row[at - step], above[at - step])
                    };
                    row[at] = row[at].wrapping_add(paeth(left, above[at], corner));
                }
            }
            other => return Err(format!("it names the unknown filter {other}")),
        }
        above = row;
    }
    Ok(())
}

fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let [a, b, c] = [left, up, corner].map(i16::from);
    let (to_left, to_up, to_corner) = ((b - c).abs(), (a - c).abs(), (a + b - 2 * c).abs());
    if to_left <= to_up && to_left <= to_corner {
        left
    } else if to_up <= to_corner {
        up
    } else {
        corner
    }
}

/// Palettes, 1, 2, 4 and 16 bits, interlacing, transparency.
fn general(bytes: &[u8], pixels: &mut Vec<u8>) -> Result<PictureShape, String> {
    let fault = |error: png::DecodingError| format!("damaged PNG: {error}");
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(fault)?;
    let (color, _) = reader.output_color_type();
    let shape = PictureShape {
        height: reader.info().height as usize,
        width: reader.info().width as usize,
        channels: color.samples(),
    };
    pixels.clear();
    pixels.resize(checked_size(shape)?, 0);
    reader.next_frame(pixels).map_err(fault)?;
    reader.finish().map_err(fault)?;
    Ok(shape)
}
