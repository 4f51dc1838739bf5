//! Tables of probabilities: a row an image, a column a label.

mod csv;
mod npy;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use soup_data::{
    Error,
    files::write_packed,
    ids::{Fault, Index, Meeting, place_of_name},
    problems::Problems,
    tables::Cells,
};

use crate::{DecideError, Result, error::NAMED};

/// Probabilities from 0 to 1 (or answers, 0, 1 and NaN for unknown) for named images and labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    source: PathBuf,
    ids: Vec<String>,
    labels: Vec<String>,
    values: Vec<f32>,
    notes: Vec<String>,
}

impl Predictions {
    /// A table from its parts; `values` holds `ids.len() x labels.len()` probabilities row by row.
    /// `source` is the name that errors give to the table.
    ///
    /// # Errors
    /// A length that does not fit, a duplicate id or label, a value that is no probability. Rows
    /// are counted from 1 in the message.
    pub fn new(
        source: impl Into<PathBuf>,
        ids: Vec<String>,
        labels: Vec<String>,
        values: Vec<f32>,
    ) -> Result<Self> {
        let is_right = |value| (0.0..=1.0).contains(&value);
        Self::checked(
            source.into(),
            (ids, labels, values),
            Cells::Probabilities,
            is_right,
        )
    }

    /// True labels from their parts, as [`new`](Self::new): 0, 1 or, where nobody knows, NaN.
    ///
    /// # Errors
    /// As [`new`](Self::new); a value that is none of these.
    pub fn answers(
        source: impl Into<PathBuf>,
        ids: Vec<String>,
        labels: Vec<String>,
        values: Vec<f32>,
    ) -> Result<Self> {
        let is_right = |value: f32| value == 0.0 || value == 1.0 || value.is_nan();
        Self::checked(
            source.into(),
            (ids, labels, values),
            Cells::Labels,
            is_right,
        )
    }

    fn checked(
        source: PathBuf,
        (ids, labels, values): (Vec<String>, Vec<String>, Vec<f32>),
        cells: Cells,
        is_right: fn(f32) -> bool,
    ) -> Result<Self> {
        if labels.is_empty() {
            let hint = "the columns after the id must be the labels";
            return Err(Error::format(source, "there is no label column", hint).into());
        }
        for (at, label) in labels.iter().enumerate() {
            if labels[..at].contains(label) {
                let problem = format!("there are two columns `{label}`");
                return Err(Error::format(source, problem, "remove one of them").into());
            }
        }
        if ids.is_empty() {
            return Err(Error::Empty {
                path: source,
                what: "rows",
                hint: "a prediction file has one row an image".into(),
            }
            .into());
        }
        if values.len() != ids.len() * labels.len() {
            let problem = format!(
                "there are {} values for {} images and {} labels",
                values.len(),
                ids.len(),
                labels.len()
            );
            return Err(Error::format(source, problem, "predict again").into());
        }
        let mut problems = Problems::default();
        let mut seen = HashMap::with_capacity(ids.len());
        for (row, id) in ids.iter().enumerate() {
            if let Some(first) = seen.insert(id.as_str(), row) {
                problems.push(Error::DuplicateId {
                    path: source.clone(),
                    row: row as u64 + 1,
                    first: first as u64 + 1,
                    id: id.clone(),
                });
            }
        }
        let table = Self {
            source,
            ids,
            labels,
            values,
            notes: vec![],
        };
        problems.extend(table.wrong_cells(cells, is_right));
        problems.check()?;
        Ok(table)
    }

    /// An error for each cell that is not right; rows count from 1, as arrays have no header.
    fn wrong_cells(
        &self,
        cells: Cells,
        is_right: impl Fn(f32) -> bool,
    ) -> impl Iterator<Item = Error> {
        let columns = self.labels.len();
        let wrong = self
            .values
            .iter()
            .enumerate()
            .filter(move |(_, value)| !is_right(**value));
        wrong.map(move |(at, value)| Error::Cell {
            path: self.source.clone(),
            row: (at / columns) as u64 + 1,
            id: self.ids[at / columns].clone(),
            label: self.labels[at % columns].as_str().into(),
            value: value.to_string().into(),
            rule: cells.rule(&value.to_string()),
        })
    }

    /// Reads a table: `.npy` (float32 or float64 or uint8, images x labels, with the ids and label
    /// names beside it in `NAME.ids.json`), else CSV in submission shape (`id,label,label,...`) as
    /// [`Table`](soup_data::tables::Table) takes it.
    ///
    /// # Errors
    /// Names the file and all rows and columns at fault.
    pub fn read(path: &Path) -> Result<Self> {
        if is_npy(path) {
            let (names, values) = npy::read(path)?;
            Self::new(path, names.ids, names.labels, values)
        } else {
            csv::read(path)
        }
    }

    /// Reads a table of true labels, in the formats of [`read`](Self::read), or with a column of tags: every cell must be
    /// 0 or 1; what is unknown (-1 in a CSV, NaN in an array) is NaN.
    ///
    /// # Errors
    /// As [`read`](Self::read); a cell that is none of these, with its file and row.
    pub fn read_answers(path: &Path) -> Result<Self> {
        match is_npy(path) {
            true => {
                let (names, values) = npy::read(path)?;
                Self::answers(path, names.ids, names.labels, values)
            }
            false => csv::read_answers(path),
        }
    }

