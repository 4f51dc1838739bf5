//! Submission files: the given sample with its cells filled in, and nothing else changed.

use std::ops::Range;
use std::path::{Path, PathBuf};

use soup_data::Error;
use soup_data::dataset::{Separator, tags_of_sample};
use soup_data::files::read_unpacked;
use soup_data::ids::are_same_names;
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
    /// What parts the tags of a cell, where there is one column of them and not one a label.
    tags: Option<&'static str>,
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
        let tags = match tags_of_sample(&table)? {
            None => None,
            Some((_, Separator::Space | Separator::None)) => Some(" "),
            Some((_, Separator::Comma)) => Some(","),
            Some((_, Separator::Semicolon)) => Some(";"),
            Some((_, Separator::Pipe)) => Some("|"),
            Some((_, Separator::List)) => {
                let hint = "give a sample whose tags are parted by spaces, commas, ; or |";
                return Err(Error::format(path, "its cells are lists of tags", hint).into());
            }
        };
        let cells = (0..table.len())
            .flat_map(|row| read.columns.iter().map(move |column| (row, *column)))
            .map(|(row, column)| table.place(row, column));
        Ok(Self {
            path: path.to_path_buf(),
            cells: cells.collect(),
            text: table.text().to_owned(),
            encoding: table.encoding(),
            labels: read.names,
            tags,
            ids: read.ids,
            notes: table.notes().to_vec(),
        })
    }

    /// The images asked for, in the order of the rows.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The labels asked for, in the order of the columns; the column's name, where the sample has one of tags.
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
        let labels = match self.separator_for(predictions) {
            Some(_) => predictions.labels(),
            None => &self.labels,
        };
        predictions.arranged(&self.ids, labels, &self.path)
    }

    /// The submission, in the sample's own encoding: every cell is the answer, 0 or 1, or the tags that are there, all
    /// else is the sample's.
    ///
    /// # Errors
    /// Those of [`arrange`](Self::arrange), a threshold for an unknown label, a label that holds what parts tags.
    pub fn fill(&self, predictions: &Predictions, thresholds: &Thresholds) -> Result<Vec<u8>> {
        if let Some(separator) = self.separator_for(predictions) {
            return self.fill_tags(predictions, thresholds, separator);
        }
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

    /// What parts tags, unless the predictions are of a label with the column's own name.
    fn separator_for(&self, predictions: &Predictions) -> Option<&'static str> {
        self.tags
            .filter(|_| !are_same_names(&self.labels, predictions.labels()))
    }

    fn fill_tags(
        &self,
        predictions: &Predictions,
        thresholds: &Thresholds,
        separator: &str,
    ) -> Result<Vec<u8>> {
        let labels = predictions.labels();
        if let Some(label) = labels.iter().find(|label| label.contains(separator)) {
            return Err(Error::format(
                &self.path,
                format!("its tags are parted by `{separator}`, which the label `{label}` holds"),
                "give a sample whose cells show what else parts them",
            )
            .into());
        }
        let thresholds = thresholds.in_order(labels)?;
        let arranged = self.arrange(predictions)?;
        let mut text = String::with_capacity(self.text.len());
        let mut copied = 0;
        let rows = arranged.values().chunks_exact(labels.len());
        for (cell, row) in self.cells.iter().zip(rows) {
            let limits = thresholds.iter().cycle();
            let there = (row.iter().zip(limits).zip(labels))
                .filter(|((value, threshold), _)| value > threshold)
                .map(|(_, label)| label.as_str());
            let tags = there.collect::<Vec<_>>().join(separator);
            text.push_str(&self.text[copied..cell.start]);
            match tags.contains([',', ';', '\t', '"', '\n', '\r']) {
                true => text.push_str(&format!("\"{}\"", tags.replace('"', "\"\""))),
                false => text.push_str(&tags),
            }
            copied = cell.end;
        }
        text.push_str(&self.text[copied..]);
        Ok(self.encoding.bytes_of(&text))
    }
}
