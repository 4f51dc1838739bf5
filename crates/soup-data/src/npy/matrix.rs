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