    /// Writes a table where [`read`](Self::read) finds it again: `.npy` with its `NAME.ids.json`,
    /// else CSV (gzipped where the name ends in `.gz`). Both files appear whole or not at all.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, path: &Path) -> Result<()> {
        if is_npy(path) {
            npy::write(self, path)
        } else {
            Ok(write_packed(path, self.to_csv().as_bytes())?)
        }
    }

    /// The table as [`write`](Self::write) puts it into a `.csv`.
    pub fn to_csv(&self) -> String {
        csv::text(self)
    }

    /// The name that errors give to the table, mostly the path it was read from.
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// What a person should know of how the table was read and matched with others, a line each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    pub(crate) fn with_notes(self, notes: Vec<String>) -> Self {
        Self { notes, ..self }
    }

    /// The images, in the order of the rows.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The labels, in the order of the columns.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// All probabilities, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The probabilities of the image in this row, one a label.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.labels.len()..][..self.labels.len()]
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no image; never true for a table that was read or made.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The same predictions with rows and columns in the order of `ids` and `labels`, which
    /// `reference` holds. Rows and columns are found by name.
    ///
    /// # Errors
    /// A label or id that is missing, or one that `reference` does not know.
    pub fn arranged(&self, ids: &[String], labels: &[String], reference: &Path) -> Result<Self> {
        let (arranged, met) = self.gathered(ids, labels, reference)?;
        let extra = met.unmet(self.len());
        if !extra.is_empty() {
            return Err(DecideError::ExtraIds {
                path: self.source.clone(),
                reference: reference.to_path_buf(),
                count: extra.len(),
                examples: (extra.iter().take(NAMED))
                    .map(|row| self.ids[*row].clone())
                    .collect(),
            });
        }
        Ok(arranged)
    }

    /// As [`arranged`](Self::arranged), but from a larger table: the answers to the images that
    /// `reference` predicts. Images that are not asked for are left out without complaint.
    ///
    /// # Errors
    /// Label columns that differ, an id that is not here; the fault is put on `reference`.
    pub fn selected(&self, ids: &[String], labels: &[String], reference: &Path) -> Result<Self> {
        self.gathered(ids, labels, reference)
            .map(|(selected, _)| selected)
            .map_err(|error| match error {
                DecideError::MissingIds {
                    path,
                    reference,
                    count,
                    examples,
                } => DecideError::ExtraIds {
                    path: reference,
                    reference: path,
                    count,
                    examples,
                },
                DecideError::Labels {
                    path,
                    reference,
                    missing,
                    extra,
                } => DecideError::Labels {
                    path: reference,
                    reference: path,
                    missing: extra,
                    extra: missing,
                },
                other => other,
            })
    }

    /// The rows of `ids`, which meet ours by the rule of [`soup_data::ids`].
    fn gathered(
        &self,
        ids: &[String],
        labels: &[String],
        reference: &Path,
    ) -> Result<(Self, Meeting)> {
        let columns = self.columns(labels, reference)?;
        let met = Index::new(self.ids.iter().map(String::as_str)).meet(ids);
        self.refuse_doubts(ids, &met, reference)?;
        let missing = (ids.iter().zip(&met.rows)).filter(|(_, row)| row.is_none());
        let missing: Vec<&String> = missing.map(|(id, _)| id).collect();
        if !missing.is_empty() {
            return Err(DecideError::MissingIds {
                path: self.source.clone(),
                reference: reference.to_path_buf(),
                count: missing.len(),
                examples: missing.into_iter().take(NAMED).cloned().collect(),
            });
        }
        let mut values = Vec::with_capacity(ids.len() * labels.len());
        for row in met.rows.iter().flatten() {
            let row = self.row(*row);
            values.extend(columns.iter().map(|column| row[*column]));
        }
        let name = reference.file_name().unwrap_or(reference.as_os_str());
        let note = met.note(&name.to_string_lossy());
        let gathered = Self {
            source: self.source.clone(),
            ids: ids.to_vec(),
            labels: labels.to_vec(),
            values,
            notes: self.notes.iter().cloned().chain(note).collect(),
        };
        Ok((gathered, met))
    }

    fn refuse_doubts(&self, ids: &[String], met: &Meeting, reference: &Path) -> Result<()> {
        let doubts = met.faults.iter().filter_map(|fault| {
            let problem = match *fault {
                Fault::Missing { .. } => return None,
                Fault::Several {
                    asked,
                    rows: [one, other],
                } => format!(
                    "`{}` may mean `{}` or `{}` of {}",
                    ids[asked],
                    self.ids[one],
                    self.ids[other],
                    self.source.display()
                ),
                Fault::Twice {
                    asked: [one, other],
                    row,
                } => format!(
                    "`{}` and `{}` both mean `{}` of {}",
                    ids[one],
                    ids[other],
                    self.ids[row],
                    self.source.display()
                ),
            };
            Some(Error::OtherData {
                path: reference.to_path_buf(),
                problem,
                hint: "write the ids alike in both files".into(),
            })
        });
        let mut problems = Problems::default();
        problems.extend(doubts);
        Ok(problems.check()?)
    }

    /// For each of `labels`, its column here.
    fn columns(&self, labels: &[String], reference: &Path) -> Result<Vec<usize>> {
        let lacking = |names: &[String], of: &[String]| -> Vec<String> {
            let lacks = of
                .iter()
                .filter(|name| place_of_name(names, name).is_none());
            lacks.cloned().collect()
        };
        let missing = lacking(&self.labels, labels);
        let extra = lacking(labels, &self.labels);
        if !missing.is_empty() || !extra.is_empty() {
            return Err(DecideError::Labels {
                path: self.source.clone(),
                reference: reference.to_path_buf(),
                missing,
                extra,
            });
        }
        Ok(labels
            .iter()
            .filter_map(|label| place_of_name(&self.labels, label))
            .collect())
    }
}

fn is_npy(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("npy"))
}
