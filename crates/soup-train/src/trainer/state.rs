//! Where the training of a fold stands, in memory and in its checkpoint.

use std::path::Path;

use serde::{Deserialize, Serialize};
use soup_engine::{Learning, TrainingState};
use soup_graph::{Graph, Symmetry, Weights};

use super::{
    plan::{Plan, Plans},
    rates,
    sources::other_data,
};
use crate::{
    Error,
    average::{Average, Length},
    checkpoint,
    checkpoint::Checkpoint,
    config::CheckedConfig,
    runs::{EpochRecord, FoldDirectory, files, refuse_other_settings},
};

/// The part of the state that is no array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// What this checkpoint is.
    pub kind: Kind,
    /// The settings, as TOML.
    pub settings: String,
    /// What the data were.
    pub data: String,
    /// Fold, counted from 0.
    pub fold: usize,
    /// Epoch being trained, counted from 0; as many as there are once the fold is done.
    pub epoch: u32,
    /// Optimiser steps done in this epoch.
    pub epoch_step: u64,
    /// Optimiser steps done in all.
    pub step: u64,
    /// Optimiser steps that there will be, where the clock has decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Sums over the epoch so far.
    pub sums: Sums,
    /// Seconds of the epoch so far in which a process ran.
    pub seconds: f64,
    /// The best epoch so far.
    pub best: Option<Best>,
    /// What each epoch came to.
    pub history: Vec<EpochRecord>,
    /// Bytes of the fold's log that belong to what is done.
    pub log_length: u64,
}

/// Keeps a checkpoint of training apart from kept weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// All that is needed to go on.
    Training,
}

/// Sums over the batches of an epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sums {
    /// Of the images' losses.
    pub loss: f64,
    /// Images.
    pub images: u64,
    /// Cells on the right side of 0.5.
    pub right: u64,
    /// Cells whose labels are known.
    pub cells: u64,
}

impl Sums {
    pub fn mean_loss(&self) -> f64 {
        self.loss / self.images as f64
    }

    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.cells.max(1) as f64
    }
}

/// The best epoch so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Epoch, counted from 1.
    pub epoch: usize,
    /// Its loss on the held-out images.
    pub loss: f64,
    /// Its accuracy on the held-out images.
    pub accuracy: f64,
    /// Its mAP on the held-out images; none where no image has a label, or an older program wrote this.
    #[serde(default, rename = "mAP")]
    pub mean_average_precision: Option<f64>,
}

impl Cursor {
    /// The plan as it is here, of those of the fold.
    pub fn plan(&self, plans: &mut Plans) -> Result<Plan, Error> {
        let last = self.history.last().map_or(0, |record| record.step);
        match self.steps {
            // Older programs wrote what an epoch's end made of the plan into the checkpoint alone.
            Some(steps) if last > 0 => plans.again(last, |plan| Plan { steps, ..plan }),
            _ => Ok(plans.at(last)),
        }
    }
}

impl Cursor {
    /// Before the first step.
    pub fn begin(config: &CheckedConfig, data: &str, fold: usize) -> Self {
        Self {
            kind: Kind::Training,
            settings: config.to_toml(),
            data: data.to_owned(),
            fold,
            epoch: 0,
            epoch_step: 0,
            step: 0,
            sums: Sums::default(),
            seconds: 0.0,
            best: None,
            history: Vec::new(),
            log_length: 0,
            steps: None,
        }
    }

    /// What the weights after the step at hand count in their average.
    pub fn average_weight(&self, average: Option<&Average>, plan: &Plan) -> f32 {
        let length = Length {
            steps: plan.steps,
            epoch_steps: plan.epoch_steps,
        };
        average.map_or(0.0, |average| {
            average.weight_at(self.step + 1, length) as f32
        })
    }

    /// Writes the fold's checkpoint; the one before it is kept beside it.
    pub fn save(&self, training: &TrainingState, fold: &FoldDirectory) -> Result<(), Error> {
        let (last, next) = (fold.file(LAST), fold.file(NEXT));
        checkpoint::write(&next, self, &training.tensors())?;
        if last.exists() {
            files::rename(&last, &fold.file(PREVIOUS))?;
        }
        // Killed here, the fold goes on from the previous checkpoint and comes to the same end.
        files::rename(&next, &last)
    }

