//! Slope and intercept of one label.

use crate::logit::{logit, sigmoid, softplus};

/// Fewer images with or without the label tell nothing: it keeps its probabilities.
const FEWEST: usize = 10;
const MOST_STEPS: usize = 100;

/// Slope and intercept with the least log loss against Platt's smoothed targets, by Newton's method
/// with backtracking (Lin, Lin and Weng, "A note on Platt's probabilistic outputs", 2007).
pub(super) fn fit(cells: impl Iterator<Item = (f32, bool)>) -> (f64, f64) {
    let cells: Vec<(f64, bool)> = cells.map(|(p, present)| (logit(p), present)).collect();
    let positives = cells.iter().filter(|cell| cell.1).count();
    let negatives = cells.len() - positives;
    if positives.min(negatives) < FEWEST {
        return (1.0, 0.0);
    }
    let target_of = |present| {
        if present {
            (positives as f64 + 1.0) / (positives as f64 + 2.0)
        } else {
            1.0 / (negatives as f64 + 2.0)
        }
    };
    let loss = |slope: f64, intercept: f64| -> f64 {
        (cells.iter())
            .map(|(logit, present)| {
                let value = slope * logit + intercept;
                softplus(value) - target_of(*present) * value
            })
            .sum()
    };
    let (mut slope, mut intercept) = (1.0, 0.0);
    let mut current = loss(slope, intercept);
    for _ in 0..MOST_STEPS {
        let [mut by_slope, mut by_intercept] = [0.0; 2];
        // A ridge too small to matter keeps the system solvable where all logits are the same.
        let [
            mut slope_slope,
            mut slope_intercept,
            mut intercept_intercept,
        ] = [1e-12, 0.0, 1e-12];
        for (logit, present) in &cells {
            let probability = sigmoid(slope * logit + intercept);
            let error = probability - target_of(*present);
            let weight = probability * (1.0 - probability);
            by_slope += error * logit;
            by_intercept += error;
            slope_slope += weight * logit * logit;
            slope_intercept += weight * logit;
            intercept_intercept += weight;
        }
        if by_slope.abs().max(by_intercept.abs()) < 1e-9 * cells.len() as f64 {
            break;
        }
        let determinant = slope_slope * intercept_intercept - slope_intercept * slope_intercept;
        let slope_step =
            (slope_intercept * by_intercept - intercept_intercept * by_slope) / determinant;
        let intercept_step =
            (slope_intercept * by_slope - slope_slope * by_intercept) / determinant;
        let gain = by_slope * slope_step + by_intercept * intercept_step;
        let mut size = 1.0;
        loop {
            let (next_slope, next_intercept) =
                (slope + size * slope_step, intercept + size * intercept_step);
            let next = loss(next_slope, next_intercept);
            if next <= current + 1e-4 * size * gain {
                (slope, intercept, current) = (next_slope, next_intercept, next);
                break;
            }
            size /= 2.0;
            // No step this small helps: the rest is rounding.
            if size < 1e-10 {
                return (slope, intercept);
            }
        }
    }
    (slope, intercept)
}
