//! `soup submit`: answers in the shape that was asked for.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_decide::decision::Decoding;
use soup_decide::{Predictions, Rule, Template, Thresholds};

use crate::console::Report;
use crate::deciding::Deciding;

/// Write a submission in the exact shape of the given sample
///
/// Every byte of the sample stays (order, ids as written, line ends), only the cells become 0 or 1.
/// A picture that is missing or that the sample does not ask for is refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soup submit probs.csv --sample sample_submission.csv --out submission.csv
  soup submit probs.npy --sample sample_submission.csv --out s.csv --threshold 0.45,q=0.3
  soup submit probs.csv --sample sample_submission.csv --out s.csv --decision decision.json
  soup submit probs.csv --sample s.csv --out o.csv --decision decision.json --decode set")]
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

    #[command(flatten)]
    deciding: Deciding,
}

#[derive(Serialize)]
struct Facts<'a> {
    predictions: &'a PathBuf,
    pictures: usize,
    labels: usize,
    /// Labels found in a picture, on average.
    labels_per_picture: f64,
    /// How a decision made the answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    decoding: Option<Decoding>,
    out: &'a PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<Report> {
    let template = Template::read(&arguments.sample)?;
    let predictions = Predictions::read(&arguments.predictions)?;
    let rule = arguments.deciding.rule()?;
    let (labels_per_picture, decoding) = write(&template, &predictions, &rule, &arguments.out)?;
    let facts = Facts {
        predictions: &arguments.predictions,
        pictures: predictions.len(),
        labels: predictions.labels().len(),
        labels_per_picture,
        decoding,
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

/// Writes the answers; gives the labels found in a picture, on average, and how a decision made the answers.
pub fn write(
    template: &Template,
    predictions: &Predictions,
    rule: &Rule,
    out: &Path,
) -> Result<(f64, Option<Decoding>)> {
    Ok(match rule {
        Rule::Thresholds(thresholds) => {
            template.write(predictions, thresholds, out)?;
            (thresholds.labels_per_picture(predictions), None)
        }
        Rule::Decision(decision, decoding) => {
            let answers = rule.answer(predictions)?.table()?;
            let answered = Thresholds::default();
            template.write(&answers, &answered, out)?;
            let decoding = decoding.unwrap_or(decision.decoding());
            (answered.labels_per_picture(&answers), Some(decoding))
        }
    })
}
