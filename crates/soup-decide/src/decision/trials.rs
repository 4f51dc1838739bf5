//! What each part of a decision is worth, judged on images that it was not fitted on.

use serde::Serialize;

use super::{Decision, Decoding, Recipe};
use crate::{
    Parts, Result, Sample,
    calibration::{Calibration, CalibrationKind},
    metrics::{Difference, RowMetric, Table},
    threshold::ThresholdKind,
};

/// What answers are to be good at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of right cells.
    Accuracy,
    /// Share of images with all labels right.
    ExactMatch,
}

/// A recipe, cross-fitted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trial {
    /// What was tried.
    pub recipe: Recipe,
    /// Share of right cells.
    pub accuracy: f64,
    /// Above the plain recipe.
    pub accuracy_gain: Difference,
    /// Share of right images.
    pub exact_match: f64,
    /// Above the plain recipe.
    pub exact_match_gain: Difference,
    /// Log loss a cell.
    pub loss: f64,
    /// Below that of the plain recipe.
    pub loss_gain: Difference,
    /// Whether it is the one to keep.
    pub is_best: bool,
}

/// The values of each image under a recipe, and the calibration of each part.
struct Judged {
    recipe: Recipe,
    calibrations: Vec<Calibration>,
    accuracy: Vec<f64>,
    exact_match: Vec<f64>,
    loss: Vec<f64>,
}

/// Calibrations beside none, the simplest first.
const CALIBRATIONS: [CalibrationKind; 2] = [CalibrationKind::Temperature, CalibrationKind::Platt];
/// Ways to answer beside thresholds of one half, the simplest first.
const ANSWERS: [(ThresholdKind, Decoding); 4] = [
    (ThresholdKind::Common, Decoding::Threshold),
    (ThresholdKind::PerLabel, Decoding::Threshold),
    (ThresholdKind::Half, Decoding::Count),
    (ThresholdKind::Half, Decoding::Set),
];
/// Recipes that [`trials`] tries, the plain one among them.
pub const RECIPES: usize = 1 + CALIBRATIONS.len() + ANSWERS.len();

/// Tries calibrations, thresholds and decodings, the simplest first, each cross-fitted over `parts`.
///
/// The calibration is chosen by log loss, thresholds and decoding by `metric`. A recipe takes the
/// place of a simpler one only where its gain over that one lies above 0 with its whole 95 %
/// interval (paired, [`Difference`]): ties are ties, and the simpler one stays.
///
/// `note` hears how many of the [`RECIPES`] are judged.
///
/// # Errors
/// [`crate::DecideError::TooFewImages`] for fewer than 50 images.
pub fn trials(
    labels: &[String],
    sample: &Sample,
    parts: &Parts,
    metric: Metric,
    note: &mut dyn FnMut(usize),
) -> Result<Vec<Trial>> {
    sample.at_least(Decision::FEWEST_IMAGES, "a decision")?;
    let judge = |recipe, calibrations| judge(recipe, calibrations, labels, sample, parts);
    let mut all = vec![judge(
        Recipe::PLAIN,
        vec![Calibration::None; parts.count()],
    )?];
    note(all.len());
    let mut best = 0;
    for calibration in CALIBRATIONS {
        let recipe = Recipe {
            calibration,
            ..Recipe::PLAIN
        };
        let fit =
            |(_, others): (_, Vec<usize>)| Calibration::fit(calibration, &sample.only(&others));
        all.push(judge(recipe, parts.in_turn().map(fit).collect())?);
        note(all.len());
        let (new, known) = (&all[all.len() - 1], &all[best]);
        // A lower loss is the gain.
        if Difference::of(&known.loss, &new.loss).is_gain() {
            best = all.len() - 1;
        }
    }
    let (calibrated, calibrations) = (all[best].recipe, all[best].calibrations.clone());
    for (thresholds, decoding) in ANSWERS {
        let recipe = Recipe {
            thresholds,
            decoding,
            ..calibrated
        };
        all.push(judge(recipe, calibrations.clone())?);
        note(all.len());
        let values = |judged: &Judged| match metric {
            Metric::Accuracy => judged.accuracy.clone(),
            Metric::ExactMatch => judged.exact_match.clone(),
        };
        let (new, known) = (&all[all.len() - 1], &all[best]);
        if Difference::of(&values(new), &values(known)).is_gain() {
            best = all.len() - 1;
        }
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let plain = &all[0];
    let trial = |(place, judged): (usize, &Judged)| Trial {
        recipe: judged.recipe,
        accuracy: mean(&judged.accuracy),
        accuracy_gain: Difference::of(&judged.accuracy, &plain.accuracy),
        exact_match: mean(&judged.exact_match),
        exact_match_gain: Difference::of(&judged.exact_match, &plain.exact_match),
        loss: mean(&judged.loss),
        loss_gain: Difference::of(&plain.loss, &judged.loss),
        is_best: place == best,
    };
    Ok(all.iter().enumerate().map(trial).collect())
}

/// Judges each part by what was fitted on all others, with the calibration that was.
fn judge(
    recipe: Recipe,
    calibrations: Vec<Calibration>,
    labels: &[String],
    sample: &Sample,
    parts: &Parts,
) -> Result<Judged> {
    let images = sample.images();
    let mut judged = Judged {
        recipe,
        calibrations,
        accuracy: vec![0.0; images],
        exact_match: vec![0.0; images],
        loss: vec![0.0; images],
    };
    for ((own, others), calibration) in parts.in_turn().zip(&judged.calibrations) {
        let others = sample.only(&others);
        let calibration = calibration.clone();
        let decision = Decision::fit_on(recipe, calibration, labels, &others, &others.targets)?;
        let held_out = sample.only(&own);
        let (values, answers) = decision.answers_of(&held_out.probabilities, recipe.decoding)?;
        let table =
            Table::new(&values, &held_out.targets, labels, &[0.5])?.with_answers(&answers)?;
        for (metric, all) in [
            (RowMetric::Accuracy, &mut judged.accuracy),
            (RowMetric::ExactMatch, &mut judged.exact_match),
            (RowMetric::Loss, &mut judged.loss),
        ] {
            for (row, value) in own.iter().zip(table.row_values(metric)) {
                all[*row] = value;
            }
        }
    }
    Ok(judged)
}
