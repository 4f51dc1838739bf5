//! The probabilities of every image by the fold that never saw it.

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use soup_data::{
    dataset::{LabelTable, UNKNOWN, target},
    folds::Folds,
};
use soup_decide::{
    DecideError, Predictions,
    metrics::{Evaluation, ScoredPredictions},
    views::Views,
};

use super::{OwnedData, TrainData, sources};
use crate::{
    Error, npy,
    runs::{RunDirectory, files},
};

/// Out-of-fold probabilities as training leaves them.
const OUT_OF_FOLD: &str = "oof";
/// The true labels of all images.
const TRUTH: &str = "labels.json";
/// Out-of-fold probabilities with the views that `soup tta` kept.
pub(crate) const WITH_VIEWS: &str = "tta";
/// The views themselves.
pub(crate) const VIEWS_FILE: &str = "tta.json";

/// Names of rows and columns of `oof.npy`.
#[derive(Serialize, Deserialize)]
struct Names {
    ids: Vec<String>,
    labels: Vec<String>,
}

/// What the labels of each image are, so that a run can be scored without its data.
#[derive(Serialize, Deserialize)]
struct Truth {
    ids: Vec<String>,
    labels: Vec<String>,
    /// A row an image, one `0`, `1` or, where nobody knows, `?` a label.
    rows: Vec<String>,
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = files::read_text(path)?.unwrap_or_default();
    serde_json::from_str(&text).map_err(|error| Error::format(path, error.to_string()))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let bytes =
        serde_json::to_vec(value).map_err(|error| Error::format(path, error.to_string()))?;
    files::write_bytes(path, &bytes)
}

/// The out-of-fold probabilities of a run beside the true labels: a row an image of its data, a
/// column a label.
#[derive(Clone, Debug, PartialEq)]
pub struct OutOfFold {
    /// The run's `oof.npy`.
    pub path: PathBuf,
    /// Where the labels come from: the run's data.
    pub labels_of: PathBuf,
    /// A name of each row.
    pub ids: Vec<String>,
    /// A name of each column.
    pub label_names: Vec<String>,
    /// The fold that holds each row out; `u32::MAX` where none does.
    pub folds: Vec<u32>,
    /// Rows are NaN where the fold that holds them out is not trained yet, or that was not predicted.
    pub probabilities: Vec<f32>,
    /// 0, 1 or, where nobody knows, NaN.
    pub targets: Vec<f32>,
}

impl OutOfFold {
    /// The predictions of the images that the folds held out, and the true labels of all images.
    ///
    /// # Errors
    /// As [`Predictions::new`].
    pub fn tables(&self) -> Result<(Predictions, Predictions), DecideError> {
        let columns = self.label_names.len();
        let (mut ids, mut values) = (Vec::new(), Vec::new());
        for row in self.held_out() {
            ids.push(self.ids[row].clone());
            values.extend_from_slice(&self.probabilities[row * columns..][..columns]);
        }
        let labels = || self.label_names.clone();
        let truth = Predictions::answers(
            &self.labels_of,
            self.ids.clone(),
            labels(),
            self.targets.clone(),
        )?;
        Ok((Predictions::new(&self.path, ids, labels(), values)?, truth))
    }

    /// Reads those of a run, and the labels of the data that its settings name.
    ///
    /// # Errors
    /// [`Error::Format`] where the folder holds no run or no fold of it is trained,
    /// [`Error::Mismatch`] where the data are not those of the run any more, and whatever is wrong
    /// with the data.
    pub fn read(run: &Path, stop: &AtomicBool) -> Result<Self, Error> {
        let run = RunDirectory::at(run);
        // Where it is no run at all, that is what to say.
        run.config()?;
        if !run.file("oof.npy").is_file() {
            return Err(Error::format(
                run.root(),
                "no fold of this run is trained yet (no oof.npy); soup train goes on with it",
            ));
        }
        Self::read_named(&run, OUT_OF_FOLD, stop)
    }

