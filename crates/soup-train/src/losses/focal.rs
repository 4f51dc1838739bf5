//! Focal loss.

use serde::{Deserialize, Serialize};
use soup_engine::setting::{InvalidSetting, require};

use super::sigmoid::{sigmoid, softplus};

/// Focal loss (Lin et al., "Focal loss for dense object detection", ICCV 2017), as torchvision's
/// `sigmoid_focal_loss`: cross-entropy, weighed down where the answer is right already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Focal {
    /// Weight of positive cells; negative ones get `1 - alpha`. In `[0, 1]`, or -1 for no weights.
    pub alpha: f64,
    /// Exponent of the weight of easy cells; at least 0.
    pub gamma: f64,
}

impl Default for Focal {
    fn default() -> Self {
        Self {
            alpha: 0.25,
            gamma: 2.0,
        }
    }
}

impl Focal {
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        require(
            (0.0..=1.0).contains(&self.alpha) || self.alpha == -1.0,
            "loss.alpha",
            self.alpha,
            "must be between 0 and 1, or -1 for no weights",
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
        let entropy = target * softplus(-logit) + (1.0 - target) * softplus(logit);
        // The share of the answer that is wrong: 1 - p_t of the paper.
        let wrong = target * absent + (1.0 - target) * present;
        let focus = wrong.powf(self.gamma);
        // d focus / d logit = gamma focus (p q / wrong) (1 - 2 t). For hard targets the quotient is
        // written out, as both of its parts vanish together.
        let quotient = if target == 1.0 {
            present
        } else if target == 0.0 {
            absent
        } else {
            present * absent / wrong
        };
        let derivative =
            focus * ((present - target) + entropy * self.gamma * quotient * (1.0 - 2.0 * target));
        let weight = if self.alpha < 0.0 {
            1.0
        } else {
            self.alpha * target + (1.0 - self.alpha) * (1.0 - target)
        };
        (weight * entropy * focus, weight * derivative)
    }
}
