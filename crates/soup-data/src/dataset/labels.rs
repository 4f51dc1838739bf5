//! Tables of labels: CSV, gzipped or not, one row a picture, one column a label.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use super::LabelTable;
use crate::{Error, Result};

/// Which columns of a table are what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The column with the pictures' ids or file names; the first one where nothing is given.
    pub id: Option<String>,
    /// The label columns, in the order wanted; all but the id where nothing is given.
    pub labels: Option<Vec<String>>,
    /// Columns that are no labels (a group, a comment).
    pub ignored: Vec<String>,
}

/// A label table as read, not yet matched with pictures.
pub(super) struct Labels {
    pub(super) ids: Vec<String>,
    /// Line of the file of each id, the header is row 1.
    pub(super) rows: Vec<u64>,
    pub(super) names: Vec<String>,
    pub(super) labels: Vec<u8>,
}

/// The bytes of a file, unpacked where they are gzipped.
pub(super) fn read_table_file(path: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    flate2::read::MultiGzDecoder::new(&bytes[..])
        .read_to_end(&mut unpacked)
        .map_err(|error| {
            Error::format(
                path,
                format!("the gzip data is damaged ({error})"),
                "restore the file from its source",
            )
        })?;
    Ok(unpacked)
}

/// A CSV table: its header and a reader that stands at row 2.
struct Table<'a> {
    path: &'a Path,
    header: Vec<String>,
    reader: csv::Reader<&'a [u8]>,
}

impl<'a> Table<'a> {
    fn new(path: &'a Path, bytes: &'a [u8]) -> Result<Self> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(true)
            .flexible(true)
            .from_reader(bytes);
        let header: Vec<String> = reader
            .headers()
            .map_err(|error| Error::table(path, 1, format!("the header is unreadable: {error}")))?
            .iter()
            .map(|name| name.trim().to_owned())
            .collect();
        if header.iter().all(String::is_empty) {
            return Err(Error::Empty {
                path: path.into(),
                what: "rows",
                hint: "a label table begins with a header such as `index,a,b,c`".into(),
            });
        }
        for (at, name) in header.iter().enumerate() {
            if header[..at].contains(name) {
                return Err(Error::table(
                    path,
                    1,
                    format!("two columns are called `{name}`; rename one"),
                ));
            }
        }
        Ok(Self {
            path,
            header,
            reader,
        })
    }

    fn column(&self, name: &str) -> Result<usize> {
        self.header
            .iter()
            .position(|column| column == name)
            .ok_or_else(|| Error::MissingColumn {
                path: self.path.into(),
                column: name.into(),
                found: self.header.clone(),
            })
    }

    fn id_column(&self, name: Option<&str>) -> Result<usize> {
        name.map_or(Ok(0), |name| self.column(name))
    }

    /// The next row into `record`, and its line; `None` at the end.
    fn next(&mut self, record: &mut csv::ByteRecord) -> Result<Option<u64>> {
        let more = self.reader.read_byte_record(record).map_err(|error| {
            let row = error.position().map_or(0, csv::Position::line);
            Error::table(self.path, row, format!("unreadable: {error}"))
        })?;
        if !more {
            return Ok(None);
        }
        let row = record.position().map_or(0, csv::Position::line);
        if record.len() != self.header.len() {
            return Err(Error::table(
                self.path,
                row,
                format!(
                    "{} fields, but the header has {}; the row is cut short or has a comma too many",
                    record.len(),
                    self.header.len()
                ),
            ));
        }
        Ok(Some(row))
    }

    fn text<'r>(&self, record: &'r csv::ByteRecord, column: usize, row: u64) -> Result<&'r str> {
        std::str::from_utf8(&record[column])
            .map(str::trim)
            .map_err(|_| {
                Error::table(
                    self.path,
                    row,
                    format!("column `{}` is not UTF-8 text", self.header[column]),
                )
            })
    }
}

