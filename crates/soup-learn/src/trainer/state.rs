//! Where the training of a fold stands, in memory and in its checkpoint.

use std::path::Path;

use serde::{Deserialize, Serialize};
use soup_graph::{Graph, Symmetry, Weights};

use crate::{
    Error,
    average::{Average, Length},
    checkpoint::{self, Checkpoint},
    config::CheckedConfig,
    finite::{all_finite, not_finite},
    optimizers::OptimizerState,
    runs::{EpochRecord, FoldDirectory, files, refuse_other_settings},
};

use super::{
    plan::{Plan, Plans},
    sources::other_data,
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
    /// Of the pictures' losses.
    pub loss: f64,
    /// Pictures.
    pub images: u64,
    /// Cells on the right side of 0.5.
    pub right: u64,
    /// Cells.
    pub cells: u64,
}

impl Sums {
    pub fn mean_loss(&self) -> f64 {
        self.loss / self.images as f64
    }

    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.cells as f64
    }
}

/// The best epoch so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Epoch, counted from 1.
    pub epoch: usize,
    /// Its loss on the held-out pictures.
    pub loss: f64,
    /// Its accuracy on the held-out pictures.
    pub accuracy: f64,
}

/// Everything that training changes.
#[derive(Debug)]
pub(super) struct State {
    pub cursor: Cursor,
    pub weights: Weights,
    pub average: Option<Weights>,
    pub optimizer: OptimizerState,
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

impl State {
    /// Before the first step.
    pub fn begin(
        config: &CheckedConfig,
        optimizer: OptimizerState,
        weights: Weights,
        data: &str,
        fold: usize,
    ) -> Result<Self, Error> {
        Ok(Self {
            cursor: Cursor {
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
            },
            average: config.average.as_ref().map(|_| weights.clone()),
            weights,
            optimizer,
        })
    }

    /// Where no checkpoint is: begins with these weights, and their average with them.
    pub fn start_from(&mut self, weights: Weights) {
        if let Some(average) = &mut self.average {
            average.clone_from(&weights);
        }
        self.weights = weights;
    }

    /// The weights to be judged and kept: the average where there is one.
    pub fn judged(&self) -> &Weights {
        self.average.as_ref().unwrap_or(&self.weights)
    }

    /// What of all that a checkpoint holds is no number or infinite.
    pub fn not_finite(&self, graph: &Graph) -> Option<String> {
        let of_average = || {
            let found = not_finite(graph, self.average.as_ref()?)?;
            Some(format!("{found} in their average"))
        };
        let of_optimizer = || {
            let tensors = self.optimizer.tensors().into_iter();
            let mut wrong = tensors.filter(|(_, values)| !all_finite(values));
            let (name, _) = wrong.next()?;
            Some(format!(
                "a value of the optimiser's {name} is no number or infinite"
            ))
        };
        not_finite(graph, &self.weights)
            .or_else(of_average)
            .or_else(of_optimizer)
    }

    /// Takes the weights after a step into the average.
    pub fn update_average(&mut self, average: Option<&Average>, plan: &Plan) {
        if let (Some(average), Some(weights)) = (average, &mut self.average) {
            let length = Length {
                steps: plan.steps,
                epoch_steps: plan.epoch_steps,
            };
            average.update(weights, &self.weights, self.cursor.step, length);
        }
    }

    /// Writes the fold's checkpoint; the one before it is kept beside it.
    pub fn save(&self, fold: &FoldDirectory) -> Result<(), Error> {
        let mut arrays: Vec<(&str, &[f32])> = vec![
            ("weights", self.weights.trainable()),
            ("statistics", self.weights.buffers()),
        ];
        if let Some(average) = &self.average {
            arrays.push(("average.weights", average.trainable()));
            arrays.push(("average.statistics", average.buffers()));
        }
        arrays.extend(self.optimizer.tensors());
        let (last, next) = (fold.file(LAST), fold.file(NEXT));
        checkpoint::write(&next, &self.cursor, &arrays)?;
        if last.exists() {
            files::rename(&last, &fold.file(PREVIOUS))?;
        }
        // Killed here, the fold goes on from the previous checkpoint and comes to the same end.
        files::rename(&next, &last)
    }

    /// Takes up the fold's checkpoint, where there is one, into a state made by [`State::begin`]
    /// from the same settings.
    pub fn resume(&mut self, fold: &FoldDirectory, config: &CheckedConfig) -> Result<bool, Error> {
        let (last, previous) = (fold.file(LAST), fold.file(PREVIOUS));
        let (path, found) = match checkpoint::read::<Cursor>(&last) {
            Ok(Some(found)) => (last, found),
            Ok(None) => match checkpoint::read::<Cursor>(&previous)? {
                Some(found) => (previous, found),
                None => return Ok(false),
            },
            Err(Error::Format { path, problem }) => {
                return Err(Error::Format {
                    problem: explain(&problem, &previous),
                    path,
                });
            }
            Err(error) => return Err(error),
        };
        self.refuse_foreign(&path, &found.state, config)?;
        self.restore(found).map_err(|problem| {
            Error::format(
                &path,
                format!("this checkpoint does not fit the model: {problem}"),
            )
        })?;
        // Settings that do not reach the result may be new.
        self.cursor.settings = config.to_toml();
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
        if cursor.fold != self.cursor.fold {
            return Err(Error::format(
                path,
                format!(
                    "this is a checkpoint of fold {}, not of fold {}",
                    cursor.fold, self.cursor.fold
                ),
            ));
        }
        if cursor.data != self.cursor.data {
            return Err(other_data(path, &cursor.data, &self.cursor.data));
        }
        Ok(())
    }

    fn restore(&mut self, mut found: Checkpoint<Cursor>) -> Result<(), String> {
        let (trainable, buffers) = (self.weights.trainable().len(), self.weights.buffers().len());
        let mut restore = |weights: &mut Weights, names: [&str; 2]| {
            let values = found.take(names[0], trainable)?;
            weights.trainable_mut().copy_from_slice(&values);
            let values = found.take(names[1], buffers)?;
            weights.buffers_mut().copy_from_slice(&values);
            Ok::<(), String>(())
        };
        restore(&mut self.weights, ["weights", "statistics"])?;
        if let Some(average) = &mut self.average {
            restore(average, ["average.weights", "average.statistics"])?;
        }
        let names: Vec<&'static str> = self.optimizer.tensors().iter().map(|(n, _)| *n).collect();
        let tensors = names
            .into_iter()
            .map(|name| Ok((name, found.take(name, trainable)?)))
            .collect::<Result<Vec<_>, String>>()?;
        let tensors: Vec<(&str, &[f32])> = tensors
            .iter()
            .map(|(name, values)| (*name, values.as_slice()))
            .collect();
        self.optimizer
            .restore(found.state.step, &tensors)
            .map_err(|error| error.to_string())?;
        self.cursor = found.state;
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

/// The optimiser before its first step.
pub(super) fn optimizer(
    config: &CheckedConfig,
    graph: &Graph,
    symmetry: Option<&Symmetry>,
) -> Result<OptimizerState, Error> {
    let state = OptimizerState::new(
        &config.optimizer,
        graph.trainable_len(),
        &config.optimizer.decays(graph),
    )
    .map_err(crate::config::ConfigError::from)?;
    Ok(state.with_matrices(config.optimizer.matrices(graph, symmetry)))
}
