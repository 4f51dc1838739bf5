//! What turns probabilities into answers.

use crate::decision::{Answers, Decoding};
use crate::{Decision, Predictions, Result, Thresholds};

/// Thresholds by hand, or a fitted decision.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// Each label by its threshold, probabilities as they are.
    Thresholds(Thresholds),
    /// A decision, and a decoding that overrules its own.
    Decision(Box<Decision>, Option<Decoding>),
}

impl Default for Rule {
    /// Above .5.
    fn default() -> Self {
        Self::Thresholds(Thresholds::default())
    }
}

impl Rule {
    /// Answers for raw predictions.
    ///
    /// # Errors
    /// A threshold for a label that is not predicted, other labels than the decision's.
    pub fn answer(&self, predictions: &Predictions) -> Result<Answers> {
        match self {
            Self::Decision(decision, decoding) => decision.answer(predictions, *decoding),
            Self::Thresholds(thresholds) => {
                let labels = predictions.labels().len();
                let thresholds = thresholds.in_order(predictions.labels())?;
                let values = predictions.values().iter().enumerate();
                Ok(Answers {
                    answers: values
                        .map(|(cell, value)| *value > thresholds[cell % labels])
                        .collect(),
                    probabilities: predictions.clone(),
                })
            }
        }
    }
}
