//! The runs in a folder beside each other.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use serde::Serialize;
use soup_decide::metrics::Interval;
use soup_model::ErrorKind;
use soup_train::Error;

use crate::{Run, pages::differing};

/// Folders are searched so deep; a sweep's runs lie at 3.
const DEEPEST: usize = 4;

/// One run among others.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Where it lies, from the folder that was listed.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// The network.
    pub model: String,
    /// Share of right cells: out of fold or, where the images are not there, the mean of the folds at
    /// their best epochs. None without an epoch.
    pub accuracy: Option<f64>,
    /// Its 95 % interval; none where it is not of single images.
    pub interval: Option<Interval>,
    /// Mean over the labels of the average precision, of the same images; none where it is no number.
    #[serde(rename = "mAP")]
    pub mean_average_precision: Option<f64>,
    /// Images that were validation; 0 without an interval.
    #[serde(rename = "pictures")]
    pub images: usize,
    /// Epochs of the fold that got furthest.
    pub epochs: usize,
    /// Folds that are trained to their end, and all of them.
    pub folds: [usize; 2],
    /// Folds that diverged, and so have only the weights from before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diverged: Vec<usize>,
    /// Seconds of training and validation, in all folds.
    pub seconds: f64,
    /// The settings in which the runs differ.
    pub settings: BTreeMap<String, String>,
    /// Why there is no interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The runs in a folder and in the folders in it, by their names.
///
/// # Errors
/// [`Error::Format`] where there is none or a file of one is damaged, [`Error::File`].
pub fn list(folder: &Path, stop: &AtomicBool) -> Result<Vec<Listed>, Error> {
    let wrong = |problem: &str| {
        let hint = "name a folder that soup train --out wrote into, or one above it";
        Error::format(folder, format!("{problem}; {hint}"))
    };
    if !folder.is_dir() {
        return Err(wrong("there is no such folder"));
    }
    let mut paths = Vec::new();
    find(folder, 0, &mut paths)?;
    if paths.is_empty() {
        return Err(wrong("there is no run in this folder"));
    }
    paths.sort();
    let runs: Vec<Run> = paths
        .iter()
        .map(|path| Run::read(path))
        .collect::<Result<_, _>>()?;
    let differing = differing(&runs.iter().collect::<Vec<_>>());
    let mut listed = Vec::new();
    for (place, run) in runs.iter().enumerate() {
        let settings = differing.iter();
        let settings = settings.map(|(key, values)| (key.clone(), values[place].clone()));
        listed.push(one(run, folder, settings.collect(), stop)?);
    }
    Ok(listed)
}

fn one(
    run: &Run,
    folder: &Path,
    settings: BTreeMap<String, String>,
    stop: &AtomicBool,
) -> Result<Listed, Error> {
    let inside = run.path.strip_prefix(folder).ok();
    let inside = inside.filter(|path| !path.as_os_str().is_empty());
    let mut listed = Listed {
        name: inside.map_or_else(|| run.name.clone(), |path| path.display().to_string()),
        path: run.path.clone(),
        model: run.config.model.name.clone(),
        accuracy: run.best_accuracy(),
        interval: None,
        mean_average_precision: run.best_map(),
        images: 0,
        epochs: run
            .epochs
            .iter()
            .map(|record| record.epoch)
            .max()
            .unwrap_or(0),
        folds: [run.trained.len(), run.folds],
        diverged: run.diverged.iter().map(|found| found.fold).collect(),
        seconds: run.seconds(),
        settings,
        problem: None,
    };
    match run.score(stop) {
        Ok(score) => {
            listed.accuracy = Some(score.accuracy);
            listed.interval = Some(score.interval);
            listed.mean_average_precision = score.mean_average_precision;
            listed.images = score.images;
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
        Err(error) => listed.problem = Some(error.to_string()),
    }
    Ok(listed)
}

/// The folders of runs in `folder`, itself among them.
fn find(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Error> {
    if Run::is_run(folder) {
        found.push(folder.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(Error::file(folder, "list"))? {
        let path = entry.map_err(Error::file(folder, "list"))?.path();
        if depth < DEEPEST && path.is_dir() && !path.is_symlink() {
            find(&path, depth + 1, found)?;
        }
    }
    Ok(())
}