/// Reads a label table. `path` is for messages.
pub(super) fn read_labels(path: &Path, bytes: &[u8], columns: &Columns) -> Result<Labels> {
    let mut table = Table::new(path, bytes)?;
    let id_column = table.id_column(columns.id.as_deref())?;
    for name in &columns.ignored {
        table.column(name)?;
    }
    let label_columns: Vec<usize> = match &columns.labels {
        Some(names) => names
            .iter()
            .map(|name| table.column(name))
            .collect::<Result<_>>()?,
        None => (0..table.header.len())
            .filter(|&at| at != id_column && !columns.ignored.contains(&table.header[at]))
            .collect(),
    };
    if label_columns.is_empty() {
        return Err(Error::table(
            path,
            1,
            "there is no label column; a label table begins with a header such as `index,a,b,c`",
        ));
    }
    let mut read = Labels {
        ids: vec![],
        rows: vec![],
        names: label_columns
            .iter()
            .map(|&at| table.header[at].clone())
            .collect(),
        labels: vec![],
    };
    // Only looked up, never walked: its order reaches nothing.
    let mut first: HashMap<String, u64> = HashMap::new();
    let mut record = csv::ByteRecord::new();
    while let Some(row) = table.next(&mut record)? {
        let id = table.text(&record, id_column, row)?;
        if id.is_empty() {
            return Err(Error::table(
                path,
                row,
                format!("column `{}` is empty", table.header[id_column]),
            ));
        }
        if let Some(first) = first.insert(id.to_owned(), row) {
            return Err(Error::DuplicateId {
                path: path.into(),
                row,
                first,
                id: id.into(),
            });
        }
        for &column in &label_columns {
            read.labels.push(match record[column].trim_ascii() {
                b"0" | b"0.0" => 0,
                b"1" | b"1.0" => 1,
                other => {
                    return Err(Error::Label {
                        path: path.into(),
                        row,
                        id: id.into(),
                        label: table.header[column].clone(),
                        value: String::from_utf8_lossy(other).into_owned(),
                    });
                }
            });
        }
        read.ids.push(id.to_owned());
        read.rows.push(row);
    }
    if read.ids.is_empty() {
        return Err(Error::Empty {
            path: path.into(),
            what: "rows",
            hint: "a label table has one row a picture below its header".into(),
        });
    }
    Ok(read)
}

/// A label table alone, without its pictures.
///
/// # Errors
/// Named with file and row: a column that is not there, a label that is not 0 or 1, an id twice, an
/// unreadable row.
pub fn read_label_table(path: &Path, columns: &Columns) -> Result<LabelTable> {
    let read = read_labels(path, &read_table_file(path)?, columns)?;
    Ok(LabelTable::new(read.ids, read.names, read.labels))
}

/// The value of `column` for each of `ids`, for example the source of each picture for folds by
/// group. The table may hold other rows too.
///
/// # Errors
/// [`Error::MissingColumn`], [`Error::DuplicateId`], [`Error::Table`] for unreadable rows, and
/// [`Error::OtherData`] where an id has no row.
pub fn read_column(
    path: &Path,
    id_column: Option<&str>,
    column: &str,
    ids: &[String],
) -> Result<Vec<String>> {
    let bytes = read_table_file(path)?;
    let mut table = Table::new(path, &bytes)?;
    let id_column = table.id_column(id_column)?;
    let value_column = table.column(column)?;
    // Only looked up, never walked: its order reaches nothing.
    let mut values: HashMap<String, (u64, String)> = HashMap::new();
    let mut record = csv::ByteRecord::new();
    while let Some(row) = table.next(&mut record)? {
        let id = table.text(&record, id_column, row)?;
        let value = table.text(&record, value_column, row)?;
        if let Some((first, _)) = values.insert(id.to_owned(), (row, value.to_owned())) {
            return Err(Error::DuplicateId {
                path: path.into(),
                row,
                first,
                id: id.into(),
            });
        }
    }
    ids.iter()
        .map(|id| match values.get(id) {
            Some((_, value)) => Ok(value.clone()),
            None => Err(Error::OtherData {
                path: path.into(),
                problem: format!("no row for picture `{id}`"),
                hint: format!("add its row, with its `{column}`"),
            }),
        })
        .collect()
}

/// The id (first column) and the value of `column` in each row of a table; ids may come again.
pub(crate) fn read_pairs(path: &Path, column: &str) -> Result<Vec<(String, String)>> {
    let bytes = read_table_file(path)?;
    let mut table = Table::new(path, &bytes)?;
    let value_column = table.column(column)?;
    let mut pairs = Vec::new();
    let mut record = csv::ByteRecord::new();
    while let Some(row) = table.next(&mut record)? {
        let id = table.text(&record, 0, row)?;
        let value = table.text(&record, value_column, row)?;
        pairs.push((id.to_owned(), value.to_owned()));
    }
    Ok(pairs)
}
