//! `soup submit`: answers in the shape that was asked for.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_decide::{Predictions, Template, Thresholds};

use crate::console::Report;

/// Write a submission in the exact shape of the given sample
///
/// Every byte of the sample stays (order, ids as written, line ends), only the cells become 0 or 1.
/// A picture that is missing or that the sample does not ask for is refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soup submit probs.csv --sample sample_submission.csv --out submission.csv
  soup submit probs.npy --sample sample_submission.csv --out s.csv --threshold 0.45,q=0.3")]
pub struct Arguments {
    /// The probabilities: .csv, .csv.gz or .npy
    #[arg(value_name = "PREDICTIONS")]
    predictions: PathBuf,

    /// The sample submission that came with the task
    #[arg(long, value_name = "FILE")]
    sample: PathBuf,

    /// The submission
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// A yes is a probability above T; T,a=T,b=T gives labels their own
    #[arg(long, value_name = "T", default_value = "0.5")]
    threshold: Thresholds,
}

#[derive(Serialize)]
struct Facts<'a> {
    predictions: &'a PathBuf,
    pictures: usize,
    labels: usize,
    /// Labels found in a picture, on average.
    labels_per_picture: f64,
    out: &'a PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<Report> {
    let template = Template::read(&arguments.sample)?;
    let predictions = Predictions::read(&arguments.predictions)?;
    template.write(&predictions, &arguments.threshold, &arguments.out)?;
    let facts = Facts {
        predictions: &arguments.predictions,
        pictures: predictions.len(),
        labels: predictions.labels().len(),
        labels_per_picture: arguments.threshold.labels_per_picture(&predictions),
        out: &arguments.out,
    };
    let text = format!(
        "{} pictures x {} labels in {}, {:.2} labels a picture",
        facts.pictures,
        facts.labels,
        arguments.out.display(),
        facts.labels_per_picture,
    );
    Report::new(facts, text)
}
