//! `soup decide`: from out-of-fold predictions to one small file that makes better answers.

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_decide::{
    Decision, Parts, Predictions, Sample, ThresholdKind,
    calibration::{Calibration, CalibrationKind},
    decision::{Decoding, Metric, RECIPES, Recipe, Trial, trials},
    metrics::Difference,
    views::Views,
};
use soup_train::trainer::OutOfFold;

use crate::{
    console::{Console, Report},
    failure::Usage,
    interrupt,
    output::Output,
    progress::Bar,
};

/// Fit calibration, thresholds and label counts on out-of-fold predictions
///
/// Tries, the simplest first: probabilities as they are, one temperature, Platt scaling of each label;
/// then one threshold for all labels, one for each, and decoding by how many labels images have. Each is
/// scored on images that it was not fitted on (cross-validation by the run's folds). It is kept only
/// where the whole 95 % interval of its gain lies above 0.
#[derive(Debug, Args)]
#[command(after_help = "\
Fitted on the views that soup tta kept, where it kept any. soup submit and soup evaluate take raw
probabilities and the file; soup predict takes only its views.

Examples:
  soup decide runs/first
  soup predict runs/first --decision runs/first/decision.json --images test/ --out probs.csv
  soup submit probs.csv --decision runs/first/decision.json --sample sample.csv --out s.csv
  soup decide --predictions oof.csv --labels answer.csv --metric exact-match --out decision.json")]
pub struct Arguments {
    /// A run that soup train wrote
    #[arg(value_name = "RUN", required_unless_present = "predictions")]
    run: Option<PathBuf>,

    /// Probabilities of images that no model was trained on: .csv, .csv.gz or .npy
    #[arg(long, value_name = "FILE", conflicts_with = "run", requires_all = ["labels", "out"])]
    predictions: Option<PathBuf>,

    /// The true labels, 0 or 1, in the same shape; more images make the label counts more certain
    #[arg(long, value_name = "FILE", requires = "predictions")]
    labels: Option<PathBuf>,

    /// What is to be improved
    #[arg(long, value_enum, default_value_t = Metric::Accuracy)]
    metric: Metric,

