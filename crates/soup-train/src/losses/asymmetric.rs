//! Asymmetric loss.

use serde::{Deserialize, Serialize};
use soup_engine::setting::{InvalidSetting, require};

use super::sigmoid::{sigmoid, softplus};

/// Asymmetric loss (Ridnik et al., "Asymmetric loss for multi-label classification", ICCV 2021):
/// easy negatives weigh less than easy positives, and very easy ones nothing.
///
/// The authors' code cuts probabilities at 1e-8 before the logarithm, which takes the gradient from
/// every positive below a logit of -18.4. Here the logarithm is exact instead; above that logit the
/// two agree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Asymmetric {
    /// Focusing exponent of negative cells; at least 0.
    pub gamma_negative: f64,
    /// Focusing exponent of positive cells; at least 0.
    pub gamma_positive: f64,
    /// Probability that is taken off negative cells, so that those below it do not count; in
    /// `[0, 1)`.
    pub clip: f64,
    /// Whether the focusing weight counts as a constant in the gradient
    /// (`disable_torch_grad_focal_loss` of the authors' code).
    pub detach_focus: bool,
}

impl Default for Asymmetric {
    fn default() -> Self {
        Self {
            gamma_negative: 4.0,
            gamma_positive: 1.0,
            clip: 0.05,
            detach_focus: false,
        }
    }
}

impl Asymmetric {
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        for (key, gamma) in [
            ("loss.gamma_negative", self.gamma_negative),
            ("loss.gamma_positive", self.gamma_positive),
        ] {
            require(
                gamma >= 0.0 && gamma.is_finite(),
                key,
                gamma,
                "must be a number of at least 0",
            )?;
        }
        require(
            (0.0..1.0).contains(&self.clip),
            "loss.clip",
            self.clip,
            "must be at least 0 and less than 1",
        )
    }

    pub(super) fn cell(&self, logit: f64, target: f64) -> (f64, f64) {
        let (present, absent) = (sigmoid(logit), sigmoid(-logit));
        let clipped = absent + self.clip >= 1.0;
        // ln of the shifted probability of "absent", and its derivative.
        let (log_absent, log_absent_derivative) = if self.clip == 0.0 {
            (-softplus(logit), -present)
        } else if clipped {
            (0.0, 0.0)
        } else {
            let shifted = absent + self.clip;
            (shifted.ln(), -present * absent / shifted)
        };
        let entropy = target * softplus(-logit) - (1.0 - target) * log_absent;
        let entropy_derivative = -target * absent - (1.0 - target) * log_absent_derivative;

        // The share of the answer that is wrong, after the shift: 1 - p_t.
        let wrong = target * absent + (1.0 - target) * (present - self.clip).max(0.0);
        let gamma = self.gamma_positive * target + self.gamma_negative * (1.0 - target);
        let focus = wrong.powf(gamma);
        let focus_derivative = if self.detach_focus || gamma == 0.0 || wrong == 0.0 {
            0.0
        } else {
            let negative = if clipped { 0.0 } else { 1.0 - target };
            gamma * wrong.powf(gamma - 1.0) * present * absent * (negative - target)
        };
        (
            entropy * focus,
            entropy_derivative * focus + entropy * focus_derivative,
        )
    }
}