    /// Reads what [`HeldOut::write`](crate::held_out::HeldOut::write) wrote, and the views of it; none
    /// where nothing was written.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_with_views(run: &Path, stop: &AtomicBool) -> Result<Option<(Self, Views)>, Error> {
        let run = RunDirectory::at(run);
        let Some(views) = Self::views(&run)? else {
            return Ok(None);
        };
        Ok(Some((Self::read_named(&run, WITH_VIEWS, stop)?, views)))
    }

    /// The views that `soup tta` kept for a run; none where it kept none.
    ///
    /// # Errors
    /// [`Error::Format`] for a damaged file, [`Error::File`].
    pub fn views(run: &RunDirectory) -> Result<Option<Views>, Error> {
        let path = run.file(VIEWS_FILE);
        let Some(text) = files::read_text(&path)? else {
            return Ok(None);
        };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| Error::format(&path, format!("not a list of views: {error}")))
    }

    fn read_named(run: &RunDirectory, name: &str, stop: &AtomicBool) -> Result<Self, Error> {
        let config = run.config()?.check()?;
        let path = run.file(&format!("{name}.npy"));
        let names_path = run.file(&format!("{name}.ids.json"));
        let names: Names = read_json(&names_path)?;
        let (probabilities, columns) = npy::read(&path)?;
        if columns != names.labels.len() || probabilities.len() != names.ids.len() * columns {
            return Err(Error::format(
                &path,
                format!(
                    "its size does not fit {name}.ids.json beside it; make both anew with soup {}",
                    if name == OUT_OF_FOLD { "train" } else { "tta" }
                ),
            ));
        }
        let (labels_of, table) = match table_of(run)? {
            Some(table) => (run.file(TRUTH), table),
            None if config.data.only_composed() => {
                let owned = OwnedData::composed(&config)?;
                (path.clone(), owned.borrow().table(stop)?)
            }
            None => {
                let pack = sources::kept_pack(&config, run)?;
                (pack.path().to_owned(), sources::images(&config, pack)?.1)
            }
        };
        let folds = match config.data.only_composed() {
            true => vec![0; table.len()],
            false => {
                let folds = Folds::load(&run.file("folds.json"), &table)?;
                let none = |fold: &u32| if *fold < folds.k() { *fold } else { u32::MAX };
                folds.of_rows().iter().map(none).collect()
            }
        };
        let (ids, label_names) = (table.ids().to_vec(), table.label_names().to_vec());
        let cells = (0..table.len()).filter_map(|row| table.labels(row));
        let targets = cells.flatten().map(|cell| target(*cell)).collect();
        if (&ids, &label_names) != (&names.ids, &names.labels) {
            return Err(Error::mismatch(format!(
                "{} holds other ids or labels than {}, which the run was trained on",
                labels_of.display(),
                names_path.display()
            )));
        }
        Ok(Self {
            path,
            labels_of,
            ids,
            label_names,
            folds,
            probabilities,
            targets,
        })
    }

    /// Places of the rows that have probabilities.
    pub fn held_out(&self) -> Vec<usize> {
        (self.probabilities.chunks_exact(self.label_names.len()))
            .enumerate()
            .filter_map(|(row, values)| (!values[0].is_nan()).then_some(row))
            .collect()
    }
}

/// The ids and labels that a run was trained on, by its own word; none where no fold is trained yet, or an older program
/// wrote it.
pub(super) fn table_of(run: &RunDirectory) -> Result<Option<LabelTable>, Error> {
    let path = run.file(TRUTH);
    if !path.exists() {
        return Ok(None);
    }
    let truth: Truth = read_json(&path)?;
    let whole = truth.rows.len() == truth.ids.len()
        && (truth.rows.iter()).all(|row| {
            row.len() == truth.labels.len()
                && row.bytes().all(|cell| matches!(cell, b'0' | b'1' | b'?'))
        });
    if !whole {
        let problem = "its labels do not fit its ids; delete it, and soup train makes it anew";
        return Err(Error::format(&path, problem));
    }
    let cells = truth.rows.iter().flat_map(|row| row.bytes());
    let cell = |cell: u8| match cell {
        b'?' => UNKNOWN,
        cell => u8::from(cell == b'1'),
    };
    let cells = cells.map(cell).collect();
    Ok(Some(LabelTable::new(truth.ids, truth.labels, cells)))
}