    /// Takes up the fold's checkpoint, where there is one, into a cursor and a state
    /// made from the same settings.
    pub fn resume(
        &mut self,
        training: &mut TrainingState,
        fold: &FoldDirectory,
        config: &CheckedConfig,
    ) -> Result<bool, Error> {
        let (last, previous) = (fold.file(LAST), fold.file(PREVIOUS));
        let (path, found) = match checkpoint::read::<Cursor>(&last) {
            Ok(Some(found)) => (last, found),
            Ok(None) => match checkpoint::read::<Cursor>(&previous)? {
                Some(found) => (previous, found),
                None => return Ok(false),
            },
            Err(Error::Base(soup_model::Error::Format { path, problem })) => {
                return Err(Error::format(&path, explain(&problem, &previous)));
            }
            Err(error) => return Err(error),
        };
        self.refuse_foreign(&path, &found.state, config)?;
        let Checkpoint { state, .. } = &found;
        let cursor = state.clone();
        let mut found = found;
        training
            .restore(cursor.step, |name, length| found.take(name, length))
            .map_err(|problem| {
                Error::format(
                    &path,
                    format!("this checkpoint does not fit the model: {problem}"),
                )
            })?;
        *self = cursor;
        // Settings that do not reach the result may be new.
        self.settings = config.to_toml();
        Ok(true)
    }

    fn refuse_foreign(
        &self,
        path: &Path,
        cursor: &Cursor,
        config: &CheckedConfig,
    ) -> Result<(), Error> {
        let old = cursor
            .settings
            .parse()
            .map_err(|error| Error::format(path, format!("its settings are not TOML: {error}")))?;
        refuse_other_settings(path, &old, config)?;
        if cursor.fold != self.fold {
            return Err(Error::format(
                path,
                format!(
                    "this is a checkpoint of fold {}, not of fold {}",
                    cursor.fold, self.fold
                ),
            ));
        }
        if cursor.data != self.data {
            return Err(other_data(path, &cursor.data, &self.data));
        }
        Ok(())
    }
}

/// The checkpoint of a fold.
pub(super) const LAST: &str = "last.ckpt";
/// The one before it.
pub(super) const PREVIOUS: &str = "last.ckpt.previous";
/// The one after it, until it is whole.
const NEXT: &str = "next.ckpt";

fn explain(problem: &str, previous: &Path) -> String {
    match checkpoint::read::<Cursor>(previous) {
        Ok(Some(found)) => format!(
            "{problem}; the checkpoint before it is intact (epoch {}, step {}): delete the damaged \
             file to go on from there",
            found.state.epoch + 1,
            found.state.step
        ),
        _ => format!("{problem}; delete it to train this fold from the beginning"),
    }
}

/// What is written beside kept weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// What this checkpoint is.
    pub kind: KeptKind,
    /// The settings, as TOML.
    pub settings: String,
    /// Names of the labels.
    pub labels: Vec<String>,
    /// Fold, counted from 0.
    pub fold: usize,
    /// What the epoch came to.
    pub epoch: EpochRecord,
}

/// Marks a checkpoint that holds weights only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptKind {
    /// Weights to predict with, nothing to go on from.
    Weights,
}

/// Writes weights to be kept.
pub(super) fn keep(path: &Path, kept: &Kept, weights: &Weights) -> Result<(), Error> {
    checkpoint::write(
        path,
        kept,
        &[
            ("weights", weights.trainable()),
            ("statistics", weights.buffers()),
        ],
    )
}

/// All that training changes, before its first step.
pub(super) fn training_state(
    config: &CheckedConfig,
    graph: &Graph,
    symmetry: Option<&Symmetry>,
    weights: Weights,
) -> Result<TrainingState, Error> {
    let learning = Learning {
        optimizer: config.optimizer.clone(),
        clip_norm: config.train.clip_norm,
        symmetry: symmetry.cloned(),
        averages: config.average.is_some(),
        rates: rates::of(config, graph)?,
    };
    let state = TrainingState::new(graph, learning, weights);
    Ok(state.map_err(crate::config::ConfigError::from)?)
}
