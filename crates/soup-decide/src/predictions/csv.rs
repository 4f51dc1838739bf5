//! CSV in submission shape: a header with the id's column first, then a row a picture.

use std::io::{Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use soup_data::Error;

use super::{Cells, Predictions, RowNumbers};
use crate::{DecideError, Result, write_atomically};

/// The header of the id column in the files that we write, as in the founding contest.
const ID_COLUMN: &str = "index";

pub(super) fn read(path: &Path, cells: Cells) -> Result<Predictions> {
    let bytes = read_bytes(path)?;
    // The mark that Windows programs put before UTF-8.
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text);
    let mut record = csv::StringRecord::new();
    let mut next = move |record: &mut csv::StringRecord| -> Result<bool> {
        reader.read_record(record).map_err(|error| {
            let row = error.position().map_or(1, csv::Position::line);
            Error::table(path, row, format!("{error}; save the file as UTF-8 CSV")).into()
        })
    };
    if !next(&mut record)? {
        return Err(Error::Empty {
            path: path.to_path_buf(),
            what: "rows",
            hint: "a prediction file starts with a header such as `index,a,b,c`".into(),
        }
        .into());
    }
    let labels: Vec<String> = record
        .iter()
        .skip(1)
        .map(|name| name.trim().to_owned())
        .collect();
    if let Some(number) = labels.iter().find(|label| label.parse::<f32>().is_ok()) {
        let problem = format!(
            "the header names a label `{number}`, it looks like a row of numbers; the first row \
             must be a header such as `index,a,b,c`"
        );
        return Err(Error::table(path, 1, problem).into());
    }
    let (mut ids, mut values, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    let mut lines = Lines::new(text);
    while next(&mut record)? {
        let row = lines.of(record.position());
        if record.len() != labels.len() + 1 {
            let problem = format!(
                "there are {} fields, but the header has {}",
                record.len(),
                labels.len() + 1
            );
            return Err(Error::table(path, row, problem).into());
        }
        let id = record[0].trim();
        if id.is_empty() {
            return Err(Error::table(path, row, "the id is empty").into());
        }
        for (cell, label) in record.iter().skip(1).zip(&labels) {
            let value = cell.trim().parse::<f32>().ok();
            let value = value.filter(|value| (0.0..=1.0).contains(value));
            match value {
                Some(value) if cells == Cells::Probabilities || value.fract() == 0.0 => {
                    values.push(value);
                }
                _ => return Err(wrong_cell(path, cells, row, [id, label, cell])),
            }
        }
        ids.push(id.to_owned());
        rows.push(row);
    }
    let rows = RowNumbers { lines: Some(&rows) };
    Predictions::checked(path.to_path_buf(), ids, labels, values, rows)
}

/// Counts the lines up to a record. The reader skips empty lines, but gives the position before
/// them.
struct Lines<'a> {
    text: &'a [u8],
    counted: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            counted: 0,
            line: 1,
        }
    }

    /// The line on which the record at this position starts; records must come in order.
    fn of(&mut self, position: Option<&csv::Position>) -> u64 {
        let start = position.map_or(self.counted, |position| position.byte() as usize);
        let is_end = |byte: &&u8| matches!(byte, b'\n' | b'\r');
        let empty = self.text[start..].iter().take_while(is_end).count();
        let passed = &self.text[self.counted..start + empty];
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.counted = start + empty;
        self.line
    }
}

/// A cell that is no number, or none that the table may hold.
fn wrong_cell(path: &Path, cells: Cells, row: u64, [id, label, value]: [&str; 3]) -> DecideError {
    let path = path.to_path_buf();
    let (id, label, value) = (id.to_owned(), label.to_owned(), value.to_owned());
    match cells {
        Cells::Probabilities => DecideError::NotAProbability {
            path,
            row,
            id,
            label,
            value,
        },
        Cells::Answers => Error::Label {
            path,
            row,
            id,
            label,
            value,
        }
        .into(),
    }
}

pub(super) fn text(table: &Predictions) -> String {
    let mut text = String::from(ID_COLUMN);
    for label in table.labels() {
        text.push(',');
        push_field(&mut text, label);
    }
    text.push('\n');
    for (row, id) in table.ids().iter().enumerate() {
        push_field(&mut text, id);
        for value in table.row(row) {
            // The shortest digits that read back as the same float32.
            text.push_str(&format!(",{value}"));
        }
        text.push('\n');
    }
    text
}

pub(super) fn write(table: &Predictions, path: &Path) -> Result<()> {
    let mut bytes = text(table).into_bytes();
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        bytes = encoder
            .write_all(&bytes)
            .and_then(|()| encoder.finish())
            .map_err(Error::io("compress", path))?;
    }
    write_atomically(path, &bytes)
}

/// The bytes of a file, unpacked where they are gzipped (whatever the name says).
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = std::fs::read(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound {
            path: path.to_path_buf(),
            hint: "check the name".into(),
        },
        _ => Error::io("read", path)(source),
    })?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        MultiGzDecoder::new(bytes.as_slice())
            .read_to_end(&mut plain)
            .map_err(|error| {
                let problem = format!("the gzip data is damaged: {error}");
                Error::format(path, problem, "fetch the file again")
            })?;
        bytes = plain;
    }
    Ok(bytes)
}

/// Quotes a field where it needs that.
fn push_field(text: &mut String, field: &str) {
    if field.contains([',', '"', '\n', '\r']) {
        text.push('"');
        text.push_str(&field.replace('"', "\"\""));
        text.push('"');
    } else {
        text.push_str(field);
    }
}
