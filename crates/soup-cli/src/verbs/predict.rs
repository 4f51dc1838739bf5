//! `soup predict`: probabilities of pictures.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_decide::Predictions;
use soup_learn::predictor::{PredictOptions, Predictor};

use super::Folds;
use crate::console::{Console, Report};
use crate::interrupt;
use crate::pictures::Pictures;
use crate::progress::Bar;

/// Predict the probability of every label for every picture
///
/// Several runs, folds and model files answer together: the mean of their probabilities. The result
/// has a row a picture in the order of the folder, zip or pack.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soup predict runs/first --images test/ --out probs.csv
  soup predict runs/first runs/second --fold 0,1 --images test.zip --out probs.npy
  soup predict model.soup --images pack/ --out probs.csv

Next: soup submit probs.csv --sample sample_submission.csv --out submission.csv")]
pub struct Arguments {
    /// Runs (all of their trained folds) and model files
    #[arg(required = true, value_name = "RUN_OR_MODEL")]
    models: Vec<PathBuf>,

    /// The pictures: a folder, a zip file or a pack
    #[arg(long, value_name = "DIR_OR_ZIP_OR_PACK")]
    images: PathBuf,

    /// The probabilities: .csv, .csv.gz, or .npy with NAME.ids.json beside it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Folds of the runs that answer: all, or numbers from 0 such as 0,2
    #[arg(long, value_name = "FOLDS", default_value = "all")]
    fold: Folds,

    /// Pictures in a batch
    #[arg(long, value_name = "N", default_value_t = PredictOptions::default().batch)]
    batch: usize,

    /// Threads; 0 takes every core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
}

#[derive(Serialize)]
struct Facts<'a> {
    models: Vec<PathBuf>,
    pictures: usize,
    labels: usize,
    seconds: f64,
    images_per_second: f64,
    out: &'a Path,
}

pub fn run(arguments: &Arguments, console: Console) -> Result<Report> {
    let predictor = Predictor::open(&arguments.models, arguments.fold.0.as_deref())?;
    let pictures = Pictures::open(&arguments.images)?;
    let options = PredictOptions {
        threads: arguments.threads,
        batch: arguments.batch,
    };
    let stop = interrupt::watch()?;
    let started = Instant::now();
    let predictions = predict(
        &predictor,
        &pictures,
        options,
        &arguments.out,
        console,
        &stop,
    )?;
    predictions.write(&arguments.out)?;
    let seconds = started.elapsed().as_secs_f64();
    let facts = Facts {
        models: predictor.files().map(Path::to_path_buf).collect(),
        pictures: predictions.len(),
        labels: predictions.labels().len(),
        seconds,
        images_per_second: predictions.len() as f64 / seconds,
        out: &arguments.out,
    };
    let text = format!(
        "{} pictures x {} labels by {} models in {}",
        facts.pictures,
        facts.labels,
        facts.models.len(),
        arguments.out.display()
    );
    Report::new(facts, text)
}

/// Predicts all pictures; `source` is the name of the table in messages.
pub fn predict(
    predictor: &Predictor,
    pictures: &Pictures,
    options: PredictOptions,
    source: &Path,
    console: Console,
    stop: &AtomicBool,
) -> Result<Predictions> {
    let indices: Vec<u64> = (0..pictures.ids().len() as u64).collect();
    let total = indices.len() as u64 * predictor.files().count() as u64;
    let bar = Bar::new(console, "predicting", total, "pictures");
    let mut note = |done, _| bar.set(done);
    let values = predictor.predict(pictures.examples(), &indices, options, &mut note, stop);
    bar.finish();
    let labels = predictor.label_names().to_vec();
    Ok(Predictions::new(
        source,
        pictures.ids().to_vec(),
        labels,
        values?,
    )?)
}
