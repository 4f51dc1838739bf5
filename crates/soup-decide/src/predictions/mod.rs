//! Tables of probabilities: a row a picture, a column a label.

mod csv;
mod npy;
mod out_of_fold;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use soup_data::Error;

use crate::error::NAMED;
use crate::ids::IdIndex;
use crate::{DecideError, Result};

pub(crate) use csv::read_bytes;

/// Probabilities from 0 to 1 (or answers, 0 and 1) for named pictures and labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    source: PathBuf,
    ids: Vec<String>,
    labels: Vec<String>,
    values: Vec<f32>,
}

/// What the cells of a CSV file may hold.
#[derive(Clone, Copy, PartialEq)]
enum Cells {
    /// Numbers from 0 to 1.
    Probabilities,
    /// 0 or 1.
    Answers,
}

/// Where in its file a row of the array stands: ids and probabilities of row `i` are reported as
/// `first + i`.
#[derive(Clone, Copy)]
pub(crate) struct RowNumbers<'a> {
    pub(crate) lines: Option<&'a [u64]>,
}

impl RowNumbers<'_> {
    fn of(self, row: usize) -> u64 {
        self.lines.map_or(row as u64 + 1, |lines| lines[row])
    }
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
        Self::checked(
            source.into(),
            ids,
            labels,
            values,
            RowNumbers { lines: None },
        )
    }

    pub(crate) fn checked(
        source: PathBuf,
        ids: Vec<String>,
        labels: Vec<String>,
        values: Vec<f32>,
        rows: RowNumbers<'_>,
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
                hint: "a prediction file has one row a picture".into(),
            }
            .into());
        }
        if values.len() != ids.len() * labels.len() {
            let problem = format!(
                "there are {} values for {} pictures and {} labels",
                values.len(),
                ids.len(),
                labels.len()
            );
            return Err(Error::format(source, problem, "predict again").into());
        }
        let mut seen = HashMap::with_capacity(ids.len());
        for (row, id) in ids.iter().enumerate() {
            if let Some(first) = seen.insert(id.as_str(), row) {
                return Err(Error::DuplicateId {
                    path: source.clone(),
                    row: rows.of(row),
                    first: rows.of(first),
                    id: id.clone(),
                }
                .into());
            }
        }
        if let Some(at) = values.iter().position(|value| !(0.0..=1.0).contains(value)) {
            let (row, column) = (at / labels.len(), at % labels.len());
            return Err(DecideError::NotAProbability {
                row: rows.of(row),
                id: ids[row].clone(),
                label: labels[column].clone(),
                value: values[at].to_string(),
                path: source,
            });
        }
        Ok(Self {
            source,
            ids,
            labels,
            values,
        })
    }

    /// Reads a table: `.npy` (float32 or float64 or uint8, pictures x labels, with the ids and label
    /// names beside it in `NAME.ids.json`), else CSV in submission shape (`id,label,label,...`),
    /// gzipped or not, with either line end.
    ///
    /// # Errors
    /// Names the file and, where there is one, the row and column at fault.
    pub fn read(path: &Path) -> Result<Self> {
        if is_npy(path) {
            npy::read(path)
        } else {
            csv::read(path, Cells::Probabilities)
        }
    }

    /// Reads a table of true labels, in the formats of [`read`](Self::read): every cell must be 0
    /// or 1.
    ///
    /// # Errors
    /// As [`read`](Self::read); a cell that is neither 0 nor 1, with its file and row.
    pub fn read_answers(path: &Path) -> Result<Self> {
        let table = if is_npy(path) {
            npy::read(path)?
        } else {
            csv::read(path, Cells::Answers)?
        };
        let columns = table.labels.len();
        let wrong = table
            .values
            .iter()
            .position(|value| *value != 0.0 && *value != 1.0);
        match wrong {
            None => Ok(table),
            Some(cell) => Err(Error::Label {
                path: path.to_path_buf(),
                row: (cell / columns) as u64 + 1,
                id: table.ids[cell / columns].clone(),
                label: table.labels[cell % columns].clone(),
                value: table.values[cell].to_string(),
            }
            .into()),
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
            csv::write(self, path)
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

    /// The pictures, in the order of the rows.
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

    /// The probabilities of the picture in this row, one a label.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.labels.len()..][..self.labels.len()]
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no picture; never true for a table that was read or made.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The same predictions with rows and columns in the order of `ids` and `labels`, which
    /// `reference` holds. Rows and columns are found by name.
    ///
    /// # Errors
    /// A label or id that is missing, or one that `reference` does not know.
    pub fn arranged(&self, ids: &[String], labels: &[String], reference: &Path) -> Result<Self> {
        let arranged = self.gathered(ids, labels, reference)?;
        if self.len() > ids.len() {
            let index = IdIndex::new(ids);
            let extra = |id: &&String| index.row(id).is_none();
            return Err(DecideError::ExtraIds {
                path: self.source.clone(),
                reference: reference.to_path_buf(),
                count: self.len() - ids.len(),
                examples: self.ids.iter().filter(extra).take(NAMED).cloned().collect(),
            });
        }
        Ok(arranged)
    }

    /// As [`arranged`](Self::arranged), but from a larger table: the answers to the pictures that
    /// `reference` predicts. Pictures that are not asked for are left out without complaint.
    ///
    /// # Errors
    /// Label columns that differ, an id that is not here; the fault is put on `reference`.
    pub fn selected(&self, ids: &[String], labels: &[String], reference: &Path) -> Result<Self> {
        self.gathered(ids, labels, reference)
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

    fn gathered(&self, ids: &[String], labels: &[String], reference: &Path) -> Result<Self> {
        let columns = self.columns(labels, reference)?;
        let index = IdIndex::new(&self.ids);
        let found: Vec<_> = ids.iter().map(|id| index.row(id)).collect();
        let missing: Vec<_> = (ids.iter().zip(&found))
            .filter_map(|(id, row)| row.is_none().then_some(id))
            .collect();
        if !missing.is_empty() {
            return Err(DecideError::MissingIds {
                path: self.source.clone(),
                reference: reference.to_path_buf(),
                count: missing.len(),
                examples: missing.into_iter().take(NAMED).cloned().collect(),
            });
        }
        let mut values = Vec::with_capacity(ids.len() * labels.len());
        let mut first_use = vec![None; self.len()];
        for (at, row) in found.into_iter().flatten().enumerate() {
            if let Some(first) = first_use[row].replace(at) {
                return Err(Error::DuplicateId {
                    path: reference.to_path_buf(),
                    row: at as u64 + 2,
                    first: first as u64 + 2,
                    id: ids[at].clone(),
                }
                .into());
            }
            let row = self.row(row);
            values.extend(columns.iter().map(|column| row[*column]));
        }
        Ok(Self {
            source: self.source.clone(),
            ids: ids.to_vec(),
            labels: labels.to_vec(),
            values,
        })
    }

    /// For each of `labels`, its column here.
    fn columns(&self, labels: &[String], reference: &Path) -> Result<Vec<usize>> {
        let lacking = |names: &[String], of: &[String]| -> Vec<String> {
            let lacks = of.iter().filter(|name| !names.contains(name));
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
            .filter_map(|label| self.labels.iter().position(|own| own == label))
            .collect())
    }
}

fn is_npy(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("npy"))
}
