//! `soup submit`: answers in the shape that was asked for.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_decide::decision::Decoding;
use soup_decide::{Predictions, Rule, Template, Thresholds};

use crate::console::{Console, Report};
use crate::deciding::Deciding;
use crate::output::Output;

/// Write a submission in the exact shape of the given sample
///
/// Every byte of the sample stays (order, ids as written, line ends), only the cells become 0 or 1, or, in a column of
/// tags, the labels that are there.
/// An image that is missing or that the sample does not ask for is refused.
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

    /// The submission; .gz packs it, - is stdout
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    #[command(flatten)]
    deciding: Deciding,
}

#[derive(Serialize)]
struct Facts<'a> {
    predictions: &'a PathBuf,
    #[serde(rename = "pictures")]
    images: usize,
    labels: usize,
    /// Labels found in an image, on average.
    #[serde(rename = "labels_per_picture")]
    labels_per_image: f64,
    /// How a decision made the answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    decoding: Option<Decoding>,
    out: &'a PathBuf,
}

pub fn run(arguments: &Arguments, console: Console) -> Result<Report> {
    let sample = &arguments.sample;
    // A submission may end as its sample does.
    let own = sample.extension().unwrap_or_default().to_string_lossy();
    let out = Output::new(&arguments.out, "--out", &["csv", "csv.gz", &own])?;
    let template = Template::read(sample)?;
    let predictions = Predictions::read(&arguments.predictions)?;
    console.notes(template.notes());
    console.notes(template.arrange(&predictions)?.notes());
    let rule = arguments.deciding.rule()?;
    let answered = answer(&template, &predictions, &rule)?;
    out.write(&answered.submission)?;
    let (labels_per_image, decoding) = (answered.labels_per_image, answered.decoding);
    let facts = Facts {
        predictions: &arguments.predictions,
        images: predictions.len(),
        labels: predictions.labels().len(),
        labels_per_image,
        decoding,
        out: &arguments.out,
    };
    let text = format!(
        "{} images x {} labels in {}, {:.2} labels an image",
        facts.images,
        facts.labels,
        arguments.out.display(),
        facts.labels_per_image,
    );
    out.report(facts, text)
}

/// A submission, and what it says.
pub struct Answered {
    /// The bytes of the file.
    pub submission: Vec<u8>,
    /// Labels found in an image, on average.
    pub labels_per_image: f64,
    /// How a decision made the answers.
    pub decoding: Option<Decoding>,
}

/// Fills the sample with answers.
pub fn answer(template: &Template, predictions: &Predictions, rule: &Rule) -> Result<Answered> {
    let (answers, thresholds, decoding) = match rule {
        Rule::Thresholds(thresholds) => (None, thresholds.clone(), None),
        Rule::Decision(decision, decoding) => {
            let answers = rule.answer(predictions)?.table()?;
            let decoding = decoding.unwrap_or(decision.decoding());
            (Some(answers), Thresholds::default(), Some(decoding))
        }
    };
    let answers = answers.as_ref().unwrap_or(predictions);
    Ok(Answered {
        submission: template.fill(answers, &thresholds)?,
        labels_per_image: thresholds.labels_per_image(answers),
        decoding,
    })
}
