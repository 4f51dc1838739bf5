//! The mean of logits.

use std::borrow::Cow;

use super::mean::weighted;
use crate::logit::{logit, sigmoid};

/// The sigmoid of the weighted mean of the logits of each cell.
pub(super) fn combine(tables: &[Cow<'_, [f32]>], weights: &[f64]) -> Vec<f32> {
    weighted(tables, weights, logit)
        .map(|logit| sigmoid(logit) as f32)
        .collect()
}
