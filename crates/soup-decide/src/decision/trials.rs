//! What each part of a decision is worth, by cross-fitting: scored on images that it was not fitted on.

use serde::Serialize;

use super::{Decision, Decoding, Recipe};
use crate::{
    Parts, Result, Sample,
    calibration::{Calibration, CalibrationKind},
    metrics::{Difference, RowMetric, ScoredPredictions},
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
struct CrossFitted {
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
/// `note` gets how many of the [`RECIPES`] are scored.
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
    let cross_fit = |recipe, calibrations| cross_fit(recipe, calibrations, labels, sample, parts);
    let mut all = vec![cross_fit(
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
        all.push(cross_fit(recipe, parts.in_turn().map(fit).collect())?);
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
        all.push(cross_fit(recipe, calibrations.clone())?);
        note(all.len());
        let values = |scored: &CrossFitted| match metric {
            Metric::Accuracy => scored.accuracy.clone(),
            Metric::ExactMatch => scored.exact_match.clone(),
        };
        let (new, known) = (&all[all.len() - 1], &all[best]);
        if Difference::of(&values(new), &values(known)).is_gain() {
            best = all.len() - 1;
        }
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let plain = &all[0];
    let trial = |(place, scored): (usize, &CrossFitted)| Trial {
        recipe: scored.recipe,
        accuracy: mean(&scored.accuracy),
        accuracy_gain: Difference::of(&scored.accuracy, &plain.accuracy),
        exact_match: mean(&scored.exact_match),
        exact_match_gain: Difference::of(&scored.exact_match, &plain.exact_match),
        loss: mean(&scored.loss),
        loss_gain: Difference::of(&plain.loss, &scored.loss),
        is_best: place == best,
    };
    Ok(all.iter().enumerate().map(trial).collect())
}

/// Scores each part by what was fitted on all others, with the calibration that was.
fn cross_fit(
    recipe: Recipe,
    calibrations: Vec<Calibration>,
    labels: &[String],
    sample: &Sample,
    parts: &Parts,
) -> Result<CrossFitted> {
    let images = sample.images();
    let mut scored = CrossFitted {
        recipe,
        calibrations,
        accuracy: vec![0.0; images],
        exact_match: vec![0.0; images],
        loss: vec![0.0; images],
    };
    for ((own, others), calibration) in parts.in_turn().zip(&scored.calibrations) {
        let others = sample.only(&others);
        let calibration = calibration.clone();
        let decision = Decision::fit_on(recipe, calibration, labels, &others, &others.targets)?;
        let held_out = sample.only(&own);
        let (values, answers) = decision.answers_of(&held_out.probabilities, recipe.decoding)?;
        let table = ScoredPredictions::new(&values, &held_out.targets, labels, &[0.5])?
            .with_answers(&answers)?;
        for (metric, all) in [
            (RowMetric::Accuracy, &mut scored.accuracy),
            (RowMetric::ExactMatch, &mut scored.exact_match),
            (RowMetric::Loss, &mut scored.loss),
        ] {
            for (row, value) in own.iter().zip(table.row_values(metric)) {
                all[*row] = value;
            }
        }
    }
    Ok(scored)
}
