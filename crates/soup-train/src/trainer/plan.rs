//! How many steps a fold takes.
//!
//! A training by epochs is a function of its settings. Of a training by minutes the clock decides the number of steps:
//! before the first one, and again after each epoch. All that it decides is written down here, in `plan.json`, before a
//! step is taken by it; what is written is never decided again. So given its plans a training by minutes is a function
//! of its settings too.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use serde::{Deserialize, Serialize};

use super::clock::Clock;
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

/// Plans of a fold as `plan.json` holds them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Written {
    epoch_steps: u64,
    plans: Vec<Made>,
}

/// Where they lie in a fold's folder.
pub(super) const PLANS: &str = "plan.json";

/// A plan, made once so many steps were done: none, or those of whole epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    done: u64,
    steps: u64,
}

/// What an older program wrote: the first plan alone; the checkpoint knew what became of it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Found {
    Plans(Written),
    First(Plan),
}

/// The plans that the clock made for a fold, on disk before they are followed.
#[derive(Debug)]
pub(super) struct Plans {
    path: PathBuf,
    written: Written,
}

/// A training that its time budget ended before its schedule was at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CutShort {
    /// Optimiser steps that were done.
    pub steps: u64,
    /// Optimiser steps that the schedule was laid out for.
    pub planned: u64,
}

impl Plans {
    /// Those that a fold has, if any.
    ///
    /// # Errors
    /// [`Error::Format`] for a damaged file, [`Error::File`].
    pub fn read(path: &Path) -> Result<Option<Self>, Error> {
        let Some(text) = files::read_text(path)? else {
            return Ok(None);
        };
        let wrong = |problem: String| {
            let what = "where a checkpoint lies beside it, delete this file to go on with the plan that it knows";
            Error::format(path, format!("{problem}; {what}"))
        };
        let found =
            serde_json::from_str(&text).map_err(|error| wrong(format!("no plan: {error}")))?;
        let written = match found {
            Found::Plans(written) => written,
            Found::First(plan) => Written {
                epoch_steps: plan.epoch_steps,
                plans: vec![Made {
                    done: 0,
                    steps: plan.steps,
                }],
            },
        };
        let sound = written.epoch_steps > 0
            && written.plans.first().is_some_and(|first| first.done == 0)
            && written
                .plans
                .iter()
                .all(|made| made.steps >= made.done.max(1))
            && written
                .plans
                .windows(2)
                .all(|pair| pair[0].done < pair[1].done);
        if !sound {
            return Err(wrong("no plan that can be followed".to_owned()));
        }
        Ok(Some(Self {
            path: path.to_owned(),
            written,
        }))
    }

    /// Begins with a plan.
    pub fn begin(path: &Path, plan: Plan) -> Result<Self, Error> {
        let plans = Self {
            path: path.to_owned(),
            written: Written {
                epoch_steps: plan.epoch_steps,
                plans: vec![Made {
                    done: 0,
                    steps: plan.steps,
                }],
            },
        };
        plans.write()?;
        Ok(plans)
    }

    /// Takes over those of another run's fold.
    ///
    /// # Errors
    /// As [`read`](Self::read); [`Error::Format`] where there are none, [`Error::Mismatch`] where the fold has others.
    pub fn take_over(from: &Path, to: &Path) -> Result<(), Error> {
        let Some(plans) = Self::read(from)? else {
            return Err(Error::format(
                from,
                "there are no plans to follow: only runs by train.minutes have any",
            ));
        };
        match Self::read(to)? {
            Some(own) if own.written == plans.written => Ok(()),
            Some(_) => Err(Error::mismatch(format!(
                "{} holds other plans than {}; name another --out to follow those",
                to.display(),
                from.display()
            ))),
            None => {
                let path = to.to_owned();
                Self { path, ..plans }.write()
            }
        }
    }

    /// The plan that is followed once `done` steps are done.
    pub fn at(&self, done: u64) -> Plan {
        let made = self.written.plans.iter().rev();
        let made = made
            .skip_while(|made| made.done > done)
            .map(|made| made.steps);
        Plan {
            // The first plan was made before any step.
            steps: made.into_iter().next().unwrap_or(0),
            epoch_steps: self.written.epoch_steps,
        }
    }

    /// The plan made at the end of an epoch, with `done` steps done: the one that is written, or `make`'s of the plan
    /// before it, written down.
    pub fn again(&mut self, done: u64, make: impl FnOnce(Plan) -> Plan) -> Result<Plan, Error> {
        if self.written.plans.iter().all(|made| made.done != done) {
            let steps = make(self.at(done)).steps;
            // What was written for later is of no training that came this way.
            self.written.plans.retain(|made| made.done < done);
            self.written.plans.push(Made { done, steps });
            self.write()?;
        }
        Ok(self.at(done))
    }

