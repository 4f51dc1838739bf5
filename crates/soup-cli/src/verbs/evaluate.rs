//! `soup evaluate`: how good predictions are.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_data::{
    dataset::{LabelTable, target},
    folds::Folds as FoldFile,
};
use soup_decide::{
    Predictions, Rule,
    decision::Decoding,
    metrics::{Evaluation, Interval, Intervals, Metric, ScoredPredictions},
    views::Views,
};
use soup_model::{PredictOptions, Predictor};
use soup_train::trainer::OutOfFold;

use super::{Folds, predict};
use crate::{
    console::{Console, Report},
    deciding::Deciding,
    failure::Usage,
    images::{Images, say_what_was_found},
    interrupt,
};

/// Score a run, or predictions, against the true labels
///
/// Accuracy (the share of right cells), exact match, mAP, precision, recall and F1 by class (CP, CR,
/// CF1) and overall (OP, OR, OF1), loss, and a table of the labels: scikit-learn's figures, each with
/// its 95 % interval: where it lies for all images of the same kind. A score of too few images has
/// none, with the reason.
///
/// Of a run, every image is scored by the fold that held it out; with --data other images are
/// predicted first.
#[derive(Debug, Args)]
#[command(after_help = "\
The answers may hold more images than were predicted; those are left out and counted.

Examples:
  soup evaluate runs/first
  soup evaluate runs/first --data test/
  soup evaluate runs/first --data test/ --decision runs/first/decision.json --decode count
  soup evaluate --predictions probs.csv --labels answer.csv
  soup evaluate --predictions submission.csv --labels answer.csv --json")]
pub struct Arguments {
    /// A run that soup train wrote
    #[arg(value_name = "RUN", required_unless_present = "predictions")]
    run: Option<PathBuf>,

    /// Images with labels for the run to predict [default: those that its folds held out]
    #[arg(long, value_name = "DIR_OR_PACK", requires = "run")]
    data: Option<PathBuf>,

    /// Folds of the run that answer for --data: all, or numbers from 0 such as 0,2
    #[arg(long, value_name = "FOLDS", default_value = "all", requires = "data")]
    fold: Folds,

    /// Fails where files of the folder of --data were left out that may be images
    #[arg(long, requires = "data")]
    strict: bool,

    /// Probabilities or 0/1 answers: .csv, .csv.gz or .npy
    #[arg(long, value_name = "FILE", conflicts_with = "run", requires = "labels")]
    predictions: Option<PathBuf>,

    /// The true labels, 0 or 1, in the same shape
    #[arg(long, value_name = "FILE", requires = "predictions")]
    labels: Option<PathBuf>,

    #[command(flatten)]
    deciding: Deciding,
}

