//! A run's figures for other programs: TensorBoard's event files and an MLflow server. Both are written
//! from the run's own records, so they can be written again at any time, during a training too, and a
//! training that was killed and resumed has every epoch once.

mod events;
pub mod mlflow;
pub mod tensorboard;

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;
use soup_train::{
    Error,
    runs::{EpochRecord, files::read_text, log::moment},
};

/// The figures of an epoch by the names that they have elsewhere; what is no number is left out.
fn figures(record: &EpochRecord) -> Vec<(&'static str, f64)> {
    let all = [
        ("train/loss", record.train_loss),
        ("train/accuracy", record.train_accuracy),
        ("valid/loss", record.valid_loss),
        ("valid/accuracy", record.valid_accuracy),
        ("valid/exact_match", record.valid_exact_match),
        ("valid/mAP", record.valid_map),
        ("rate", record.rate),
        ("seconds", record.seconds),
        ("images_per_second", record.images_per_second),
        ("memory_mib", record.memory_mib),
        // Last, so that an epoch that has it has all.
        ("step", record.step as f64),
    ];
    all.into_iter()
        .filter(|(_, value)| value.is_finite())
        .collect()
}

/// A line of `sessions.jsonl`, as far as it matters here.
#[derive(Deserialize)]
struct Begun {
    time: String,
}

/// When a fold was begun; 1970 where its file does not say.
fn begun(fold: &Path) -> Result<SystemTime, Error> {
    let text = read_text(&fold.join("sessions.jsonl"))?.unwrap_or_default();
    let first = text
        .lines()
        .next()
        .and_then(|line| serde_json::from_str::<Begun>(line).ok());
    Ok(first
        .and_then(|begun| moment(&begun.time))
        .unwrap_or(UNIX_EPOCH))
}

/// Each epoch of a fold with the moment at which it ended, pauses of the training left out.
fn timed(records: &[EpochRecord], begun: SystemTime) -> Vec<(SystemTime, &EpochRecord)> {
    let mut moment = begun;
    let mut timed = Vec::with_capacity(records.len());
    for record in records {
        moment += Duration::try_from_secs_f64(record.seconds).unwrap_or_default();
        timed.push((moment, record));
    }
    timed
}
