//! Half a cosine after a warm-up.

use serde::{Deserialize, Serialize};
use soup_engine::setting::{InvalidSetting, require};

use super::{check_rate, half_cosine};

/// A straight warm-up and then half a cosine down to `min_rate` (Loshchilov and Hutter, "SGDR",
/// ICLR 2017), moved every step. Without warm-up this is PyTorch's `CosineAnnealingLR` with
/// `T_max` the number of steps of the training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cosine {
    /// Epochs of warm-up, which are part of the training's epochs; fractions are allowed.
    pub warmup_epochs: f64,
    /// Rate of the first step of the warm-up.
    pub warmup_rate: f64,
    /// Rate at the end.
    pub min_rate: f64,
}

impl Default for Cosine {
    fn default() -> Self {
        Self {
            warmup_epochs: 0.0,
            warmup_rate: 1e-5,
            min_rate: 0.0,
        }
    }
}

impl Cosine {
    pub(super) fn check(&self, epochs: f64) -> Result<(), InvalidSetting> {
        check_rate("schedule.warmup_rate", self.warmup_rate)?;
        check_rate("schedule.min_rate", self.min_rate)?;
        require(
            self.warmup_epochs >= 0.0 && self.warmup_epochs < epochs,
            "schedule.warmup_epochs",
            self.warmup_epochs,
            format_args!("must be at least 0 and less than the {epochs} epochs of the training"),
        )
    }

    pub(super) fn rate(&self, base: f64, step: u64, steps_per_epoch: u64, total: u64) -> f64 {
        let warmup = (self.warmup_epochs * steps_per_epoch as f64).round();
        let step = step as f64;
        if step < warmup {
            return self.warmup_rate + (base - self.warmup_rate) * step / warmup;
        }
        let length = (total as f64 - warmup).max(1.0);
        half_cosine(base, self.min_rate, ((step - warmup) / length).min(1.0))
    }
}
