//! Where the training of a fold stands, as its folder shows it.

use super::{
    plan::{PLANS, Plan, Plans},
    state::{Cursor, LAST},
};
use crate::{Error, checkpoint, config::Config, runs::FoldDirectory};

/// Where the training of a fold stood when its last checkpoint was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Epochs that are done.
    pub done: usize,
    /// Epochs that there will be; not known before the pace of a time budget is measured.
    pub epochs: Option<usize>,
    /// Optimiser steps done in the epoch at hand.
    pub step: u64,
    /// Steps of a whole epoch, once one is done.
    pub epoch_steps: Option<u64>,
    /// Mean loss of the epoch at hand, where a step of it is done.
    pub loss: Option<f64>,
}

impl Standing {
    /// Reads where a fold stands; nothing is written and no lock is taken.
    ///
    /// # Errors
    /// [`Error::Format`] for a damaged plan or checkpoint, [`Error::File`].
    pub fn read(config: &Config, fold: &FoldDirectory) -> Result<Self, Error> {
        let cursor = checkpoint::read_state::<Cursor>(&fold.file(LAST))?;
        let plan = match config.train.minutes > 0.0 {
            true => Plans::read(&fold.file(PLANS))?,
            false => None,
        };
        let plan = plan.map(|plans| {
            let first = plans.at(0);
            let now = cursor.as_ref().and_then(|cursor| cursor.steps);
            Plan {
                steps: now.unwrap_or(first.steps),
                ..first
            }
        });
        let epochs = match (plan, config.train.minutes > 0.0) {
            (Some(plan), _) => Some(plan.epochs() as usize),
            (None, true) => None,
            (None, false) => Some(config.train.epochs),
        };
        let first = cursor.as_ref().and_then(|cursor| cursor.history.first());
        let epoch_steps = match plan {
            Some(plan) => Some(plan.epoch_steps),
            None => first.map(|record| record.step),
        };
        Ok(Self {
            done: cursor.as_ref().map_or(0, |cursor| cursor.epoch as usize),
            epochs,
            step: cursor.as_ref().map_or(0, |cursor| cursor.epoch_step),
            epoch_steps,
            loss: cursor
                .filter(|cursor| cursor.sums.images > 0)
                .map(|cursor| cursor.sums.mean_loss()),
        })
    }

    /// Whether the fold is trained to its end.
    pub fn is_done(&self) -> bool {
        self.epochs.is_some_and(|epochs| self.done >= epochs)
    }
}
