//! NumPy's array file, as far as arrays of ours need it (NEP 1).

pub(crate) mod images;
mod matrix;

pub(crate) use matrix::parse_numbers;
pub use matrix::{matrix_header, parse_matrix};

pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";

/// The header of an array in C order, padded so that the data begins at a multiple of 64 bytes, as `numpy.save` writes it.
/// `kind` is NumPy's name of an element's type, such as `<f4`.
pub fn header(kind: &str, axes: &[usize]) -> Vec<u8> {
    let sides: Vec<String> = axes.iter().map(usize::to_string).collect();
    let sides = match sides.as_slice() {
        [side] => format!("{side},"),
        sides => sides.join(", "),
    };
    let mut text = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({sides}), }}");
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

/// What the header of an array file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The type of an element, such as `<f4` or `|u1`.
    pub kind: &'a str,
    /// Whether the first axis varies fastest.
    pub fortran: bool,
    /// The shape.
    pub axes: Vec<usize>,
    /// Where the data begins.
    pub start: usize,
}

impl<'a> Header<'a> {
    /// Reads the header of a file.
    ///
    /// # Errors
    /// What is wrong, in a few words.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, String> {
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

    use super::*;

    #[test]
    fn headers_are_those_of_numpy_save() {
        assert!(header("<f4", &[2, 3]).starts_with(
            b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
        ));
        for axes in [&[5][..], &[2, 3], &[4, 2, 3, 1]] {
            let bytes = header("|u1", axes);
            let found = Header::parse(&bytes).unwrap();
            assert_eq!((found.kind, found.fortran), ("|u1", false));
            assert_eq!((found.axes.as_slice(), found.start), (axes, bytes.len()));
            assert_eq!(bytes.len() % 64, 0);
            for length in 0..bytes.len() {
                assert!(Header::parse(&bytes[..length]).is_err());
            }
        }
    }
}
