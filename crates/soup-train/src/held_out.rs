//! Predictions of the images that each fold of a run held out, in several views.

use std::{path::Path, sync::atomic::AtomicBool};

use soup_decide::views::{ViewLogits, Views};
use soup_model::{PredictOptions, Predictor};

use crate::{
    Error,
    runs::{RunDirectory, files},
    trainer::{OwnedData, VIEWS_FILE, WITH_VIEWS, write_named},
};

/// Out-of-fold logits in several views, of the folds that are trained.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldOut {
    /// Names of the labels.
    pub label_names: Vec<String>,
    /// The fold that held out each image.
    pub folds: Vec<u32>,
    /// Images x labels, 0 or 1.
    pub targets: Vec<f32>,
    /// The logits of the folds' networks.
    pub logits: ViewLogits,
    /// Rows of the run's data, and a name for each of them all.
    rows: Vec<u64>,
    ids: Vec<String>,
}

impl HeldOut {
    /// Predicts the images that the trained folds of a run held out, each by the network that was not
    /// trained on it: all of them, or `limit` of each fold, evenly spread. `options.views` are the
    /// views; their merge does not matter here.
    ///
    /// `note` gets how many views are predicted, of how many.
    ///
    /// # Errors
    /// [`Error::Format`] where the folder holds no run or no trained fold, whatever is wrong with
    /// its data, and as [`Predictor::predict`].
    pub fn predict(
        run: &Path,
        limit: Option<usize>,
        options: &PredictOptions,
        note: &mut dyn FnMut(u64, u64),
        stop: &AtomicBool,
    ) -> Result<Self, Error> {
        let directory = RunDirectory::at(run);
        let config = directory.config()?.check()?;
        // Finds out that nothing is trained before the data are opened.
        Predictor::open(&[run.to_path_buf()], None)?;
        let owned = OwnedData::held_out(&config, &directory)?;
        let data = owned.borrow();
        let examples = data.validation()?;
        let trained = soup_model::trained_folds(run)?;
        let folds: Vec<(usize, Vec<u64>)> = (0..data.held_out_rows.len())
            .filter(|fold| trained.contains(fold))
            .map(|fold| (fold, spread(&data.held_out_rows[fold], limit)))
            .collect();
        let images: usize = folds.iter().map(|fold| fold.1.len()).sum();
        let views = options.views.views();
        let total = (images * views.len()) as u64;

        let mut all = Self {
            label_names: data.label_names.to_vec(),
            folds: Vec::new(),
            targets: Vec::new(),
            logits: ViewLogits {
                views: views.to_vec(),
                logits: vec![Vec::new(); views.len()],
            },
            rows: Vec::new(),
            ids: data.ids.to_vec(),
        };
        for (fold, rows) in folds {
            let predictor = Predictor::open(&[run.to_path_buf()], Some(&[fold]))?;
            let before = (all.rows.len() * views.len()) as u64;
            let mut done = |done| note(before + done, total);
            let predicted = predictor.view_logits(0, examples, &rows, options, &mut done, stop)?;
            for (all, seen) in all.logits.logits.iter_mut().zip(predicted.logits) {
                all.extend(seen);
            }
            for row in &rows {
                all.targets.extend(data.targets_of(*row)?);
            }
            all.folds.extend(rows.iter().map(|_| fold as u32));
            all.rows.extend(rows);
        }
        Ok(all)
    }

    /// Writes the views that are kept, and the out-of-fold probabilities with them, into the run; of
    /// the plain view alone nothing is written, as training wrote that, and what was there goes. The
    /// views must be among those predicted.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write(&self, run: &Path, kept: &Views) -> Result<(), Error> {
        let places: Vec<usize> = (kept.views().iter())
            .filter_map(|view| self.logits.views.iter().position(|known| known == view))
            .collect();
        let labels = self.label_names.len();
        let merged = self.logits.merged(&places, kept.merge());
        let mut values = vec![f32::NAN; self.ids.len() * labels];
        for (row, found) in self.rows.iter().zip(merged.chunks_exact(labels)) {
            values[*row as usize * labels..][..labels].copy_from_slice(found);
        }
        let directory = RunDirectory::at(run);
        let _lock = directory.lock()?;
        let path = directory.file(VIEWS_FILE);
        // A kill between the files must not leave views beside the probabilities of others.
        files::remove(&path)?;
        if kept.is_plain() {
            files::remove(&directory.file(&format!("{WITH_VIEWS}.npy")))?;
            return files::remove(&directory.file(&format!("{WITH_VIEWS}.ids.json")));
        }
        write_named(
            &directory,
            WITH_VIEWS,
            &values,
            &self.ids,
            &self.label_names,
        )?;
        Self::write_views(&path, kept)
    }

    /// Writes the views alone, where `soup predict --tta` reads them.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write_views(path: &Path, kept: &Views) -> Result<(), Error> {
        let text =
            serde_json::to_string(kept).map_err(|error| Error::format(path, error.to_string()))?;
        files::write_bytes(path, format!("{text}\n").as_bytes())
    }
}

/// `limit` of the rows, evenly spread.
fn spread(rows: &[u64], limit: Option<usize>) -> Vec<u64> {
    let count = limit.unwrap_or(rows.len()).min(rows.len());
    (0..count)
        .map(|place| rows[place * rows.len() / count])
        .collect()
}
