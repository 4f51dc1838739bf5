//! Submission files: the given sample with its cells filled in, and nothing else changed.

use std::ops::Range;
use std::path::{Path, PathBuf};

use soup_data::files::read_unpacked;
use soup_data::tables::{Cells, Columns, Encoding, Table};

use crate::{Predictions, Result, Thresholds};

/// A `sample_submission.csv`: which images and labels are asked for, in which order, and every
/// byte around them (the ids as written, separators, line ends, the end of the last line).
#[derive(Clone, Debug)]
pub struct Template {
    path: PathBuf,
    text: String,
    encoding: Encoding,
    labels: Vec<String>,
    ids: Vec<String>,
    /// Where each cell stands in the text, row by row.
    cells: Vec<Range<usize>>,
    notes: Vec<String>,
}

impl Template {
    /// Reads a sample submission, gzipped or not.
    ///
    /// # Errors
    /// Names the file and all rows at fault: no header, no rows, another number of fields, an empty
    /// or duplicate id.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(path, read_unpacked(path)?)
    }

    /// Reads a sample submission from its bytes, gzip already unpacked; `path` is what errors call it.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Result<Self> {
        let path = path.as_ref();
        let table = Table::parse(path, bytes.as_ref())?;
        let read = table.matrix(&Columns::default(), Cells::Any)?;
        let cells = (0..table.len())
            .flat_map(|row| read.columns.iter().map(move |column| (row, *column)))
            .map(|(row, column)| table.place(row, column));
        Ok(Self {
            path: path.to_path_buf(),
            cells: cells.collect(),
            text: table.text().to_owned(),
            encoding: table.encoding(),
            labels: read.names,
            ids: read.ids,
            notes: table.notes().to_vec(),
        })
    }

    /// The images asked for, in the order of the rows.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The labels asked for, in the order of the columns.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// What a person should know of how the sample was read, a line each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The predictions of the images and labels asked for, in their order.
    ///
    /// # Errors
    /// A prediction that is missing or that the sample does not ask for, other labels.
    pub fn arrange(&self, predictions: &Predictions) -> Result<Predictions> {
        predictions.arranged(&self.ids, &self.labels, &self.path)
    }

    /// The submission, in the sample's own encoding: every cell is the answer, 0 or 1, all else is the
    /// sample's.
    ///
    /// # Errors
    /// Those of [`arrange`](Self::arrange), a threshold for an unknown label.
    pub fn fill(&self, predictions: &Predictions, thresholds: &Thresholds) -> Result<Vec<u8>> {
        let thresholds = thresholds.in_order(&self.labels)?;
        let arranged = self.arrange(predictions)?;
        let mut text = String::with_capacity(self.text.len());
        let mut copied = 0;
        let limits = thresholds.iter().cycle();
        for ((cell, value), threshold) in self.cells.iter().zip(arranged.values()).zip(limits) {
            text.push_str(&self.text[copied..cell.start]);
            text.push(if value > threshold { '1' } else { '0' });
            copied = cell.end;
        }
        text.push_str(&self.text[copied..]);
        Ok(self.encoding.bytes_of(&text))
    }
}
