//! `soup evaluate`: how good predictions are.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_decide::{Predictions, Thresholds};
use soup_learn::metrics::{Bootstrap, Evaluation, Interval, RowMetric, Table};

use crate::console::Report;

/// Score predictions against the true labels
///
/// Accuracy (the share of right cells), exact match, mAP, precision, recall and F1 by class (CP, CR,
/// CF1) and overall (OP, OR, OF1), loss, and a table of the labels: scikit-learn's figures.
#[derive(Debug, Args)]
#[command(after_help = "\
The answers may hold more pictures than were predicted; those are left out and counted.

Examples:
  soup evaluate --predictions probs.csv --labels answer.csv
  soup evaluate --predictions submission.csv --labels answer.csv --json")]
pub struct Arguments {
    /// Probabilities or 0/1 answers: .csv, .csv.gz or .npy
    #[arg(long, value_name = "FILE")]
    predictions: PathBuf,

    /// The true labels, 0 or 1, in the same shape
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,

    /// A yes is a probability above T; T,a=T,b=T gives labels their own
    #[arg(long, value_name = "T", default_value = "0.5")]
    threshold: Thresholds,
}

/// An evaluation and what it is an evaluation of.
#[derive(Debug, Serialize)]
pub struct Score {
    predictions: PathBuf,
    answers: PathBuf,
    /// Pictures that were predicted and scored.
    pictures: usize,
    /// Pictures with answers that were not predicted.
    pictures_not_predicted: usize,
    #[serde(flatten)]
    evaluation: Evaluation,
    /// Accuracy is likely to lie here for other pictures of the same kind.
    accuracy_interval: Interval,
    /// What saying no to everything would score.
    accuracy_of_all_zeros: f64,
}

pub fn run(arguments: &Arguments) -> Result<Report> {
    let predictions = Predictions::read(&arguments.predictions)?;
    let answers = Predictions::read_answers(&arguments.labels)?;
    let score = score(&predictions, &answers, &arguments.threshold)?;
    let text = score.text();
    Report::new(score, text)
}

/// Scores every picture of `predictions` against its answers.
pub fn score(
    predictions: &Predictions,
    answers: &Predictions,
    thresholds: &Thresholds,
) -> Result<Score> {
    let labels = predictions.labels();
    let truth = answers.selected(predictions.ids(), labels, predictions.source())?;
    let thresholds = thresholds.in_order(labels)?;
    let table = Table::new(predictions.values(), truth.values(), labels, &thresholds)?;
    let positives: f64 = truth.values().iter().map(|value| f64::from(*value)).sum();
    Ok(Score {
        predictions: predictions.source().to_path_buf(),
        answers: answers.source().to_path_buf(),
        pictures: predictions.len(),
        pictures_not_predicted: answers.len() - predictions.len(),
        evaluation: table.evaluate(),
        accuracy_interval: table.interval(RowMetric::Accuracy, &Bootstrap::default()),
        accuracy_of_all_zeros: 1.0 - positives / truth.values().len() as f64,
    })
}

impl Score {
    /// Share of right cells.
    pub fn accuracy(&self) -> f64 {
        self.evaluation.accuracy
    }

    /// What saying no to everything would score.
    pub fn accuracy_of_all_zeros(&self) -> f64 {
        self.accuracy_of_all_zeros
    }

    /// The score for a person.
    pub fn text(&self) -> String {
        let all = &self.evaluation;
        let share = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.4}"));
        let mut text = format!(
            "{} pictures x {} labels\n\
             accuracy     {:.4}  (95 % interval {:.4} to {:.4}; all zeros {:.4})\n\
             exact match  {:.4}\n\
             mAP          {}\n\
             by class     CP {:.4}  CR {:.4}  CF1 {:.4}\n\
             overall      OP {:.4}  OR {:.4}  OF1 {:.4}\n\
             loss         {:.4}\n\n\
             label      support predicted  accuracy precision    recall        F1        AP\n",
            self.pictures,
            all.labels.len(),
            all.accuracy,
            self.accuracy_interval.low,
            self.accuracy_interval.high,
            self.accuracy_of_all_zeros,
            all.exact_match,
            share(all.mean_average_precision),
            all.class_precision,
            all.class_recall,
            all.class_f1,
            all.overall_precision,
            all.overall_recall,
            all.overall_f1,
            all.loss,
        );
        for label in &all.labels {
            text.push_str(&format!(
                "{:<10} {:>7} {:>9}    {:.4}    {:.4}    {:.4}    {:.4}    {:>6}\n",
                label.label,
                label.support,
                label.predicted,
                label.accuracy,
                label.precision,
                label.recall,
                label.f1,
                share(label.average_precision),
            ));
        }
        if self.pictures_not_predicted > 0 {
            text.push_str(&format!(
                "\n{} pictures of {} were not predicted and do not count\n",
                self.pictures_not_predicted,
                self.answers.display()
            ));
        }
        text
    }
}
