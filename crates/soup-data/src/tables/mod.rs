//! Tables as people have them: CSV with commas, semicolons or tabs, in any Unicode, gzipped or not.
//!
//! One reader for all verbs. What is common is taken: either line end, spaces around cells, pandas's
//! column of row numbers, separators at the end of rows, blank rows, comments, decimal commas, `True` for 1.
//! What is ambiguous is refused with its row and with what to do, all rows at once ([`Problems`]).

mod matrix;
mod scan;
mod text;

use std::{
    borrow::Cow,
    collections::BTreeSet,
    ops::Range,
    path::{Path, PathBuf},
};

pub(crate) use matrix::is_label;
pub use matrix::{Cells, Columns, Matrix};
pub use text::Encoding;

use crate::{Error, Result, files::read_unpacked, ids::place_of_name, problems::Problems};

/// What stands where nothing is known: pandas's words for it.
pub fn is_missing(cell: &str) -> bool {
    const WORDS: [&str; 8] = ["nan", "-nan", "na", "n/a", "null", "none", "<na>", "#n/a"];
    cell.is_empty() || WORDS.iter().any(|word| word.eq_ignore_ascii_case(cell))
}

/// A table: a header and rows of as many fields.
///
/// Rows and columns count from 0; lines, which people see, from 1.
#[derive(Clone, Debug)]
pub struct Table {
    path: PathBuf,
    text: String,
    encoding: Encoding,
    separator: u8,
    header_line: u64,
    header: Vec<String>,
    /// For each column, its place among the fields of a row.
    places: Vec<usize>,
    lines: Vec<u64>,
    /// All fields of all rows, quotes included; `width` of them a row.
    fields: Vec<Range<usize>>,
    width: usize,
    notes: Vec<String>,
}