    /// The decision; - is stdout [default: RUN/decision.json]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Serialize)]
pub struct Facts {
    predictions: PathBuf,
    #[serde(rename = "pictures")]
    images: usize,
    labels: usize,
    /// Parts of the images, each scored by what was fitted on the others.
    parts: usize,
    trials: Vec<Trial>,
    kept: Recipe,
    #[serde(skip_serializing_if = "Option::is_none")]
    views: Option<Views>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    /// The fewest and the most labels that an image has.
    label_counts: (usize, usize),
    out: PathBuf,
}

pub fn run(arguments: &Arguments, console: Console) -> Result<Report> {
    let given = (&arguments.run, &arguments.predictions, &arguments.labels);
    let path = match (&arguments.out, &arguments.run) {
        (Some(out), _) => out.clone(),
        (None, Some(run)) => run.join("decision.json"),
        (None, None) => return Err(Usage("name the decision's file with --out".into()).into()),
    };
    let out = Output::new(&path, "--out", &["json"])?;
    let held_out = match given {
        (Some(run), _, _) => of_run(run, interrupt::watch()?.as_ref())?,
        (None, Some(predictions), Some(labels)) => {
            let predictions = Predictions::read(predictions)?;
            let truth = Predictions::read_answers(labels)?;
            let parts = Parts::drawn(predictions.len(), Parts::DRAWN, 0);
            (predictions, truth, parts, None)
        }
        _ => return Err(Usage("name a run, or --predictions and --labels".into()).into()),
    };
    let (facts, notes) = fit(held_out, arguments.metric, &path, &out, console)?;
    console.notes(&notes);
    let text = facts.text();
    out.report(facts, text)
}

/// Predictions, the labels of all images, the parts of the cross-validation, and the views.
type HeldOut = (Predictions, Predictions, Parts, Option<Views>);

/// Fits a decision for a run, and writes it into the run.
pub fn for_run(run: &Path, metric: Metric, console: Console, stop: &AtomicBool) -> Result<Facts> {
    let path = run.join("decision.json");
    let out = Output::new(&path, "--out", &["json"])?;
    Ok(fit(of_run(run, stop)?, metric, &path, &out, console)?.0)
}

/// The facts, and what a person should know of how the tables were read and matched.
fn fit(
    held_out: HeldOut,
    metric: Metric,
    path: &Path,
    out: &Output,
    console: Console,
) -> Result<(Facts, Vec<String>)> {
    let (predictions, truth, parts, views) = held_out;
    let labels = predictions.labels();
    let met = truth.selected(predictions.ids(), labels, predictions.source())?;
    let notes = predictions.notes().iter().chain(met.notes()).cloned();
    let notes = notes.collect();
    let sample = Sample::new(&predictions, &truth)?;
    console.note(&format!(
        "trying {RECIPES} recipes on {} images x {} labels, in {} parts",
        sample.images(),
        labels.len(),
        parts.count()
    ));
    let bar = Bar::new(console, "deciding", RECIPES as u64, "recipes");
    let tried = trials(labels, &sample, &parts, metric, &mut |done| {
        bar.set(done as u64)
    });
    bar.finish();
    let tried = tried?;
    let kept = (tried.iter().find(|trial| trial.is_best)).map_or(Recipe::PLAIN, |best| best.recipe);
    // The counts of all labels that are known, in the order of the predictions.
    let counted = truth.arranged(truth.ids(), labels, predictions.source())?;
    let decision = Decision::fit(kept, labels, &sample, counted.values())?.with_views(views);
    out.write(decision.text()?.as_bytes())?;
    let facts = Facts {
        predictions: predictions.source().to_path_buf(),
        images: sample.images(),
        labels: labels.len(),
        parts: parts.count(),
        trials: tried,
        kept,
        views: decision.views().cloned(),
        temperature: match decision.calibration() {
            Calibration::Temperature { temperature } => Some(*temperature),
            Calibration::None | Calibration::Platt { .. } => None,
        },
        label_counts: decision.prior().range(),
        out: path.to_path_buf(),
    };
    Ok((facts, notes))
}

/// Out-of-fold predictions of a run, with the views that soup tta kept where it kept any.
fn of_run(run: &Path, stop: &AtomicBool) -> Result<HeldOut> {
    let (found, views) = match OutOfFold::read_with_views(run, stop)? {
        Some((found, views)) => (found, Some(views)),
        None => (OutOfFold::read(run, stop)?, None),
    };
    let (predictions, truth) = found.tables()?;
    let folds: Vec<u32> = (found.held_out().into_iter())
        .map(|row| found.folds[row])
        .collect();
    Ok((predictions, truth, Parts::of_folds(&folds), views))
}

impl Facts {
    fn text(&self) -> String {
        let mut text = format!(
            "{} images x {} labels of {}, in {} parts, each scored by what was fitted on the others\n",
            self.images,
            self.labels,
            self.predictions.display(),
            self.parts
        );
        if let Some(views) = &self.views {
            text.push_str(&format!(
                "views {views}, merged by {}\n",
                views.merge().name()
            ));
        }
        text.push_str(
            "\n                     accuracy  gain (95 % interval)      exact  gain (95 % interval)      \
             loss\n",
        );
        for (place, trial) in self.trials.iter().enumerate() {
            let gain = |gain: &Difference| match place {
                0 => String::new(),
                _ => format!("{:+.4} ({:+.4} {:+.4})", gain.mean, gain.low, gain.high),
            };
            text.push_str(&format!(
                "{} {:<19}  {:.4} {:<25}  {:.4} {:<25}  {:.4}\n",
                if trial.is_best { '>' } else { ' ' },
                name(trial.recipe),
                trial.accuracy,
                gain(&trial.accuracy_gain),
                trial.exact_match,
                gain(&trial.exact_match_gain),
                trial.loss,
            ));
        }
        text.push_str(&format!("\nkept (>): {}\n", name(self.kept)));
        let (fewest, most) = self.label_counts;
        text.push_str(&format!("images have {fewest} to {most} labels\n"));
        if let Some(temperature) = self.temperature {
            let side = if temperature > 1.0 {
                "overconfident"
            } else {
                "underconfident"
            };
            text.push_str(&format!(
                "temperature {temperature:.3}: the probabilities were {side}\n"
            ));
        }
        if self.kept == Recipe::PLAIN {
            text.push_str(
                "nothing is a significant gain: answers stay as they were, above one half\n",
            );
        }
        text.push_str(&format!("written to {}\n", self.out.display()));
        text
    }
}

/// A recipe in words; thresholds and decodings stand on the calibration that was kept.
fn name(recipe: Recipe) -> &'static str {
    match (recipe.decoding, recipe.thresholds, recipe.calibration) {
        (Decoding::Count, ..) => "label counts: cells",
        (Decoding::Set, ..) => "label counts: sets",
        (_, ThresholdKind::Common, _) => "one threshold",
        (_, ThresholdKind::PerLabel, _) => "a threshold a label",
        (.., CalibrationKind::Temperature) => "temperature",
        (.., CalibrationKind::Platt) => "Platt, a label",
        (.., CalibrationKind::None) => "as predicted",
    }
}
