//! How many steps a fold takes.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use serde::{Deserialize, Serialize};

use crate::{Error, runs::files};

/// The length of a fold's training: fixed before its first step, and with a time budget again after each epoch, as a
/// machine with neighbours does not keep its pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// Optimiser steps in all.
    pub steps: u64,
    /// Optimiser steps of a whole epoch.
    pub epoch_steps: u64,
}

/// Steps that warm the machine up before any is timed.
const WARM_UP: usize = 2;
/// Steps and seconds after which the pace is known well enough.
const STEPS: usize = 40;
const SECONDS: f64 = 6.0;
/// Share of the budget that stays free for what cannot be foreseen.
const RESERVE: f64 = 0.04;
/// A picture looked at costs this share of a picture trained on.
const EVALUATION_COST: f64 = 0.4;

/// Seconds of a step, and of the evaluation after each epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub step: f64,
    pub evaluation: f64,
}

impl Timing {
    /// How many steps fit.
    fn steps(self, epoch_steps: u64, seconds: f64) -> u64 {
        let seconds = seconds.max(0.0);
        let epoch = epoch_steps as f64 * self.step + self.evaluation;
        let whole = (seconds / epoch).floor();
        // What is left after the whole epochs, less the evaluation at the end of the last one.
        let rest = (seconds - whole * epoch - self.evaluation).max(0.0) / self.step;
        whole as u64 * epoch_steps + rest as u64
    }
}

fn usable(seconds: f64) -> f64 {
    seconds * (1.0 - RESERVE)
}

impl Plan {
    pub fn of_epochs(epoch_steps: u64, epochs: u64) -> Self {
        Self {
            steps: epoch_steps * epochs,
            epoch_steps,
        }
    }

    /// As many steps as fit into `seconds`, with an evaluation of `held_out` pictures after each
    /// epoch; at least one.
    pub fn of_budget(
        epoch_steps: u64,
        seconds: f64,
        step_seconds: f64,
        image_seconds: f64,
        held_out: u64,
    ) -> Self {
        let timing = Timing {
            step: step_seconds,
            evaluation: held_out as f64 * image_seconds * EVALUATION_COST,
        };
        Self {
            steps: timing.steps(epoch_steps, usable(seconds)).max(1),
            epoch_steps,
        }
    }

    /// The plan once `done` steps, the last of them the end of an epoch, have taken `spent` of these `seconds`.
    pub fn again(self, done: u64, seconds: f64, spent: f64, timing: Timing) -> Self {
        if done >= self.steps {
            return self;
        }
        Self {
            steps: done + timing.steps(self.epoch_steps, usable(seconds) - spent),
            ..self
        }
    }

    /// Epochs; the last one may be shorter.
    pub fn epochs(&self) -> u64 {
        self.steps.div_ceil(self.epoch_steps)
    }

    /// Optimiser steps of one epoch, counted from 0.
    pub fn steps_of(&self, epoch: u64) -> u64 {
        self.steps
            .saturating_sub(epoch * self.epoch_steps)
            .min(self.epoch_steps)
    }

    /// The plan that an earlier process made.
    pub fn read(path: &Path) -> Result<Option<Self>, Error> {
        let Some(text) = files::read_text(path)? else {
            return Ok(None);
        };
        let plan: Self =
            serde_json::from_str(&text).map_err(|error| Error::format(path, error.to_string()))?;
        if plan.steps == 0 || plan.epoch_steps == 0 {
            return Err(Error::format(path, "a plan without steps"));
        }
        Ok(Some(plan))
    }

    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let text =
            serde_json::to_string(self).map_err(|error| Error::format(path, error.to_string()))?;
        files::write_bytes(path, text.as_bytes())
    }
}

/// Seconds of a step, measured.
pub(super) fn measure(
    stop: &AtomicBool,
    mut step: impl FnMut() -> Result<(), Error>,
) -> Result<f64, Error> {
    for _ in 0..WARM_UP {
        step()?;
    }
    let begun = Instant::now();
    let mut steps = 0;
    loop {
        step()?;
        steps += 1;
        let seconds = begun.elapsed().as_secs_f64();
        if steps >= STEPS || seconds >= SECONDS || stop.load(Ordering::Relaxed) {
            return Ok(seconds / steps as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_may_end_early() {
        let plan = Plan {
            steps: 25,
            epoch_steps: 10,
        };
        assert_eq!(plan.epochs(), 3);
        assert_eq!([0, 1, 2, 3].map(|e| plan.steps_of(e)), [10, 10, 5, 0]);
        assert_eq!(Plan::of_epochs(10, 3).epochs(), 3);
    }

    #[test]
    fn a_budget_is_kept() {
        // 0.1 s a step of 10 pictures, 100 steps an epoch, 500 held out: 10 s and 2 s.
        let plan = Plan::of_budget(100, 100.0, 0.1, 0.01, 500);
        let seconds = plan.steps as f64 * 0.1 + plan.epochs() as f64 * 2.0;
        assert!((90.0..=96.0).contains(&seconds), "{seconds}");
        assert_eq!(Plan::of_budget(100, 0.0, 0.1, 0.01, 500).steps, 1);
        // Less than an epoch: (9.6 s - 0.4 s) / 0.125 s.
        let plan = Plan::of_budget(1000, 10.0, 0.125, 0.0125, 80);
        assert_eq!((plan.steps, plan.epochs()), (73, 1));
    }

    #[test]
    fn a_budget_is_kept_at_another_pace() {
        let plan = Plan {
            steps: 900,
            epoch_steps: 100,
        };
        let timing = |step| Timing {
            step,
            evaluation: 1.0,
        };
        let steps = |done, spent, step| plan.again(done, 100.0, spent, timing(step)).steps;
        // As foreseen: 96 s, of which 11 are spent, are 7 more epochs of 11 s and 7 s for a last one.
        assert_eq!(steps(100, 11.0, 0.1), 870);
        // Half as fast: 3 epochs of 21 s, and 11 s.
        assert_eq!(steps(100, 21.0, 0.2), 100 + 300 + 55);
        // Twice as fast.
        assert_eq!(steps(100, 6.0, 0.05), 100 + 1500);
        // Nothing is left, or only what an evaluation takes.
        assert_eq!(steps(500, 120.0, 0.2), 500);
        assert_eq!(steps(500, 95.5, 0.2), 500);
        // What is at its end stays so.
        assert_eq!(steps(900, 20.0, 0.05), 900);
    }
}
