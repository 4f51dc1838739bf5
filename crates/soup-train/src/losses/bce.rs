//! Binary cross-entropy with logits.

use serde::{Deserialize, Serialize};
use soup_engine::setting::{InvalidSetting, require};

use super::sigmoid::{sigmoid, softplus};

/// Binary cross-entropy with logits, as PyTorch's `binary_cross_entropy_with_logits`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bce {
    /// Moves every target by this share of the way to 0.5; in `[0, 1)`.
    pub label_smoothing: f64,
    /// Weight of the positive term: none (all 1), one for all labels, or one a label; above 0.
    pub positive_weights: Vec<f64>,
}

impl Bce {
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        require(
            (0.0..1.0).contains(&self.label_smoothing),
            "loss.label_smoothing",
            self.label_smoothing,
            "must be at least 0 and less than 1",
        )?;
        for &weight in &self.positive_weights {
            require(
                weight > 0.0 && weight.is_finite(),
                "loss.positive_weights",
                format_args!("{:?}", self.positive_weights),
                "every weight must be a number above 0",
            )?;
        }
        Ok(())
    }

    pub(super) fn check_labels(&self, labels: usize) -> Result<(), InvalidSetting> {
        let weights = self.positive_weights.len();
        require(
            weights <= 1 || weights == labels,
            "loss.positive_weights",
            format_args!("a list of {weights} weights"),
            format_args!("give one weight for all labels or one for each of the {labels} labels"),
        )
    }

    pub(super) fn assert_labels(&self, labels: usize) {
        if let Err(error) = self.check_labels(labels) {
            panic!("{error}");
        }
    }

    pub(super) fn cell(&self, label: usize, logit: f64, target: f64) -> (f64, f64) {
        let weight = match self.positive_weights.as_slice() {
            [] => 1.0,
            [all] => *all,
            each => each[label],
        };
        let target = target * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing;
        let loss = weight * target * softplus(-logit) + (1.0 - target) * softplus(logit);
        let derivative = (1.0 - target) * sigmoid(logit) - weight * target * sigmoid(-logit);
        (loss, derivative)
    }
}
