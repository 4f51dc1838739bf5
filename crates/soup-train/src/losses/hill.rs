//! Hill loss.

use serde::{Deserialize, Serialize};
use soup_engine::setting::{InvalidSetting, require};

use super::sigmoid::{sigmoid, softplus};

/// Hill loss (Zhang et al., "Simple and robust loss design for multi-label learning with missing
/// labels", 2021): negatives follow `(lambda - p) p^2`, which falls off again where the network is
/// confident that the label was forgotten; positives follow a focal loss behind a margin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hill {
    /// Height of the hill of negative cells; at least 1, so that the loss is not negative.
    pub lambda: f64,
    /// Taken off the logits of positive cells; the authors advise 0.5 to 1.
    pub margin: f64,
    /// Focusing exponent of positive cells; at least 0.
    pub gamma: f64,
}

impl Default for Hill {
    fn default() -> Self {
        Self {
            lambda: 1.5,
            margin: 1.0,
            gamma: 2.0,
        }
    }
}

impl Hill {
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        require(
            self.lambda >= 1.0 && self.lambda.is_finite(),
            "loss.lambda",
            self.lambda,
            "must be a number of at least 1",
        )?;
        require(
            self.margin >= 0.0 && self.margin.is_finite(),
            "loss.margin",
            self.margin,
            "must be a number of at least 0",
        )?;
        require(
            self.gamma >= 0.0 && self.gamma.is_finite(),
            "loss.gamma",
            self.gamma,
            "must be a number of at least 0",
        )
    }

    pub(super) fn cell(&self, logit: f64, target: f64) -> (f64, f64) {
        let (present, absent) = (sigmoid(logit), sigmoid(-logit));
        let behind = logit - self.margin;
        let (present_behind, absent_behind) = (sigmoid(behind), sigmoid(-behind));
        let hill = (self.lambda - present) * present * present;
        let hill_derivative = (2.0 * self.lambda - 3.0 * present) * present * present * absent;
        let base = target * softplus(-behind) + (1.0 - target) * hill;
        let base_derivative = -target * absent_behind + (1.0 - target) * hill_derivative;

        let wrong = target * absent_behind + (1.0 - target);
        let focus = wrong.powf(self.gamma);
        // For a positive cell `wrong` is `absent_behind`: divided out, as both vanish together.
        let quotient = if target == 1.0 {
            present_behind
        } else {
            target * present_behind * absent_behind / wrong
        };
        let focus_derivative = -self.gamma * focus * quotient;
        (
            base * focus,
            base_derivative * focus + base * focus_derivative,
        )
    }
}