fn write_table(run: &RunDirectory, table: &LabelTable) -> Result<(), Error> {
    let rows = (0..table.len()).filter_map(|row| table.labels(row));
    let letter = |cell: &u8| match *cell {
        UNKNOWN => '?',
        cell => char::from(b'0' + cell),
    };
    let text = |row: &[u8]| row.iter().map(letter).collect();
    let truth = Truth {
        ids: table.ids().to_vec(),
        labels: table.label_names().to_vec(),
        rows: rows.map(text).collect(),
    };
    write_json(&run.file(TRUTH), &truth)
}

/// Writes probabilities (images x labels) with the names of rows and columns beside them; the
/// run's lock must be held.
pub(crate) fn write_named(
    run: &RunDirectory,
    name: &str,
    values: &[f32],
    ids: &[String],
    labels: &[String],
) -> Result<(), Error> {
    npy::write(&run.file(&format!("{name}.npy")), values, labels.len())?;
    let (ids, labels) = (ids.to_vec(), labels.to_vec());
    write_json(
        &run.file(&format!("{name}.ids.json")),
        &Names { ids, labels },
    )
}

/// Makes `labels.json`, `oof.npy` and `oof.ids.json` anew from what the folds have: a row an image of the data,
/// NaN where its fold is not trained yet.
pub(super) fn assemble(
    run: &RunDirectory,
    data: &TrainData<'_>,
    table: &LabelTable,
) -> Result<(), Error> {
    let _lock = run.lock()?;
    let values = collect(run, data)?;
    write_table(run, table)?;
    write_named(run, OUT_OF_FOLD, &values, data.ids, data.label_names)
}

fn collect(run: &RunDirectory, data: &TrainData<'_>) -> Result<Vec<f32>, Error> {
    let labels = data.label_names.len();
    let mut values = vec![f32::NAN; data.ids.len() * labels];
    for (fold, rows) in data.held_out_rows.iter().enumerate() {
        let path = run.fold(fold).file("valid.npy");
        if !path.exists() {
            continue;
        }
        let (found, columns) = npy::read(&path)?;
        if columns != labels || found.len() != rows.len() * labels {
            return Err(Error::format(
                &path,
                format!(
                    "{} probabilities of {columns} labels for {} images of {labels} labels: it \
                     belongs to other data",
                    found.len(),
                    rows.len()
                ),
            ));
        }
        for (row, found) in rows.iter().zip(found.chunks_exact(labels)) {
            values[*row as usize * labels..][..labels].copy_from_slice(found);
        }
    }
    Ok(values)
}

/// Scores the rows that have a probability.
pub(super) fn evaluate(
    run: &RunDirectory,
    data: &TrainData<'_>,
    table: &LabelTable,
) -> Result<(Evaluation, usize), Error> {
    let labels = data.label_names.len();
    let values = collect(run, data)?;
    let (mut probabilities, mut targets) = (Vec::new(), Vec::new());
    for (row, found) in values.chunks_exact(labels).enumerate() {
        if !found[0].is_nan() {
            probabilities.extend_from_slice(found);
            let cells = table.labels(row).unwrap_or_default();
            targets.extend(cells.iter().map(|cell| target(*cell)));
        }
    }
    let evaluation = ScoredPredictions::new(&probabilities, &targets, data.label_names, &[0.5])
        .map_err(|error| Error::format(&run.file("oof.npy"), error.to_string()))?
        .evaluate();
    Ok((evaluation, probabilities.len() / labels))
}
