//! Ensembles: one table of predictions from many.

mod align;
mod fit;
mod logit_mean;
mod mean;
mod vote;

use crate::{DecideError, Predictions, Result, Thresholds};

pub use fit::{FittedWeights, fit_weights};
pub use vote::Tie;

/// How several predictions of one cell become one.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// The (weighted) mean of the probabilities.
    Mean,
    /// The sigmoid of the (weighted) mean of the logits: confident files count for more.
    LogitMean,
    /// Each file votes positive or negative by the thresholds; the (weighted) majority wins and the result is 0
    /// or 1.
    Vote {
        /// Above which a vote is positive.
        thresholds: Thresholds,
        /// What half of the votes gives.
        tie: Tie,
    },
}

/// Combines any number of tables. Images and labels are matched by name; the result has the order
/// of the first table. Sums are taken in double precision in the order of the tables.
///
/// # Errors
/// No table at all, a table that lacks an image or label of the first one or has another one,
/// weights that are not one finite positive number a table.
pub fn combine(
    tables: &[Predictions],
    method: &Method,
    weights: Option<&[f64]>,
) -> Result<Predictions> {
    let first = tables.first().ok_or(DecideError::NothingToCombine)?;
    let weights = checked_weights(tables.len(), weights)?;
    let (aligned, notes) = align::align(tables)?;
    let values = match method {
        Method::Mean => mean::combine(&aligned, &weights),
        Method::LogitMean => logit_mean::combine(&aligned, &weights),
        Method::Vote { thresholds, tie } => vote::combine(
            &aligned,
            &weights,
            &thresholds.in_order(first.labels())?,
            *tie,
        ),
    };
    Predictions::new(
        "the ensemble",
        first.ids().to_vec(),
        first.labels().to_vec(),
        values,
    )
    .map(|combined| combined.with_notes(notes))
}

/// One weight a table; equal ones where none are given.
fn checked_weights(tables: usize, weights: Option<&[f64]>) -> Result<Vec<f64>> {
    let Some(weights) = weights else {
        return Ok(vec![1.0; tables]);
    };
    let refuse = |problem: String| DecideError::Weights {
        weights: weights.to_vec(),
        problem,
    };
    if weights.len() != tables {
        return Err(refuse(format!("give one weight a file, {tables} in all")));
    }
    if !weights
        .iter()
        .all(|weight| weight.is_finite() && *weight > 0.0)
    {
        return Err(refuse("every weight must be a positive number".into()));
    }
    Ok(weights.to_vec())
}