impl Table {
    /// Reads a file.
    ///
    /// # Errors
    /// Those of the system, and all of [`Table::parse`].
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(path, &read_unpacked(path)?)
    }

    /// Reads a table from its bytes, gzip already unpacked. `path` is what errors call it.
    ///
    /// # Errors
    /// Named with file and row, all at once: text that is not Unicode, a quote that does not end, rows
    /// that are longer or shorter than the header; and a table without a header or rows.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let (text, encoding) = text::decode(path, bytes)?;
        // Excel's own way to name the separator.
        let named = ["sep=,", "sep=;", "sep=\t"]
            .iter()
            .find(|line| text.starts_with(**line));
        let separator = match named {
            Some(line) => line.as_bytes()[4],
            None => scan::separator(&text, is_comment),
        };
        let mut table = Self {
            path: path.into(),
            encoding,
            separator,
            header_line: 0,
            header: vec![],
            places: vec![],
            lines: vec![],
            fields: vec![],
            width: 0,
            notes: vec![],
            text,
        };
        table.scan(named.is_some())?;
        table.leave_out_unnamed_columns();
        Ok(table)
    }

    fn scan(&mut self, skip_first: bool) -> Result<()> {
        let mut scanner = scan::Scanner::new(&self.text, self.separator);
        let mut problems = Problems::default();
        let (mut blank, mut comments) = (vec![], vec![]);
        let mut fields = vec![];
        if skip_first {
            scanner.next(&mut vec![]);
        }
        loop {
            fields.clear();
            let Some(place) = scanner.next(&mut fields) else {
                break;
            };
            let line = place.line;
            if !place.is_closed {
                let problem =
                    "a quote (\") begins in this row and never ends; remove it, or double it";
                problems.push(Error::table(&self.path, line, problem));
                break;
            }
            let width = (!self.header.is_empty()).then_some(self.width);
            let is_empty = |field: &Range<usize>| self.text[field.clone()].trim().is_empty();
            if is_comment(&self.text[fields[0].clone()], fields.len(), width) {
                comments.push(line);
            } else if fields.iter().all(is_empty) {
                blank.push(line);
            } else if width.is_none() {
                self.width = fields.len();
                self.header_line = line;
                let name =
                    |field: &Range<usize>| scan::value(&self.text[field.clone()]).trim().to_owned();
                self.header = fields.iter().map(name).collect();
            } else if fields.len() < self.width || !fields[self.width..].iter().all(is_empty) {
                let problem = format!(
                    "{} fields, but the header has {}; the row is cut short or has a {} too many",
                    fields.len(),
                    self.width,
                    match self.separator {
                        b',' => "comma",
                        b';' => "semicolon",
                        _ => "tab",
                    }
                );
                problems.push(Error::table(&self.path, line, problem));
            } else {
                self.lines.push(line);
                self.fields.extend(fields.drain(..self.width));
            }
        }
        problems.check()?;
        if self.header.is_empty() {
            return Err(Error::Empty {
                path: self.path.clone(),
                what: "rows",
                hint: "a table begins with a header such as `index,a,b,c`".into(),
            });
        }
        self.places = (0..self.width).collect();
        // Blank rows at the end are what spreadsheets leave; none of them says anything.
        for (what, lines) in [("blank rows", blank), ("comments", comments)] {
            if !lines.is_empty() {
                let note = format!(
                    "{}: {} {what} left out, rows {}",
                    self.name(),
                    lines.len(),
                    shown(&lines)
                );
                self.notes.push(note);
            }
        }
        Ok(())
    }

    /// Columns without a name that say nothing: what separators at the end of rows make, and pandas's row numbers.
    fn leave_out_unnamed_columns(&mut self) {
        let mut left_out = BTreeSet::new();
        if self.is_empty() {
            return;
        }
        for column in 0..self.header.len() {
            if !is_unnamed(&self.header[column]) {
                continue;
            }
            let cells = || (0..self.len()).map(|row| self.cell(row, column));
            let counts_from = |first: usize| {
                cells()
                    .zip(first..)
                    .all(|(cell, at)| cell == at.to_string())
            };
            let counts = counts_from(0) || counts_from(1);
            if cells().all(|cell| cell.is_empty()) {
                left_out.insert(column);
            } else if (column > 0 && counts) || (column == 0 && self.second_holds_ids(counts)) {
                left_out.insert(column);
                self.notes.push(format!(
                    "{}: column {} has no name; it is left out",
                    self.name(),
                    column + 1
                ));
            }
        }
        if left_out.len() == self.header.len() {
            return;
        }
        let kept = |column: &usize| !left_out.contains(column);
        self.places.retain(kept);
        let header = std::mem::take(&mut self.header).into_iter().enumerate();
        self.header = header
            .filter(|(column, _)| kept(column))
            .map(|(_, name)| name)
            .collect();
    }

    /// Whether the second column is one of ids, so that the first, unnamed one is not: by its name, or where
    /// the first one `counts` the rows and no two cells of the second are equal.
    fn second_holds_ids(&self, counts: bool) -> bool {
        if self.header.len() < 3 {
            return false;
        }
        let cells: BTreeSet<_> = (0..self.len()).map(|row| self.cell(row, 1)).collect();
        names_ids(&self.header[1]) || (counts && self.len() > 2 && cells.len() == self.len())
    }

    /// What errors call the table.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of the columns.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The header's line.
    pub fn header_line(&self) -> u64 {
        self.header_line
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is a header alone.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The line of the file on which a row begins.
    pub fn line(&self, row: usize) -> u64 {
        self.lines[row]
    }

    /// A cell, without quotes and spaces around it.
    pub fn cell(&self, row: usize, column: usize) -> Cow<'_, str> {
        match scan::value(&self.text[self.place(row, column)]) {
            Cow::Borrowed(value) => value.trim().into(),
            Cow::Owned(value) => value.trim().to_owned().into(),
        }
    }

    /// Where a cell stands in [`text`](Self::text), quotes included.
    pub fn place(&self, row: usize, column: usize) -> Range<usize> {
        self.fields[row * self.width + self.places[column]].clone()
    }

    /// The whole text, without a mark before it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How the text was written.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// What a person should know of how the table was read, a line each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The column of that name.
    ///
    /// # Errors
    /// [`Error::MissingColumn`], with the names there are.
    pub fn column(&self, name: &str) -> Result<usize> {
        let missing = || Error::MissingColumn {
            path: self.path.clone(),
            column: name.into(),
            found: self.header.clone(),
        };
        place_of_name(&self.header, name).ok_or_else(missing)
    }

    /// The id column: the first where none is named.
    ///
    /// # Errors
    /// [`Error::MissingColumn`]; two columns of one name.
    pub fn id_column(&self, name: Option<&str>) -> Result<usize> {
        let mut problems = Problems::default();
        for (at, name) in self.header.iter().enumerate() {
            if !is_unnamed(name) && place_of_name(&self.header[..at], name).is_some() {
                let problem = format!("two columns are called `{name}`; rename one");
                problems.push(Error::table(&self.path, self.header_line, problem));
            }
        }
        problems.check()?;
        name.map_or(Ok(0), |name| self.column(name))
    }

    /// The number in a cell: `True` and `False` are 1 and 0; with semicolons or tabs a comma may stand before decimals.
    pub fn number(&self, cell: &str) -> Option<f32> {
        let number = match cell {
            _ if cell.eq_ignore_ascii_case("true") => 1.0,
            _ if cell.eq_ignore_ascii_case("false") => 0.0,
            _ if self.separator != b',' && cell.contains(',') && !cell.contains('.') => {
                cell.replacen(',', ".", 1).parse().ok()?
            }
            _ => cell.parse().ok()?,
        };
        f32::is_finite(number).then_some(number)
    }

    /// Name of the file, for notes.
    fn name(&self) -> Cow<'_, str> {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        name.to_string_lossy()
    }
}

/// Whether a record is a comment: it begins with `#` and has not the width of the table.
fn is_comment(first: &str, fields: usize, width: Option<usize>) -> bool {
    let is_other = match width {
        Some(width) => fields != width,
        None => fields == 1 || first.starts_with("# "),
    };
    first.starts_with('#') && is_other
}

/// What pandas writes for a column without a name, or calls it when it reads that.
fn is_unnamed(name: &str) -> bool {
    name.is_empty() || name.starts_with("Unnamed:")
}

/// Whether a column of this name is one of ids, beyond doubt.
fn names_ids(name: &str) -> bool {
    const NAMES: [&str; 24] = [
        "id",
        "ids",
        "index",
        "idx",
        "image",
        "images",
        "img",
        "image_id",
        "imageid",
        "image_name",
        "file",
        "files",
        "filename",
        "file_name",
        "filepath",
        "path",
        "name",
        "names",
        "picture",
        "pictures",
        "key",
        "uid",
        "uuid",
        "sample",
    ];
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The first few numbers, then how many there are more.
fn shown(lines: &[u64]) -> String {
    const FEW: usize = 10;
    let first: Vec<String> = lines.iter().take(FEW).map(u64::to_string).collect();
    match lines.len().saturating_sub(FEW) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
