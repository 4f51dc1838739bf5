//! Letters in DACON's table: `id,digit,letter,0,1,...,783`, a row an image of 28 x 28 pixels.
//!
//! A letter is printed at about half strength (100 to 135 of 255) and a digit over it, but only
//! where the letter has ink: there the sum goes up to 255. So the letter is all that is not paper,
//! and the digit does not matter.

use std::path::Path;

use soup_data::{Error, Result};

use super::{
    letter_names,
    scans::{Scans, letter_label, read_file},
};

/// Reads the table, packed with gzip or not. Columns besides `letter` and the numbered pixels are
/// ignored.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Io`]; [`Error::MissingColumn`] without `letter`;
/// [`Error::Table`] naming the row where a field is not what it must be; [`Error::Empty`].
pub fn read(path: &Path) -> Result<Scans> {
    let bytes = read_file(path)?;
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    let header = reader
        .headers()
        .map_err(|error| Error::table(path, 1, error.to_string()))?
        .clone();
    let column = |name: &str| header.iter().position(|found| found.trim() == name);
    let letter = column("letter").ok_or_else(|| Error::MissingColumn {
        path: path.into(),
        column: "letter".into(),
        found: header.iter().map(String::from).collect(),
    })?;
    let pixels: Vec<usize> = (0..header.len())
        .map_while(|pixel| column(&pixel.to_string()))
        .collect();
    let side = pixels.len().isqrt();
    if side == 0 || side * side != pixels.len() {
        let problem = format!(
            "there are {} pixel columns (`0`, `1`, ...), which is no square image; a table of \
             28 x 28 images has `0` to `783`",
            pixels.len()
        );
        return Err(Error::table(path, 1, problem));
    }
    let mut labels = Vec::new();
    let mut images = Vec::new();
    let mut record = csv::StringRecord::new();
    loop {
        let row = reader.position().line();
        let wrong = |problem: String| Error::table(path, row, problem);
        let more = reader.read_record(&mut record);
        if !more.map_err(|error| wrong(error.to_string()))? {
            break;
        }
        let row = record.position().map_or(row, csv::Position::line);
        let wrong = |problem: String| Error::table(path, row, problem);
        let name = record.get(letter).unwrap_or("").trim();
        let label = letter_label(name).ok_or_else(|| {
            wrong(format!(
                "`letter` is `{name}`; it must be one of A to Z or a to z"
            ))
        })?;
        let image = pixels
            .iter()
            .enumerate()
            .map(|(pixel, &at)| {
                let value = record.get(at).unwrap_or("").trim();
                value.parse::<u8>().map_err(|_| {
                    wrong(format!("pixel `{pixel}` is `{value}`; it must be 0 to 255"))
                })
            })
            .collect::<Result<Vec<u8>>>()?;
        labels.push(label);
        images.push(image);
    }
    if labels.is_empty() {
        return Err(Error::Empty {
            path: path.into(),
            what: "glyphs",
            hint: "the table needs a row a glyph under its header".into(),
        });
    }
    Ok(Scans::new(letter_names(), labels, &images, side))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::glyphs::{GlyphSource, Ink, Shape};

    fn read_text(text: &str) -> Result<Scans> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("glyphs.csv");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn a_letter_is_all_that_is_not_paper() {
        let scans = read_text("id,digit,letter,0,1,2,3\n1,5,L,3,120,0,240\n2,0,q,4,4,125,1\n");
        let scans = scans.unwrap();
        assert_eq!((scans.len(), scans.label(0), scans.label(1)), (2, 11, 16));
        assert_eq!(scans.shape(0), Shape::Ink(Ink::new(1, &[240, 255])));
        assert_eq!(scans.shape(1), Shape::Ink(Ink::new(1, &[250])));
        assert_eq!(scans.label_names().len(), 26);
    }

    #[test]
    fn faults_are_named_with_their_row() {
        for (text, expected) in [
            ("id,digit,0,1,2,3\n1,5,0,0,0,0\n", "no column `letter`"),
            (
                "letter,0,1,2\nA,0,0,0\n",
                "row 1: there are 3 pixel columns",
            ),
            ("letter\nA\n", "row 1: there are 0 pixel columns"),
            ("letter,0\nA,1\n7,1\n", "row 3: `letter` is `7`"),
            ("letter,0\nA,1\nB,256\n", "row 3: pixel `0` is `256`"),
            ("letter,0\nA,1\nB,-1\n", "row 3: pixel `0` is `-1`"),
            ("letter,0\nA,1\nB\n", "row 3"),
            ("letter,0\n", "holds no glyphs"),
            ("", "no column `letter`"),
        ] {
            let error = read_text(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
            assert!(error.contains("glyphs.csv"), "{error}");
        }
        let error = read(Path::new("/nowhere/glyphs.csv")).unwrap_err();
        assert!(error.to_string().contains("does not exist"), "{error}");
    }
}