/// An evaluation and what it is an evaluation of.
#[derive(Debug, Serialize)]
pub struct Score {
    predictions: PathBuf,
    answers: PathBuf,
    /// Images that were predicted and scored.
    #[serde(rename = "pictures")]
    images: usize,
    /// Images with answers that were not predicted.
    #[serde(rename = "pictures_not_predicted")]
    images_not_predicted: usize,
    #[serde(flatten)]
    evaluation: Evaluation,
    /// Where the scores are likely to lie for other images of the same kind.
    intervals: Intervals,
    /// Why the other scores have none.
    no_interval: BTreeMap<&'static str, String>,
    /// How a decision made the answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    decoding: Option<Decoding>,
    /// What saying no to everything would score.
    accuracy_of_all_zeros: f64,
    /// What a person should know of how the tables were read and matched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

pub fn run(arguments: &Arguments, console: Console) -> Result<Report> {
    let given = (&arguments.run, &arguments.predictions, &arguments.labels);
    let rule = arguments.deciding.rule()?;
    let views = match &rule {
        Rule::Decision(decision, _) => decision.views(),
        Rule::Thresholds(_) => None,
    };
    let (predictions, answers) = match given {
        (Some(run), _, _) => match &arguments.data {
            Some(data) => {
                let views = views.cloned().unwrap_or_default();
                let is_strict = arguments.strict;
                of_images(run, &arguments.fold, (data, is_strict), views, console)?
            }
            None => {
                if arguments.deciding.decision.is_some() {
                    console.note(
                        "a decision that was fitted on these predictions flatters their score; \
                         soup decide prints what it gains on images that it was not fitted on",
                    );
                }
                out_of_fold(run, views)?
            }
        },
        (None, Some(predictions), Some(labels)) => (
            Predictions::read(predictions)?,
            Predictions::read_answers(labels)?,
        ),
        _ => return Err(Usage("name a run, or --predictions and --labels".into()).into()),
    };
    let score = score(&predictions, &answers, &rule)?;
    console.notes(&score.notes);
    let text = score.text();
    Report::new(score, text)
}

/// The probabilities of a run for the images that its folds held out, in the views of a decision,
/// and the labels of all.
fn out_of_fold(run: &Path, views: Option<&Views>) -> Result<(Predictions, Predictions)> {
    let stop = interrupt::watch()?;
    let Some(views) = views else {
        return Ok(OutOfFold::read(run, &stop)?.tables()?);
    };
    match OutOfFold::read_with_views(run, &stop)? {
        Some((found, known)) if known == *views => Ok(found.tables()?),
        _ => Err(Usage(format!(
            "the decision is for the views {views}, of which {} has no out-of-fold \
             predictions; soup tta makes them, and soup decide a decision for others",
            run.display()
        ))
        .into()),
    }
}

/// Predicts images that have labels.
fn of_images(
    run: &Path,
    folds: &Folds,
    (data, is_strict): (&Path, bool),
    views: Views,
    console: Console,
) -> Result<(Predictions, Predictions)> {
    let predictor = Predictor::open(&[run.to_path_buf()], folds.0.as_deref())?;
    let images = Images::open(data)?;
    if let Some(folder) = images.folder() {
        say_what_was_found(folder, is_strict, console)?;
    }
    let table = images.table();
    if table.label_names().is_empty() {
        let hint = "give a pack or folder with a table of labels; soup predict answers for images \
                    without";
        return Err(soup_data::Error::format(data, "these images have no labels", hint).into());
    }
    if trained_on(run, table) {
        console.note(&format!(
            "these are the images that the run was trained on, so the score flatters it; soup \
             evaluate {} scores each by the fold that held it out",
            run.display()
        ));
    }
    let stop = interrupt::watch()?;
    let options = PredictOptions {
        views,
        ..PredictOptions::default()
    };
    let predictions = predict::predict(&predictor, &images, &options, run, console, &stop)?;
    let cells = (0..table.len())
        .filter_map(|row| table.labels(row))
        .flatten();
    let answers = Predictions::answers(
        data,
        table.ids().to_vec(),
        table.label_names().to_vec(),
        cells.map(|cell| target(*cell)).collect(),
    )?;
    Ok((predictions, answers))
}

/// Whether a table is the one that the run's folds were cut from.
fn trained_on(run: &Path, table: &LabelTable) -> bool {
    FoldFile::read(&run.join("folds.json")).is_ok_and(|folds| folds.data_hash() == table.hash())
}

/// Scores every image of `predictions` against its answers.
pub fn score(predictions: &Predictions, answers: &Predictions, rule: &Rule) -> Result<Score> {
    let given = rule.answer(predictions)?;
    let labels = given.probabilities.labels();
    let truth = answers.selected(predictions.ids(), labels, predictions.source())?;
    let (values, targets) = (given.probabilities.values(), truth.values());
    let thresholds = match rule {
        Rule::Thresholds(thresholds) => thresholds.in_order(labels)?,
        Rule::Decision(..) => vec![0.5],
    };
    let mut table = ScoredPredictions::new(values, targets, labels, &thresholds)?;
    let mut decoding = None;
    if let Rule::Decision(decision, overruled) = rule {
        table = table.with_answers(&given.answers)?;
        decoding = Some(overruled.unwrap_or(decision.decoding()));
    }
    let intervals = table.intervals();
    let known = targets.iter().filter(|value| !value.is_nan());
    let positives: f64 = known.clone().map(|value| f64::from(*value)).sum();
    Ok(Score {
        predictions: predictions.source().to_path_buf(),
        answers: answers.source().to_path_buf(),
        images: predictions.len(),
        images_not_predicted: answers.len() - predictions.len(),
        evaluation: table.evaluate(),
        no_interval: intervals.missing.clone(),
        intervals,
        decoding,
        accuracy_of_all_zeros: 1.0 - positives / known.count().max(1) as f64,
        notes: predictions
            .notes()
            .iter()
            .chain(truth.notes())
            .cloned()
            .collect(),
    })
}

impl Score {
    /// Share of right cells.
    pub fn accuracy(&self) -> f64 {
        self.evaluation.accuracy
    }

    /// Where accuracy is likely to lie for other images of the same kind.
    pub fn accuracy_interval(&self) -> Interval {
        self.intervals.accuracy
    }

    /// What saying no to everything would score.
    pub fn accuracy_of_all_zeros(&self) -> f64 {
        self.accuracy_of_all_zeros
    }

    /// The score for a person.
    pub fn text(&self) -> String {
        let all = &self.evaluation;
        let share = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.4}"));
        let mut scores = [
            (
                "accuracy",
                Some(all.accuracy),
                Some(self.intervals.accuracy),
            ),
            (
                "exact match",
                Some(all.exact_match),
                Some(self.intervals.exact_match),
            ),
            (
                "mAP",
                all.mean_average_precision,
                self.intervals.mean_average_precision,
            ),
            (
                "CP",
                Some(all.class_precision),
                self.intervals.class_precision,
            ),
            ("CR", Some(all.class_recall), self.intervals.class_recall),
            ("CF1", Some(all.class_f1), self.intervals.class_f1),
            (
                "OP",
                Some(all.overall_precision),
                self.intervals.overall_precision,
            ),
            (
                "OR",
                Some(all.overall_recall),
                self.intervals.overall_recall,
            ),
            ("OF1", Some(all.overall_f1), self.intervals.overall_f1),
            ("loss", Some(all.loss), self.intervals.loss),
        ];
        if Metric::to_show_first(all) == Metric::MeanAveragePrecision {
            // Of rare labels these say more than how often nothing is there.
            let first = |name: &str| !matches!(name, "mAP" | "CF1");
            scores.sort_by_key(|(name, ..)| first(name));
        }
        let mut text = format!(
            "{} images x {} labels, scores with their 95 % intervals\n",
            self.images,
            all.labels.len()
        );
        for (name, value, interval) in scores {
            let interval = match (interval, self.no_interval.get(name)) {
                (Some(Interval { low, high }), _) => format!("  {low:.4} to {high:.4}"),
                (None, Some(reason)) => format!("  no interval: {reason}"),
                (None, None) => String::new(),
            };
            let zeros = match name {
                "accuracy" => format!("  (all zeros {:.4})", self.accuracy_of_all_zeros),
                _ => String::new(),
            };
            text.push_str(&format!("{name:<12} {}{interval}{zeros}\n", share(value)));
        }
        text.push_str(
            "\nlabel      support predicted  accuracy precision    recall        F1        AP\n",
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
        if self.images_not_predicted > 0 {
            text.push_str(&format!(
                "\n{} images of {} were not predicted and do not count\n",
                self.images_not_predicted,
                self.answers.display()
            ));
        }
        text
    }
}
