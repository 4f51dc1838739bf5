//! Weights of the mean, fitted on images whose labels are known.

use super::{Method, align, combine};
use crate::{DecideError, Parts, Predictions, Result, Sample, metrics::Difference};

/// With fewer images a file, weights are noise: equal ones are better.
const IMAGES_A_FILE: usize = 100;
/// The loss lies at most this far above the least possible, in nats a cell.
const GAP: f64 = 1e-5;
const MOST_STEPS: usize = 2_000;
const CLOSEST: f64 = 1e-7;
/// Stands for no weight at all.
const SMALLEST: f64 = 1e-9;

/// Weights that were fitted, and what they bring.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedWeights {
    /// One a file; they sum to 1. Equal ones where fitted ones are no proven gain.
    pub weights: Vec<f64>,
    /// Whether they are the fitted ones.
    pub is_fitted: bool,
    /// By how much the log loss a cell is lower than with equal weights: each image scored by
    /// weights that were fitted without its part.
    pub loss_gain: Difference,
    /// The same for the share of right cells at threshold .5.
    pub accuracy_gain: Difference,
}

/// The weights of [`Method::Mean`] with the least log loss, none of them negative. They are kept
/// only where the cross-fitted loss is lower than that of equal weights beyond doubt (95 %,
/// paired over the images).
///
/// The predictions must be of images that no model was trained on (out of fold).
///
/// # Errors
/// [`DecideError::TooFewImages`] for fewer than 100 images a file, fewer than two files, and as
/// [`combine`]; an image without true labels.
pub fn fit_weights(tables: &[Predictions], truth: &Predictions) -> Result<FittedWeights> {
    let first = tables.first().ok_or(DecideError::NothingToCombine)?;
    if tables.len() < 2 {
        return Err(DecideError::Weights {
            weights: vec![],
            problem: "one file needs no weight; give two or more".into(),
        });
    }
    let equal = vec![1.0 / tables.len() as f64; tables.len()];
    let mean = combine(tables, &Method::Mean, None)?;
    let sample = Sample::new(&mean, truth)?;
    sample.at_least(IMAGES_A_FILE * tables.len(), "weights of an ensemble")?;
    let (aligned, _) = align::align(tables)?;
    let labels = first.labels().len();
    // What each file gives to the truth, cell by cell.
    let likelihood: Vec<Vec<f64>> = aligned
        .iter()
        .map(|table| {
            (table.iter().zip(&sample.targets))
                .map(|(p, target)| {
                    let p = f64::from(*p);
                    // What nobody knows is given by every file alike.
                    if target.is_nan() {
                        return 1.0;
                    }
                    let right = if *target == 1.0 { p } else { 1.0 - p };
                    right.clamp(CLOSEST, 1.0 - CLOSEST)
                })
                .collect()
        })
        .collect();

    let parts = Parts::drawn(sample.images(), Parts::DRAWN, 0);
    let images = sample.images();
    let (mut loss, mut accuracy) = (vec![0.0; images], vec![0.0; images]);
    for (own, others) in parts.in_turn() {
        let weights = of_cells(&likelihood, &others, labels);
        for row in own {
            (loss[row], accuracy[row]) = score(&likelihood, &weights, row, labels);
        }
    }
    let (equal_loss, equal_accuracy): (Vec<f64>, Vec<f64>) = (0..images)
        .map(|row| score(&likelihood, &equal, row, labels))
        .unzip();
    let loss_gain = Difference::of(&equal_loss, &loss);
    let is_fitted = loss_gain.is_gain();
    let all: Vec<usize> = (0..images).collect();
    Ok(FittedWeights {
        weights: if is_fitted {
            of_cells(&likelihood, &all, labels)
        } else {
            equal
        },
        is_fitted,
        loss_gain,
        accuracy_gain: Difference::of(&accuracy, &equal_accuracy),
    })
}

/// Log loss and share of right cells of one image.
fn score(likelihood: &[Vec<f64>], weights: &[f64], row: usize, labels: usize) -> (f64, f64) {
    let (mut loss, mut right) = (0.0, 0.0);
    for cell in row * labels..(row + 1) * labels {
        let mixed = mixed(likelihood, weights, cell);
        loss -= mixed.ln();
        right += f64::from(u8::from(mixed > 0.5));
    }
    (loss / labels as f64, right / labels as f64)
}

fn mixed(likelihood: &[Vec<f64>], weights: &[f64], cell: usize) -> f64 {
    (likelihood.iter().zip(weights))
        .map(|(file, weight)| weight * file[cell])
        .sum()
}

/// The mixture weights of the highest likelihood, by expectation maximisation (Dempster, Laird and
/// Rubin, 1977): each step raises the likelihood and stays on the simplex, and the largest mean
/// share bounds how much is left to gain.
fn of_cells(likelihood: &[Vec<f64>], rows: &[usize], labels: usize) -> Vec<f64> {
    let files = likelihood.len();
    let mut weights = vec![1.0 / files as f64; files];
    let cells = (rows.len() * labels) as f64;
    for _ in 0..MOST_STEPS {
        let mut shares = vec![0.0; files];
        for row in rows {
            for cell in row * labels..(row + 1) * labels {
                let mixed = mixed(likelihood, &weights, cell);
                for (share, file) in shares.iter_mut().zip(likelihood) {
                    *share += file[cell] / mixed;
                }
            }
        }
        let mut largest: f64 = 0.0;
        for (weight, share) in weights.iter_mut().zip(shares) {
            largest = largest.max(share / cells);
            *weight *= share / cells;
        }
        if largest < 1.0 + GAP {
            break;
        }
    }
    // A weight is positive everywhere else, and rounding adds up over the steps.
    weights
        .iter_mut()
        .for_each(|weight| *weight = weight.max(SMALLEST));
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}
