//! `soup evaluate`: how good predictions are.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_data::dataset::LabelTable;
use soup_data::folds::Folds as FoldFile;
use soup_decide::{Predictions, Thresholds};
use soup_learn::metrics::{Bootstrap, Evaluation, Interval, RowMetric, Table};
use soup_learn::predictor::{PredictOptions, Predictor};
use soup_learn::trainer::OutOfFold;

use super::{Folds, predict};
use crate::console::{Console, Report};
use crate::failure::Usage;
use crate::interrupt;
use crate::pictures::Pictures;

/// Score a run, or predictions, against the true labels
///
/// Accuracy (the share of right cells), exact match, mAP, precision, recall and F1 by class (CP, CR,
/// CF1) and overall (OP, OR, OF1), loss, and a table of the labels: scikit-learn's figures.
///
/// Of a run, every picture is scored by the fold that held it out; with --data other pictures are
/// predicted first.
#[derive(Debug, Args)]
#[command(after_help = "\
The answers may hold more pictures than were predicted; those are left out and counted.

Examples:
  soup evaluate runs/first
  soup evaluate runs/first --data test/
  soup evaluate --predictions probs.csv --labels answer.csv
  soup evaluate --predictions submission.csv --labels answer.csv --json")]
pub struct Arguments {
    /// A run that soup train wrote
    #[arg(value_name = "RUN", required_unless_present = "predictions")]
    run: Option<PathBuf>,

    /// Pictures with labels for the run to predict [default: those that its folds held out]
    #[arg(long, value_name = "DIR_OR_PACK", requires = "run")]
    data: Option<PathBuf>,

    /// Folds of the run that answer for --data: all, or numbers from 0 such as 0,2
    #[arg(long, value_name = "FOLDS", default_value = "all", requires = "data")]
    fold: Folds,

    /// Probabilities or 0/1 answers: .csv, .csv.gz or .npy
    #[arg(long, value_name = "FILE", conflicts_with = "run", requires = "labels")]
    predictions: Option<PathBuf>,

    /// The true labels, 0 or 1, in the same shape
    #[arg(long, value_name = "FILE", requires = "predictions")]
    labels: Option<PathBuf>,

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

pub fn run(arguments: &Arguments, console: Console) -> Result<Report> {
    let given = (&arguments.run, &arguments.predictions, &arguments.labels);
    let (predictions, answers) = match given {
        (Some(run), _, _) => match &arguments.data {
            Some(data) => of_pictures(run, &arguments.fold, data, console)?,
            None => out_of_fold(run)?,
        },
        (None, Some(predictions), Some(labels)) => (
            Predictions::read(predictions)?,
            Predictions::read_answers(labels)?,
        ),
        _ => return Err(Usage("name a run, or --predictions and --labels".into()).into()),
    };
    let score = score(&predictions, &answers, &arguments.threshold)?;
    let text = score.text();
    Report::new(score, text)
}

/// The probabilities of a run for the pictures that its folds held out, and the labels of all.
fn out_of_fold(run: &Path) -> Result<(Predictions, Predictions)> {
    let stop = interrupt::watch()?;
    let OutOfFold {
        path,
        labels_of,
        ids,
        label_names,
        probabilities,
        targets,
    } = OutOfFold::read(run, &stop)?;
    let (mut held_out, mut values) = (Vec::new(), Vec::new());
    for (id, row) in ids
        .iter()
        .zip(probabilities.chunks_exact(label_names.len()))
    {
        // A row is NaN where its fold is not trained yet.
        if !row.iter().all(|value| value.is_nan()) {
            held_out.push(id.clone());
            values.extend_from_slice(row);
        }
    }
    let predictions = Predictions::new(path, held_out, label_names.clone(), values)?;
    let answers = Predictions::new(labels_of, ids, label_names, targets)?;
    Ok((predictions, answers))
}

/// Predicts pictures that have labels.
fn of_pictures(
    run: &Path,
    folds: &Folds,
    data: &Path,
    console: Console,
) -> Result<(Predictions, Predictions)> {
    let predictor = Predictor::open(&[run.to_path_buf()], folds.0.as_deref())?;
    let pictures = Pictures::open(data)?;
    let table = pictures.table();
    if table.label_names().is_empty() {
        let hint = "give a pack or folder with a table of labels; soup predict answers for pictures \
                    without";
        return Err(soup_data::Error::format(data, "these pictures have no labels", hint).into());
    }
    if trained_on(run, table) {
        console.note(&format!(
            "these are the pictures that the run was trained on, so the score flatters it; soup \
             evaluate {} scores each by the fold that held it out",
            run.display()
        ));
    }
    let stop = interrupt::watch()?;
    let options = PredictOptions::default();
    let predictions = predict::predict(&predictor, &pictures, options, run, console, &stop)?;
    let cells = (0..table.len())
        .filter_map(|row| table.labels(row))
        .flatten();
    let answers = Predictions::new(
        data,
        table.ids().to_vec(),
        table.label_names().to_vec(),
        cells.map(|cell| f32::from(*cell)).collect(),
    )?;
    Ok((predictions, answers))
}

/// Whether a table is the one that the run's folds were cut from.
fn trained_on(run: &Path, table: &LabelTable) -> bool {
    FoldFile::read(&run.join("folds.json")).is_ok_and(|folds| folds.data_hash() == table.hash())
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

    /// Where accuracy is likely to lie for other pictures of the same kind.
    pub fn accuracy_interval(&self) -> Interval {
        self.accuracy_interval
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
