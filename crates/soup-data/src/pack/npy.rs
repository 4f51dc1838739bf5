//! NumPy's array file, as far as a pack needs it: `uint8`, C order, 3 or 4 axes.

use crate::PictureShape;

const MAGIC: &[u8] = b"\x93NUMPY";

/// The header of `count` pictures, padded so that the data begins at a multiple of 64 bytes.
pub(super) fn header(count: usize, shape: PictureShape) -> Vec<u8> {
    let PictureShape {
        height,
        width,
        channels,
    } = shape;
    let axes = if channels == 1 {
        format!("{count}, {height}, {width}")
    } else {
        format!("{count}, {height}, {width}, {channels}")
    };
    let mut text = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({axes}), }}");
    let prefix = MAGIC.len() + 4;
    let length = (prefix + text.len() + 1).next_multiple_of(64) - prefix;
    text.extend(std::iter::repeat_n(' ', length - 1 - text.len()));
    text.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

/// Checks that `bytes` is exactly an array of `count` pictures, and says where its data begins.
///
/// # Errors
/// What is wrong, in a few words.
pub(super) fn data_start(bytes: &[u8], count: usize, shape: PictureShape) -> Result<usize, String> {
    let found = Header::parse(bytes)?;
    if found.kind != "|u1" && found.kind != "u1" {
        return Err(format!("it holds `{}`, not bytes (`|u1`)", found.kind));
    }
    if found.fortran && found.axes.len() > 1 {
        return Err("its axes are in Fortran order".into());
    }
    let mut axes = vec![count, shape.height, shape.width];
    if shape.channels != 1 {
        axes.push(shape.channels);
    }
    if found.axes != axes {
        return Err(format!(
            "its shape is {:?}, but the manifest says {axes:?}",
            found.axes
        ));
    }
    let size = axes
        .iter()
        .try_fold(1usize, |size, &axis| size.checked_mul(axis))
        .and_then(|size| size.checked_add(found.start))
        .ok_or("its shape is too large for this machine")?;
    if bytes.len() != size {
        return Err(format!(
            "it has {} bytes, but its shape needs {size}; it is cut short or has a tail",
            bytes.len()
        ));
    }
    Ok(found.start)
}

struct Header<'a> {
    kind: &'a str,
    fortran: bool,
    axes: Vec<usize>,
    start: usize,
}

impl<'a> Header<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        const CUT: &str = "its header is cut short";
        let rest = bytes
            .strip_prefix(MAGIC)
            .ok_or("it is not a NumPy array file")?;
        let (version, rest) = rest.split_first_chunk::<2>().ok_or(CUT)?;
        let (length, rest) = match version[0] {
            1 => {
                let (length, rest) = rest.split_first_chunk::<2>().ok_or(CUT)?;
                (u16::from_le_bytes(*length) as usize, rest)
            }
            2 | 3 => {
                let (length, rest) = rest.split_first_chunk::<4>().ok_or(CUT)?;
                (u32::from_le_bytes(*length) as usize, rest)
            }
            other => return Err(format!("its format version {other} is unknown")),
        };
        let text = rest.get(..length).ok_or(CUT)?;
        let text = std::str::from_utf8(text).map_err(|_| "its header is not text")?;
        let field = |name: &str| {
            text.split_once(&format!("'{name}':"))
                .map(|(_, value)| value.trim_start())
                .ok_or_else(|| format!("its header has no `{name}`"))
        };
        let kind = field("descr")?
            .strip_prefix('\'')
            .and_then(|value| value.split_once('\''))
            .map(|(kind, _)| kind)
            .ok_or("its header names no plain type")?;
        let fortran = match field("fortran_order")? {
            value if value.starts_with("True") => true,
            value if value.starts_with("False") => false,
            _ => return Err("its header is broken at `fortran_order`".into()),
        };
        let axes = field("shape")?
            .strip_prefix('(')
            .and_then(|value| value.split_once(')'))
            .map(|(axes, _)| axes)
            .ok_or("its header is broken at `shape`")?
            .split(',')
            .map(str::trim)
            .filter(|axis| !axis.is_empty())
            .map(|axis| {
                axis.parse()
                    .map_err(|_| format!("`{axis}` in its shape is no number"))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            kind,
            fortran,
            axes,
            start: bytes.len() - rest.len() + length,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const SHAPE: PictureShape = PictureShape {
        height: 2,
        width: 3,
        channels: 1,
    };

    fn file() -> Vec<u8> {
        let mut bytes = header(4, SHAPE);
        bytes.extend([7; 24]);
        bytes
    }

    #[test]
    fn header_is_read_back_and_data_aligned() {
        assert_eq!(data_start(&file(), 4, SHAPE).unwrap() % 64, 0);
    }

    #[test]
    fn other_arrays_are_refused() {
        let good = file();
        let changed = |from: &str, to: &str| {
            let text: String = good.iter().map(|&byte| byte as char).collect();
            assert!(text.contains(from));
            text.replacen(from, to, 1)
                .chars()
                .map(|c| c as u8)
                .collect::<Vec<u8>>()
        };
        for (bytes, expected) in [
            (changed("|u1", "<f4"), "holds `<f4`"),
            (changed("False", "True "), "Fortran"),
            (changed("(4, 2, 3)", "(4, 3, 2)"), "manifest says [4, 2, 3]"),
            (changed("(4, 2, 3)", "(4, 2, x)"), "`x` in its shape"),
            (changed("'shape'", "'shade'"), "no `shape`"),
            (changed("NUMPY", "NUMPI"), "not a NumPy array"),
            (good[..good.len() - 1].to_vec(), "cut short"),
            (good[..20].to_vec(), "header is cut short"),
            (vec![], "not a NumPy array"),
        ] {
            let error = data_start(&bytes, 4, SHAPE).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(at in 0usize..128, byte: u8, cut in 0usize..160) {
            let mut bytes = file();
            bytes[at] = byte;
            bytes.truncate(cut);
            let _ = data_start(&bytes, 4, SHAPE);
        }
    }
}
