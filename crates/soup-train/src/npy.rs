//! NumPy arrays of `float32` with rows and columns.

use std::{io::Write, path::Path};

use soup_data::npy;

use crate::{Error, runs::files};

/// Writes `values` as rows of `columns`, whole or not at all.
///
/// # Errors
/// [`Error::File`].
pub fn write(path: &Path, values: &[f32], columns: usize) -> Result<(), Error> {
    let rows = values.len().checked_div(columns).unwrap_or(0);
    let header = npy::matrix_header(rows, columns);
    files::write_file(path, |file| {
        file.write_all(&header)?;
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
    let bytes = soup_data::files::read(path).map_err(Error::file(path, "read"))?;
    parse(&bytes).ok_or_else(|| Error::format(path, "not a float32 array of rows and columns"))
}

fn parse(bytes: &[u8]) -> Option<(Vec<f32>, usize)> {
    let header = npy::Header::parse(bytes).ok()?;
    if header.kind != "<f4" {
        return None;
    }
    let (_, columns, values) = npy::parse_matrix(bytes).ok()?;
    Some((values, columns))
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
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!((bytes.len() - 24) % 64, 0);
        for length in 0..bytes.len() {
            assert!(parse(&bytes[..length]).is_none());
        }
    }
}
