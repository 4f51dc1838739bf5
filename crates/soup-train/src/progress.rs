//! Events of a training for its caller. The library itself prints nothing.

use std::path::Path;

use crate::{
    runs::EpochRecord,
    trainer::{Best, Divergence},
};

/// Something happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A fold is about to be trained.
    FoldStarted {
        /// Fold, counted from 0.
        fold: usize,
        /// Name of the network.
        model: &'a str,
        /// Images of the fold that are trained on in an epoch.
        train_images: u64,
        /// Images held out.
        valid_images: u64,
        /// Epochs that the fold will take.
        epochs: usize,
        /// Optimiser steps that the fold will take.
        steps: u64,
        /// Optimiser steps done by an earlier process.
        steps_done: u64,
    },
    /// The images are no longer where the settings say. The run goes on with those that it packed.
    OwnImages {
        /// What the settings name.
        given: &'a str,
        /// The run's pack.
        pack: &'a Path,
    },
    /// A fold begins with the weights of a file.
    WeightsLoaded {
        /// Fold, counted from 0.
        fold: usize,
        /// The file, and what of it was taken.
        what: &'a str,
    },
    /// The first steps are timed, to turn a time budget into a number of steps.
    Measuring {
        /// Fold, counted from 0.
        fold: usize,
    },
    /// An epoch begins or is taken up again.
    EpochStarted {
        /// Fold, counted from 0.
        fold: usize,
        /// Epoch, counted from 1.
        epoch: usize,
        /// Epochs that the fold will take.
        epochs: usize,
        /// Optimiser steps of this epoch.
        steps: u64,
        /// Optimiser steps of this epoch done by an earlier process.
        steps_done: u64,
    },
    /// The optimiser made a step.
    Step(Step),
    /// A part of the held-out images was predicted.
    Evaluating {
        /// Fold, counted from 0.
        fold: usize,
        /// Images done.
        done: u64,
        /// Images in all.
        images: u64,
    },
    /// An epoch is over.
    EpochFinished(&'a EpochRecord),
    /// The time budget is spent before the schedule is at its end.
    CutShort {
        /// Fold, counted from 0.
        fold: usize,
        /// Optimiser steps that were done.
        steps: u64,
        /// Optimiser steps that the schedule was laid out for.
        planned: u64,
    },
    /// One of several folds no longer makes numbers; the others go on.
    FoldDiverged(&'a Divergence),
    /// A checkpoint was written.
    Checkpoint(&'a Path),
    /// A fold is over (or was, before this process began).
    FoldFinished {
        /// Fold, counted from 0.
        fold: usize,
        /// Its best epoch.
        best: &'a Best,
    },
}

/// An optimiser step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Fold, counted from 0.
    pub fold: usize,
    /// Epoch, counted from 1.
    pub epoch: usize,
    /// Step within the epoch, counted from 1.
    pub step: u64,
    /// Optimiser steps of the epoch.
    pub steps: u64,
    /// Loss of the step's images.
    pub loss: f64,
    /// Mean loss of the epoch so far.
    pub mean_loss: f64,
    /// Share of right cells in the epoch so far.
    pub accuracy: f64,
    /// Learning rate of the step.
    pub rate: f64,
    /// Training images a second, since the epoch began in this process.
    pub images_per_second: f64,
    /// Seconds to the end of the fold at this pace, evaluation left out.
    pub seconds_left: f64,
}

/// Receives the events.
pub trait Progress {
    /// Takes note of an event; called from the thread that runs the training.
    fn event(&mut self, event: &Event<'_>);
}

/// Ignores them.
impl Progress for () {
    fn event(&mut self, _event: &Event<'_>) {}
}

impl<F: FnMut(&Event<'_>)> Progress for F {
    fn event(&mut self, event: &Event<'_>) {
        self(event);
    }
}
