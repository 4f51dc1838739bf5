//! Schedules of the learning rate.
//!
//! A [`Schedule`] is data: the section `[schedule]` of a configuration, with `kind` as its tag. The
//! rate is a function of the step alone, so a resumed run needs no state.
//!
//! ```
//! use soup_train::schedules::{Schedule, Step};
//!
//! let schedule = Schedule::Step(Step { step_size: 5, gamma: 0.75 });
//! // 100 steps an epoch, 25 epochs; epochs 0-4 at the base rate, 5-9 at three quarters.
//! assert_eq!(schedule.rate(1e-3, 499, 100, 25.0), 1e-3);
//! assert_eq!(schedule.rate(1e-3, 500, 100, 25.0), 7.5e-4);
//! ```

mod constant;
mod cosine;
mod one_cycle;
mod step;

pub use constant::Constant;
pub use cosine::Cosine;
pub use one_cycle::{Anneal, OneCycle};
use serde::{Deserialize, Serialize};
use soup_engine::setting::{InvalidSetting, require};
pub use step::Step;

/// A schedule and its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Schedule {
    /// The base rate throughout.
    Constant(Constant),
    /// Multiplied by a factor every so many epochs.
    Step(Step),
    /// Half a cosine from the base rate down, after a warm-up.
    Cosine(Cosine),
    /// Up to the base rate and down again.
    OneCycle(OneCycle),
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Constant(Constant::default())
    }
}

/// Number of steps of a training of `epochs` epochs, which need not be whole; at least 1.
pub fn total_steps(steps_per_epoch: u64, epochs: f64) -> u64 {
    ((steps_per_epoch as f64 * epochs).round() as u64).max(1)
}

impl Schedule {
    /// Checks the parameters for a training of `epochs` epochs.
    ///
    /// # Errors
    /// The first parameter that is out of its range, by its key (`schedule.gamma`).
    pub fn check(&self, epochs: f64) -> Result<(), InvalidSetting> {
        match self {
            Self::Constant(_) => Ok(()),
            Self::Step(step) => step.check(),
            Self::Cosine(cosine) => cosine.check(epochs),
            Self::OneCycle(cycle) => cycle.check(),
        }
    }

    /// The rate of step `step`, counted from 0, where `base` is the rate that the optimiser was
    /// given. Steps past the end keep the last rate of the schedule.
    pub fn rate(&self, base: f32, step: u64, steps_per_epoch: u64, epochs: f64) -> f32 {
        let wide = f64::from(base);
        let total = total_steps(steps_per_epoch, epochs);
        let rate = match self {
            Self::Constant(_) => return base,
            Self::Step(schedule) => schedule.rate(wide, step / steps_per_epoch.max(1)),
            Self::Cosine(schedule) => schedule.rate(wide, step, steps_per_epoch, total),
            Self::OneCycle(schedule) => schedule.rate(wide, step, total),
        };
        rate as f32
    }
}

fn check_rate(key: &'static str, rate: f64) -> Result<(), InvalidSetting> {
    require(
        rate >= 0.0 && rate.is_finite(),
        key,
        rate,
        "must be a number of at least 0",
    )
}

/// From `start` (share 0) to `end` (share 1) along half a cosine.
fn half_cosine(start: f64, end: f64, share: f64) -> f64 {
    end + (start - end) / 2.0 * (1.0 + (std::f64::consts::PI * share).cos())
}

#[cfg(test)]
mod tests;