    /// Whether the budget was spent, `done` steps being all, before the schedule was at its end.
    pub fn cut_short(&self, done: u64) -> Option<CutShort> {
        let last = self
            .written
            .plans
            .iter()
            .rposition(|made| made.done == done)?;
        let planned = self.written.plans[last.checked_sub(1)?].steps;
        (self.written.plans[last].steps == done && planned > done).then_some(CutShort {
            steps: done,
            planned,
        })
    }

    fn write(&self) -> Result<(), Error> {
        let text = serde_json::to_string(&self.written)
            .map_err(|error| Error::format(&self.path, error.to_string()))?;
        files::write_bytes(&self.path, text.as_bytes())
    }
}

/// Steps that warm the machine up before any is timed.
const WARM_UP: usize = 2;
/// Steps and seconds after which the pace is known well enough.
const STEPS: usize = 40;
const SECONDS: f64 = 6.0;
/// Share of the budget that stays free for what cannot be foreseen.
const RESERVE: f64 = 0.04;
/// Cost of predicting an image, as a share of training on one.
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

    /// As many steps as fit into `seconds`, with an evaluation of `held_out` images after each
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
}

/// Seconds of a step, measured.
pub(super) fn measure(
    clock: &Clock,
    stop: &AtomicBool,
    mut step: impl FnMut() -> Result<(), Error>,
) -> Result<f64, Error> {
    for _ in 0..WARM_UP {
        step()?;
    }
    let begun = clock.seconds();
    let mut steps = 0;
    loop {
        step()?;
        steps += 1;
        let seconds = clock.seconds() - begun;
        if steps >= STEPS || seconds >= SECONDS || stop.load(Ordering::Relaxed) {
            return Ok(seconds / steps as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_planned_is_planned_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        assert!(Plans::read(&path).unwrap().is_none());
        let plan = |steps| Plan {
            steps,
            epoch_steps: 10,
        };
        let mut plans = Plans::begin(&path, plan(45)).unwrap();
        assert_eq!(plans.again(10, |_| plan(33)).unwrap(), plan(33));
        // Killed after that and taken up before it: the same again, whatever the clock says now.
        let mut plans = Plans::read(&path).unwrap().unwrap();
        assert_eq!((plans.at(0), plans.at(9)), (plan(45), plan(45)));
        assert_eq!(plans.again(10, |_| plan(99)).unwrap(), plan(33));
        assert_eq!(plans.cut_short(10), None);
        assert_eq!(plans.again(20, |_| plan(20)).unwrap(), plan(20));
        let cut = CutShort {
            steps: 20,
            planned: 33,
        };
        assert_eq!(plans.cut_short(20), Some(cut));
        assert_eq!(Plans::read(&path).unwrap().unwrap().written, plans.written);
        // A schedule that came to its end was not cut.
        let mut plans = Plans::begin(&path, plan(20)).unwrap();
        assert_eq!(plans.again(20, |plan| plan).unwrap(), plan(20));
        assert_eq!(plans.cut_short(20), None);
    }

    #[test]
    fn plans_of_an_older_program_are_read_and_others_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        files::write_bytes(&path, br#"{"steps":45,"epoch_steps":10}"#).unwrap();
        let plans = Plans::read(&path).unwrap().unwrap();
        assert_eq!(plans.at(40).steps, 45);
        for text in [
            "",
            "{}",
            r#"{"steps":0,"epoch_steps":10}"#,
            r#"{"steps":5,"epoch_steps":0}"#,
            r#"{"epoch_steps":10,"plans":[]}"#,
            r#"{"epoch_steps":10,"plans":[{"done":10,"steps":20}]}"#,
            r#"{"epoch_steps":10,"plans":[{"done":0,"steps":20},{"done":10,"steps":9}]}"#,
            r#"{"epoch_steps":10,"plans":[{"done":0,"steps":20},{"done":0,"steps":30}]}"#,
            r#"{"epoch_steps":10,"plans":[{"done":0,"steps":20}"#,
        ] {
            files::write_bytes(&path, text.as_bytes()).unwrap();
            let error = Plans::read(&path).unwrap_err().to_string();
            assert!(error.contains("plan.json: no plan"), "{text}: {error}");
        }
    }

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
        // 0.1 s a step of 10 images, 100 steps an epoch, 500 held out: 10 s and 2 s.
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
