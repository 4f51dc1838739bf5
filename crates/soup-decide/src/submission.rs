//! Submission files: the given sample with its cells filled in, and nothing else changed.

use std::ops::Range;
use std::path::{Path, PathBuf};

use soup_data::Error;

use crate::predictions::read_bytes;
use crate::{Predictions, Result, Thresholds, write_atomically};

/// A `sample_submission.csv`: which pictures and labels are asked for, in which order, and every
/// byte around them (the ids as written, line ends, the end of the last line).
#[derive(Clone, Debug)]
pub struct Template {
    path: PathBuf,
    text: String,
    labels: Vec<String>,
    ids: Vec<String>,
    /// For each picture, where its cells stand in the text, without the line end.
    cells: Vec<Range<usize>>,
}

impl Template {
    /// Reads a sample submission, gzipped or not.
    ///
    /// # Errors
    /// Names the file and the row at fault: no header, no rows, another number of fields, an empty
    /// or duplicate id.
    pub fn read(path: &Path) -> Result<Self> {
        let text = String::from_utf8(read_bytes(path)?).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let row = 1 + before.iter().filter(|byte| **byte == b'\n').count() as u64;
            Error::table(path, row, "the text is not UTF-8")
        })?;
        Self::parse(path, text)
    }

    /// Reads a sample submission from text; `path` is what errors call it.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(path: impl Into<PathBuf>, text: String) -> Result<Self> {
        let path = path.into();
        let mut template = Self {
            labels: Vec::new(),
            ids: Vec::new(),
            cells: Vec::new(),
            path: path.clone(),
            text: String::new(),
        };
        let mut start = 0;
        for (at, line) in text.split_inclusive('\n').enumerate() {
            let row = at as u64 + 1;
            let content = line.trim_end_matches(['\n', '\r']);
            let mut names = fields(content)
                .map(|field| &content[field])
                .map(unquoted)
                .collect::<Vec<_>>()
                .into_iter();
            if row == 1 {
                template.labels = names.skip(1).collect();
            } else if !content.is_empty() {
                if names.len() != template.labels.len() + 1 {
                    let problem = format!(
                        "there are {} fields, but the header has {}",
                        names.len(),
                        template.labels.len() + 1
                    );
                    return Err(Error::table(path, row, problem).into());
                }
                let id = names.next().filter(|id| !id.is_empty());
                let id = id.ok_or_else(|| Error::table(&path, row, "the id is empty"))?;
                template.ids.push(id);
                let first_cell = fields(content)
                    .nth(1)
                    .map_or(content.len(), |field| field.start);
                template
                    .cells
                    .push(start + first_cell..start + content.len());
            } else if start + line.len() < text.len() {
                return Err(Error::table(path, row, "the line is empty").into());
            }
            start += line.len();
        }
        // Reuses the checks of a table: no label, no row, a name twice.
        let zeros = vec![0.0; template.ids.len() * template.labels.len()];
        let lines: Vec<u64> = (2..).take(template.ids.len()).collect();
        let rows = crate::predictions::RowNumbers {
            lines: Some(&lines),
        };
        let (ids, labels) = (template.ids.clone(), template.labels.clone());
        Predictions::checked(path, ids, labels, zeros, rows)?;
        template.text = text;
        Ok(template)
    }

    /// The pictures asked for, in the order of the rows.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The labels asked for, in the order of the columns.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The text of the submission: every cell is the answer, 0 or 1, all else is the sample's.
    ///
    /// # Errors
    /// A prediction that is missing or that the sample does not ask for, other labels, a threshold
    /// for an unknown label.
    pub fn fill(&self, predictions: &Predictions, thresholds: &Thresholds) -> Result<String> {
        let thresholds = thresholds.in_order(&self.labels)?;
        let arranged = predictions.arranged(&self.ids, &self.labels, &self.path)?;
        let mut text = String::with_capacity(self.text.len());
        let mut copied = 0;
        for (row, cells) in self.cells.iter().enumerate() {
            text.push_str(&self.text[copied..cells.start]);
            for (column, (value, threshold)) in
                arranged.row(row).iter().zip(&thresholds).enumerate()
            {
                if column > 0 {
                    text.push(',');
                }
                text.push(if value > threshold { '1' } else { '0' });
            }
            copied = cells.end;
        }
        text.push_str(&self.text[copied..]);
        Ok(text)
    }

    /// Writes the submission; the file appears whole or not at all.
    ///
    /// # Errors
    /// As [`fill`](Self::fill), and what the system says.
    pub fn write(
        &self,
        predictions: &Predictions,
        thresholds: &Thresholds,
        path: &Path,
    ) -> Result<()> {
        write_atomically(path, self.fill(predictions, thresholds)?.as_bytes())
    }
}

/// Where the fields of a line stand; a comma between quotes parts nothing.
fn fields(line: &str) -> impl Iterator<Item = Range<usize>> {
    let mut quoted = false;
    let mut start = 0;
    let ends = line.bytes().enumerate().filter_map(move |(at, byte)| {
        quoted ^= byte == b'"';
        (byte == b',' && !quoted).then_some(at)
    });
    ends.chain([line.len()]).map(move |end| {
        let field = start..end;
        start = end + 1;
        field
    })
}

/// The value of a field, without quotes and space around it.
fn unquoted(field: &str) -> String {
    let field = field.trim();
    match field
        .strip_prefix('"')
        .and_then(|field| field.strip_suffix('"'))
    {
        Some(inner) => inner.replace("\"\"", "\""),
        None => field.to_owned(),
    }
}
