//! NumPy arrays of `float32` with rows and columns.

use std::{fs, io::Write, path::Path};

use crate::{Error, runs::files};

/// What every array of ours begins with: magic, version 1.0.
const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";

/// Writes `values` as rows of `columns`, whole or not at all.
///
/// # Errors
/// [`Error::File`].
pub fn write(path: &Path, values: &[f32], columns: usize) -> Result<(), Error> {
    let rows = values.len().checked_div(columns).unwrap_or(0);
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    // NumPy wants the data to begin at a multiple of 64 bytes and the header to end in a newline.
    while !(MAGIC.len() + 2 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    files::write_file(path, |file| {
        file.write_all(MAGIC)?;
        file.write_all(&(header.len() as u16).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        for value in values {
            file.write_all(&value.to_le_bytes())?;
        }
        Ok(())
    })
}

/// Reads what [`write()`] wrote: the values and the number of columns.
///
/// # Errors
/// [`Error::File`] where it cannot be read, [`Error::Format`] for any other kind of file.
pub fn read(path: &Path) -> Result<(Vec<f32>, usize), Error> {
    let bytes = fs::read(path).map_err(Error::file(path, "read"))?;
    parse(&bytes).ok_or_else(|| Error::format(path, "not a float32 array of rows and columns"))
}

fn parse(bytes: &[u8]) -> Option<(Vec<f32>, usize)> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (header, data) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    let header = std::str::from_utf8(header).ok()?;
    let shape = header
        .strip_prefix("{'descr': '<f4', 'fortran_order': False, 'shape': (")?
        .split_once(')')?
        .0;
    let (rows, columns) = shape.split_once(", ")?;
    let (rows, columns): (usize, usize) = (rows.parse().ok()?, columns.parse().ok()?);
    if rows.checked_mul(columns)?.checked_mul(4)? != data.len() {
        return None;
    }
    let (values, _) = data.as_chunks::<4>();
    Some((
        values
            .iter()
            .map(|&value| f32::from_le_bytes(value))
            .collect(),
        columns,
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn arrays_come_back_and_other_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("oof.npy");
        write(&path, &[1.0, f32::NAN, 3.0, 4.0, 5.0, 6.0], 3).unwrap();
        let (values, columns) = read(&path).unwrap();
        assert_eq!((values.len(), columns), (6, 3));
        assert!(values[1].is_nan() && values[5] == 6.0);
        let bytes = fs::read(&path).unwrap();
        assert_eq!((bytes.len() - 24) % 64, 0);
        // As `numpy.save` writes it.
        assert!(bytes.starts_with(
            b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
        ));
        for length in 0..bytes.len() {
            assert!(parse(&bytes[..length]).is_none());
        }
    }
}
