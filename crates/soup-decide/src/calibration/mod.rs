//! Calibration: of all cells given a probability of .8, eight in ten should hold the label.
//!
//! A network that was trained for long is too sure; what follows from its probabilities (counts,
//! thresholds, costs) is then wrong, though the ranking is right. Fit on out-of-fold predictions:
//! those of the training images are surer than any other.

mod platt;
mod temperature;

use serde::{Deserialize, Serialize};

use crate::Sample;
use crate::logit::{logit, sigmoid};

/// A map from probabilities to better ones, monotone in each label.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Calibration {
    /// Probabilities stay as they are.
    #[default]
    None,
    /// Logits are divided by one number for all labels (Guo et al., "On calibration of modern neural
    /// networks", ICML 2017).
    Temperature {
        /// Above 1 makes less sure.
        temperature: f64,
    },
    /// `sigmoid(slope * logit + intercept)`, for each label its own (Platt, "Probabilistic outputs
    /// for support vector machines", 1999, with his smoothed targets).
    Platt {
        /// One a label.
        slopes: Vec<f64>,
        /// One a label.
        intercepts: Vec<f64>,
    },
}

/// Which calibration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationKind {
    /// None.
    None,
    /// One temperature.
    Temperature,
    /// Slope and intercept a label.
    Platt,
}

impl Calibration {
    /// The calibration of this kind with the least log loss on the sample.
    pub fn fit(kind: CalibrationKind, sample: &Sample) -> Self {
        match kind {
            CalibrationKind::None => Self::None,
            CalibrationKind::Temperature => Self::Temperature {
                temperature: temperature::fit(sample),
            },
            CalibrationKind::Platt => {
                let (slopes, intercepts) = (0..sample.labels)
                    .map(|label| platt::fit(sample.column(label)))
                    .unzip();
                Self::Platt { slopes, intercepts }
            }
        }
    }

    /// The calibrated probability of a label, by its column.
    ///
    /// # Panics
    /// For a column past the labels that it was fitted on.
    pub fn of(&self, label: usize, probability: f32) -> f32 {
        let logit = || logit(probability);
        match self {
            Self::None => probability,
            Self::Temperature { temperature } => sigmoid(logit() / temperature) as f32,
            Self::Platt { slopes, intercepts } => {
                sigmoid(slopes[label] * logit() + intercepts[label]) as f32
            }
        }
    }

    /// What is wrong with it, for so many labels.
    pub(crate) fn problem(&self, labels: usize) -> Option<String> {
        match self {
            Self::None => None,
            Self::Temperature { temperature } => (!(temperature.is_finite() && *temperature > 0.0))
                .then(|| format!("its temperature is {temperature}")),
            Self::Platt { slopes, intercepts } => {
                if [slopes.len(), intercepts.len()] != [labels; 2] {
                    return Some(format!(
                        "it calibrates {} labels, but there are {labels}",
                        slopes.len()
                    ));
                }
                (!slopes
                    .iter()
                    .chain(intercepts)
                    .all(|value| value.is_finite()))
                .then(|| "it holds a slope or intercept that is not a number".into())
            }
        }
    }
}
