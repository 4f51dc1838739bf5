//! Steps down every so many epochs.

use serde::{Deserialize, Serialize};
use soup_engine::setting::{InvalidSetting, require};

/// As PyTorch's `StepLR`, once an epoch. The defaults are the founding recipe's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Step {
    /// Epochs between two steps; at least 1.
    pub step_size: u64,
    /// Factor of each step; above 0.
    pub gamma: f64,
}

impl Default for Step {
    fn default() -> Self {
        Self {
            step_size: 5,
            gamma: 0.75,
        }
    }
}

impl Step {
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        require(
            self.step_size >= 1,
            "schedule.step_size",
            self.step_size,
            "must be at least 1",
        )?;
        require(
            self.gamma > 0.0 && self.gamma.is_finite(),
            "schedule.gamma",
            self.gamma,
            "must be a number above 0",
        )
    }

    pub(super) fn rate(&self, base: f64, epoch: u64) -> f64 {
        base * self.gamma.powf((epoch / self.step_size.max(1)) as f64)
    }
}
