//! One cycle.

use serde::{Deserialize, Serialize};
use soup_engine::setting::{InvalidSetting, require};

use super::half_cosine;

/// The way from one rate to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anneal {
    /// Half a cosine.
    #[default]
    Cos,
    /// A straight line.
    Linear,
}

/// Up to the base rate and down again (Smith and Topin, "Super-convergence", 2018), as PyTorch's
/// `OneCycleLR` with `max_lr` the base rate, two phases and `cycle_momentum=False`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OneCycle {
    /// Share of the steps on the way up; in `(0, 1)`.
    pub pct_start: f64,
    /// The base rate over the first rate; at least 1.
    pub div_factor: f64,
    /// The first rate over the last one; at least 1.
    pub final_div_factor: f64,
    /// The way up and down.
    pub anneal: Anneal,
}

impl Default for OneCycle {
    fn default() -> Self {
        Self {
            pct_start: 0.3,
            div_factor: 25.0,
            final_div_factor: 1e4,
            anneal: Anneal::Cos,
        }
    }
}

impl OneCycle {
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        require(
            self.pct_start > 0.0 && self.pct_start < 1.0,
            "schedule.pct_start",
            self.pct_start,
            "must be above 0 and below 1",
        )?;
        for (key, factor) in [
            ("schedule.div_factor", self.div_factor),
            ("schedule.final_div_factor", self.final_div_factor),
        ] {
            require(
                factor >= 1.0 && factor.is_finite(),
                key,
                factor,
                "must be a number of at least 1",
            )?;
        }
        Ok(())
    }

    pub(super) fn rate(&self, base: f64, step: u64, total: u64) -> f64 {
        let first = base / self.div_factor;
        let last = first / self.final_div_factor;
        let end = total as f64 - 1.0;
        let top = self.pct_start * total as f64 - 1.0;
        let step = (step as f64).min(end);
        // A training so short that the way up has no length starts at the top.
        let (from, to, share) = if step <= top && top > 0.0 {
            (first, base, step / top)
        } else {
            let top = top.max(0.0);
            let length = end - top;
            let share = if length > 0.0 {
                (step - top) / length
            } else {
                0.0
            };
            (base, last, share)
        };
        match self.anneal {
            Anneal::Cos => half_cosine(from, to, share),
            Anneal::Linear => from + (to - from) * share,
        }
    }
}
