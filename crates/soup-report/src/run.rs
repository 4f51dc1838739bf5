//! A run's folder, read back.

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use soup_data::folds::Folds;
use soup_decide::{
    Decision,
    metrics::{Interval, RowMetric, ScoredPredictions},
    views::Views,
};
use soup_train::{
    Error,
    config::Config,
    runs::{EpochRecord, RunDirectory},
    trainer::{Divergence, OutOfFold},
};

/// What a run says of itself, without its images.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its folder.
    pub path: PathBuf,
    /// What it is called: the last name of its folder.
    pub name: String,
    /// Its settings.
    pub config: Config,
    /// Its epochs, fold after fold.
    pub epochs: Vec<EpochRecord>,
    /// Folds that its images are cut into.
    pub folds: usize,
    /// Folds that are trained to their end.
    pub trained: Vec<usize>,
    /// Folds that diverged, where and how.
    pub diverged: Vec<Divergence>,
    /// The views that `soup tta` kept, if any; or why they cannot be read.
    pub views: Option<Result<Views, String>>,
    /// What `soup decide` fitted, if it did; or why it cannot be read.
    pub decision: Option<Result<Decision, String>>,
}

/// A share of right cells out of fold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Share of right cells at threshold .5.
    pub accuracy: f64,
    /// Its 95 % interval.
    pub interval: Interval,
    /// Mean over the labels of the average precision; none where no image has a label.
    pub mean_average_precision: Option<f64>,
    /// Images that they are of.
    pub images: usize,
}

impl Run {
    /// Whether a folder is that of a run.
    pub fn is_run(path: &Path) -> bool {
        path.join("config.toml").is_file()
    }

    /// Reads the run in a folder.
    ///
    /// # Errors
    /// [`Error::Format`] where the folder holds no run or a file of it is damaged, [`Error::File`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let directory = RunDirectory::at(path);
        let config = directory.config()?;
        let mut epochs = Vec::new();
        let (mut trained, mut diverged) = (Vec::new(), Vec::new());
        for fold in directory.folds()? {
            let files = directory.fold(fold);
            epochs.extend(files.metrics()?);
            if files.file("valid.npy").is_file() {
                trained.push(fold);
            }
            diverged.extend(Divergence::read(&files)?);
        }
        let folds_file = directory.file("folds.json");
        let folds = if config.data.only_composed() {
            1
        } else if folds_file.is_file() {
            Folds::read(&folds_file)?.k() as usize
        } else {
            config.folds.k as usize
        };
        let decision = directory.file("decision.json");
        let decision = decision.is_file().then(|| Decision::read(&decision));
        Ok(Self {
            views: match OutOfFold::views(&directory) {
                Ok(views) => views.map(Ok),
                Err(error) => Some(Err(error.to_string())),
            },
            decision: decision.map(|read| read.map_err(|error| error.to_string())),
            name: name(path),
            path: path.to_owned(),
            config,
            epochs,
            folds,
            trained,
            diverged,
        })
    }

    /// The best epoch of each fold that has one.
    pub fn best(&self) -> Vec<&EpochRecord> {
        let mut best: Vec<&EpochRecord> = Vec::new();
        for record in self.epochs.iter().filter(|record| record.best) {
            match best.last_mut() {
                Some(last) if last.fold == record.fold => *last = record,
                _ => best.push(record),
            }
        }
        best
    }

    /// The epochs of one fold.
    pub fn of_fold(&self, fold: usize) -> impl Iterator<Item = &EpochRecord> {
        self.epochs.iter().filter(move |record| record.fold == fold)
    }

    /// Numbers of the folds that have an epoch.
    pub fn begun(&self) -> Vec<usize> {
        let mut folds: Vec<usize> = self.epochs.iter().map(|record| record.fold).collect();
        folds.dedup();
        folds
    }

    /// Where and how a fold diverged, if it did.
    pub fn divergence(&self, fold: usize) -> Option<&Divergence> {
        self.diverged.iter().find(|found| found.fold == fold)
    }

    /// Seconds of training and validation, in all folds.
    pub fn seconds(&self) -> f64 {
        self.epochs.iter().map(|record| record.seconds).sum()
    }

    /// The mean of the folds' best accuracies on the images that they held out: what is known
    /// without the images.
    pub fn best_accuracy(&self) -> Option<f64> {
        self.mean_of_best(|record| record.valid_accuracy)
    }

    /// The same of mAP.
    pub fn best_map(&self) -> Option<f64> {
        self.mean_of_best(|record| record.valid_map)
    }

    fn mean_of_best(&self, of: impl Fn(&EpochRecord) -> f64) -> Option<f64> {
        let best = self.best();
        let sum: f64 = best.iter().map(|record| of(record)).sum();
        let mean = sum / best.len() as f64;
        mean.is_finite().then_some(mean)
    }

    /// The score of all images that were held out.
    ///
    /// # Errors
    /// As [`OutOfFold::read`].
    pub fn score(&self, stop: &AtomicBool) -> Result<Score, Error> {
        let found = OutOfFold::read(&self.path, stop)?;
        let (_, probabilities, targets) = held_out(&found);
        let table = table(&found, &probabilities, &targets)?;
        let values = table.row_values(RowMetric::Accuracy);
        let evaluation = table.evaluate();
        Ok(Score {
            accuracy: evaluation.accuracy,
            mean_average_precision: evaluation.mean_average_precision,
            interval: Interval::of_shares(&values),
            images: values.len(),
        })
    }
}

/// The last name of a folder, also where it is given as `.` or `runs/first/..`.
pub fn name(path: &Path) -> String {
    let known = path.file_name().map(ToOwned::to_owned);
    let name = known.or_else(|| {
        let whole = path.canonicalize().ok()?;
        whole.file_name().map(ToOwned::to_owned)
    });
    name.map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// Rows that have probabilities, and their probabilities and targets.
pub(crate) fn held_out(found: &OutOfFold) -> (Vec<usize>, Vec<f32>, Vec<f32>) {
    let (rows, labels) = (found.held_out(), found.label_names.len());
    let of = |values: &[f32]| -> Vec<f32> {
        let cells = rows
            .iter()
            .flat_map(|row| &values[row * labels..][..labels]);
        cells.copied().collect()
    };
    let (probabilities, targets) = (of(&found.probabilities), of(&found.targets));
    (rows, probabilities, targets)
}

/// A yes is a probability above .5.
pub(crate) fn table<'a>(
    found: &'a OutOfFold,
    probabilities: &'a [f32],
    targets: &'a [f32],
) -> Result<ScoredPredictions<'a>, Error> {
    ScoredPredictions::new(probabilities, targets, &found.label_names, &[0.5])
        .map_err(|error| Error::format(&found.path, error.to_string()))
}
