//! The mean of logits.

use std::borrow::Cow;

use super::mean::weighted;

/// Probabilities closer to 0 or 1 are taken as this close, so that files of answers (0 and 1) have
/// a logit too. It is the distance from 1 that a float32 can just tell.
const CLOSEST: f64 = 1e-7;

/// The sigmoid of the weighted mean of the logits of each cell.
pub(super) fn combine(tables: &[Cow<'_, [f32]>], weights: &[f64]) -> Vec<f32> {
    weighted(tables, weights, logit)
        .map(|logit| (1.0 / (1.0 + (-logit).exp())) as f32)
        .collect()
}

fn logit(probability: f32) -> f64 {
    let probability = f64::from(probability).clamp(CLOSEST, 1.0 - CLOSEST);
    (probability / (1.0 - probability)).ln()
}
