//! Probabilities of pictures by trained models.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use soup_cpu::Pool;
use soup_data::Examples;

use crate::{
    Error,
    runs::RunDirectory,
    trainer::notes::Notes,
    views::{Looks, Views, look},
};

/// Models that answer together: the mean of their probabilities.
#[derive(Clone, Debug)]
pub struct Predictor {
    models: Vec<(PathBuf, Notes)>,
}

/// How a prediction is made.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictOptions {
    /// Threads; 0 takes every core.
    pub threads: usize,
    /// Pictures in a batch.
    pub batch: usize,
    /// How each model looks at a picture.
    pub views: Views,
}

impl Default for PredictOptions {
    fn default() -> Self {
        Self {
            threads: 0,
            batch: 8,
            views: Views::plain(),
        }
    }
}

impl Predictor {
    /// Opens runs (their folds that are trained, or those of `folds`) and model files, in any
    /// number.
    ///
    /// # Errors
    /// [`Error::Format`] where a path is neither, [`Error::Mismatch`] where a fold that was asked
    /// for has no model or two models have other labels.
    pub fn open(paths: &[PathBuf], folds: Option<&[usize]>) -> Result<Self, Error> {
        let mut models: Vec<(PathBuf, Notes)> = Vec::new();
        for path in paths {
            if !path.exists() {
                return Err(Error::format(
                    path,
                    "there is no such run or model file; name a run that soup train wrote, or a \
                     model.safetensors",
                ));
            }
            let files = if path.is_dir() {
                of_run(path, folds)?
            } else {
                vec![path.clone()]
            };
            for file in files {
                let notes = Notes::read(&file)?;
                if let Some((first, known)) = models.first()
                    && known.label_names != notes.label_names
                {
                    return Err(Error::Mismatch(format!(
                        "{} and {} have other labels and cannot answer together",
                        first.display(),
                        file.display()
                    )));
                }
                models.push((file, notes));
            }
        }
        if models.is_empty() {
            return Err(Error::Mismatch("no model was named".to_owned()));
        }
        Ok(Self { models })
    }

    /// Names of the labels, in the order of the columns.
    pub fn label_names(&self) -> &[String] {
        &self.models[0].1.label_names
    }

    /// The model files that answer.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.models.iter().map(|(file, _)| file.as_path())
    }

    /// Probabilities of the examples with these indices: a row an index, a column a label.
    ///
    /// `note` hears how many looks are done, of how many; a picture counts once a model and view.
    ///
    /// # Errors
    /// [`Error::Data`] where a picture cannot be read, [`Error::Model`] where a network cannot read
    /// pictures of this size, [`Error::Stopped`] where `stop` was raised.
    pub fn predict(
        &self,
        examples: &dyn Examples,
        indices: &[u64],
        options: &PredictOptions,
        note: &mut dyn FnMut(u64, u64),
        stop: &AtomicBool,
    ) -> Result<Vec<f32>, Error> {
        let views = &options.views;
        let looks = (indices.len() * views.views().len()) as u64;
        let total = looks * self.models.len() as u64;
        let mut sums = vec![0.0f64; indices.len() * self.label_names().len()];
        for number in 0..self.models.len() {
            let before = number as u64 * looks;
            let seen = self.look(
                number,
                examples,
                indices,
                options,
                &mut |done| note(before + done, total),
                stop,
            )?;
            for (sum, probability) in sums.iter_mut().zip(seen.merged_all(views)) {
                *sum += f64::from(probability);
            }
        }
        let count = self.models.len() as f64;
        Ok(sums.iter().map(|sum| (sum / count) as f32).collect())
    }

    /// What one model, by its place among [`files`](Self::files), says in each view.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    ///
    /// # Panics
    /// For a place past the models.
    pub fn look(
        &self,
        model: usize,
        examples: &dyn Examples,
        indices: &[u64],
        options: &PredictOptions,
        note: &mut dyn FnMut(u64),
        stop: &AtomicBool,
    ) -> Result<Looks, Error> {
        let (file, notes) = &self.models[model];
        look(
            (file, notes),
            options.views.views(),
            (examples, indices),
            (options.batch.max(1), &Arc::new(Pool::new(options.threads))),
            note,
            stop,
        )
    }
}

fn of_run(path: &Path, folds: Option<&[usize]>) -> Result<Vec<PathBuf>, Error> {
    let run = RunDirectory::at(path);
    let file = |fold: usize| run.fold(fold).file("model.safetensors");
    let trained: Vec<usize> = run
        .folds()?
        .into_iter()
        .filter(|fold| file(*fold).is_file())
        .collect();
    if trained.is_empty() {
        return Err(Error::format(
            path,
            "this folder holds no trained fold (no fold0/model.safetensors); name a run that soup \
             train wrote",
        ));
    }
    let wanted = folds.unwrap_or(&trained);
    match wanted.iter().find(|fold| !trained.contains(fold)) {
        Some(missing) => Err(Error::Mismatch(format!(
            "{}: fold {missing} has no model; trained are {trained:?}",
            path.display()
        ))),
        None => Ok(wanted.iter().map(|fold| file(*fold)).collect()),
    }
}
