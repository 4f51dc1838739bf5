//! Arrays of rows and columns.

use super::{Header, header};

/// The header of a `float32` array of rows and columns.
pub fn matrix_header(rows: usize, columns: usize) -> Vec<u8> {
    header("<f4", &[rows, columns])
}

/// Rows, columns and values of an array of two axes in C order, of floats, bytes or booleans.
///
/// # Errors
/// What is wrong, in a few words.
pub fn parse_matrix(bytes: &[u8]) -> Result<(usize, usize, Vec<f32>), String> {
    let header = Header::parse(bytes)?;
    let (kind, data) = (header.kind, &bytes[header.start..]);
    if header.fortran {
        return Err("it is in Fortran order; save numpy.ascontiguousarray of it".into());
    }
    let (rows, columns) = match header.axes[..] {
        [rows, columns] => (rows, columns),
        _ => {
            return Err(format!(
                "its shape is {:?}, not images x labels",
                header.axes
            ));
        }
    };
    let width = match kind {
        "<f4" => 4,
        "<f8" => 8,
        "|u1" | "|b1" => 1,
        _ => {
            return Err(format!(
                "its elements are `{kind}`, not `<f4`, `<f8`, `|u1` or `|b1`"
            ));
        }
    };
    let expected = rows
        .checked_mul(columns)
        .and_then(|count| count.checked_mul(width));
    if expected != Some(data.len()) {
        return Err(format!(
            "it is {rows} x {columns} of `{kind}`, but holds {} bytes of data",
            data.len()
        ));
    }
    let values = match width {
        4 => data
            .as_chunks()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect(),
        8 => data
            .as_chunks()
            .0
            .iter()
            .map(|bytes| f64::from_le_bytes(*bytes) as f32)
            .collect(),
        _ => data.iter().map(|byte| f32::from(*byte)).collect(),
    };
    Ok((rows, columns, values))
}

/// Rows, columns and values of an array of one axis (a column) or two in C order, of numbers or booleans of any kind.
///
/// # Errors
/// What is wrong, in a few words.
pub(crate) fn parse_numbers(bytes: &[u8]) -> Result<(usize, usize, Vec<f64>), String> {
    let header = Header::parse(bytes)?;
    let data = &bytes[header.start..];
    let (rows, columns) = match header.axes[..] {
        [rows] => (rows, 1),
        [rows, columns] if !header.fortran => (rows, columns),
        [_, _] => return Err("it is in Fortran order; save numpy.ascontiguousarray of it".into()),
        _ => {
            return Err(format!(
                "its shape is {:?}, not images x labels",
                header.axes
            ));
        }
    };
    let (order, kind) = header.kind.split_at_checked(1).unwrap_or(("", ""));
    let is_big = order == ">";
    macro_rules! numbers {
        ($number:ty) => {{
            let (chunks, rest) = data.as_chunks::<{ size_of::<$number>() }>();
            let read = |bytes: &[u8; size_of::<$number>()]| match is_big {
                true => <$number>::from_be_bytes(*bytes),
                false => <$number>::from_le_bytes(*bytes),
            };
            let values: Vec<f64> = chunks.iter().map(|bytes| read(bytes) as f64).collect();
            rest.is_empty().then_some(values)
        }};
    }
    let values = match kind {
        "b1" | "u1" => numbers!(u8),
        "i1" => numbers!(i8),
        "u2" => numbers!(u16),
        "i2" => numbers!(i16),
        "u4" => numbers!(u32),
        "i4" => numbers!(i32),
        "u8" => numbers!(u64),
        "i8" => numbers!(i64),
        "f4" => numbers!(f32),
        "f8" => numbers!(f64),
        _ => return Err(format!("its elements are `{}`, no numbers", header.kind)),
    };
    let count = rows.checked_mul(columns);
    match values {
        Some(values) if count == Some(values.len()) && columns > 0 => Ok((rows, columns, values)),
        _ => Err(format!(
            "it is {rows} x {columns} of `{}`, but holds {} bytes of data",
            header.kind,
            data.len()
        )),
    }
}
