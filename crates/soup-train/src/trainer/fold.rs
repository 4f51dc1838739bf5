//! The training of one fold, from wherever it stands to its end.

use std::{path::Path, sync::atomic::AtomicBool, time::Instant};

use soup_data::{Source, batches::Loader, transforms::Pipeline};
use soup_engine::Device;
use soup_graph::{
    Graph, Symmetry, Weights,
    pretrained::{self, Match},
};

use super::{
    TrainData,
    clock::Clock,
    divergence::Divergence,
    engines::Engines,
    plan::{CutShort, PLANS, Plan, Plans, measure},
    state::{self, Best, Cursor},
    work::Work,
};
use crate::{
    Error,
    config::CheckedConfig,
    progress::{Event, Progress},
    runs::{EpochRecord, FoldDirectory, Log, RunDirectory},
};

/// What the training of a fold works on.
pub(super) struct Fold<'a> {
    pub config: &'a CheckedConfig,
    pub data: &'a TrainData<'a>,
    pub run: &'a RunDirectory,
    /// The run whose plans are followed, where it is not this one.
    pub plans_of: Option<&'a RunDirectory>,
    pub graph: &'a Graph,
    pub symmetry: Option<&'a Symmetry>,
    pub device: &'a Device,
    pub clock: &'a Clock,
    pub stop: &'a AtomicBool,
    pub fold: usize,
}

/// How a fold ended.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldSummary {
    /// Fold, counted from 0.
    pub fold: usize,
    /// The best epoch.
    pub best: Best,
    /// Epochs trained.
    pub epochs: usize,
    /// Optimiser steps.
    pub steps: u64,
    /// What the last epoch came to.
    pub last: EpochRecord,
    /// Where the time budget was spent before the schedule was at its end.
    pub cut_short: Option<CutShort>,
}

impl Fold<'_> {
    /// Trains the fold to its end, from its first weights on or where its checkpoint stands.
    pub fn train(&self, progress: &mut dyn Progress) -> Result<FoldSummary, Error> {
        let directory = self.run.fold(self.fold);
        let _lock = directory.take()?;
        if let Some(found) = Divergence::read(&directory)? {
            return Err(Error::Diverged(Box::new(found)));
        }
        let mut cursor = Cursor::begin(self.config, self.data.fingerprint, self.fold);
        let zeros = Weights::zeros(self.graph);
        let mut state = state::training_state(self.config, self.graph, self.symmetry, zeros)?;
        let resumed = cursor.resume(&mut state, &directory, self.config)?;
        if resumed && let Some(what) = state.not_finite() {
            return Err(Error::format(
                &directory.file(state::LAST),
                format!(
                    "{what}: this run diverged and its checkpoint cannot be gone on with; begin a new run (--out) with a \
                     lower train.rate, or with train.clip_norm=1"
                ),
            ));
        }
        if let Some(other) = self.plans_of {
            Plans::take_over(&other.fold(self.fold).file(PLANS), &directory.file(PLANS))?;
        }
        let mut loaded = None;
        if !resumed {
            let weights;
            (weights, loaded) = self.first_weights()?;
            state.start_from(weights);
        }
        if let Some(what) = &loaded {
            progress.event(&Event::WeightsLoaded {
                fold: self.fold,
                what,
            });
        }
        let mut log = Log::open(&directory.file("log.txt"), cursor.log_length)?;
        directory.write_metrics(&cursor.history)?;

        let mut training = self.data.training(self.config, self.fold);
        let mut engines = Engines::new(self, state)?;
        let evaluation = self.config.transforms.evaluation();
        let loader = self.loader(&self.config.transforms);
        let plain_loader = self.loader(&evaluation);
        let (plan, plans) = self.plan(
            &directory,
            &*training,
            &mut engines,
            &mut cursor,
            &loader,
            progress,
        )?;
        training.plan(plan.epochs() as f64);
        let mut work = Work {
            fold: self,
            directory,
            training,
            plan,
            plans,
            cursor,
            log: &mut log,
            loader,
            plain_loader,
            engines,
            progress,
            saved: Instant::now(),
            saved_step: 0,
        };
        if !resumed {
            work.describe(loaded.as_deref())?;
        }
        work.run()
    }

    /// The weights that the fold begins with: other random ones for each fold, so that an average of the folds gains from it,
    /// and over them what a file holds, where one is given. Then also what was taken from it.
    fn first_weights(&self) -> Result<(Weights, Option<String>), Error> {
        let seed = self.config.train.seed.wrapping_add(self.fold as u64);
        let (mut weights, mut loaded_from) = (Weights::initial(self.graph, seed), None);
        let file = &self.config.model.weights;
        if !file.is_empty() {
            soup_model::room_for_file(Path::new(file))?;
            let by = match self.config.model.weights_by_order {
                true => Match::Order,
                false => Match::Name,
            };
            let loaded = pretrained::load(Path::new(file), self.graph, weights, by)?;
            loaded_from = Some(format!("{file}: {loaded}"));
            weights = loaded.weights;
        }
        if let Some(symmetry) = self.symmetry {
            symmetry.tie(&mut weights);
        }
        Ok((weights, loaded_from))
    }

    fn loader<'b>(&'b self, transforms: &'b Pipeline) -> Loader<'b> {
        Loader::new(
            transforms,
            self.config.train.seed,
            self.graph.input().len(),
            self.data.label_names.len(),
            &self.device.pool,
        )
    }

    fn plan(
        &self,
        directory: &FoldDirectory,
        training: &dyn Source,
        engines: &mut Engines,
        cursor: &mut Cursor,
        loader: &Loader<'_>,
        progress: &mut dyn Progress,
    ) -> Result<(Plan, Option<Plans>), Error> {
        let train = &self.config.train;
        let images = train.batch * train.accumulate;
        let steps = (training.epoch_len() / images) as u64;
        if steps == 0 {
            return Err(crate::config::ConfigError::Value {
                path: "train.batch".to_owned(),
                problem: format!(
                    "a step takes {images} images (train.batch x train.accumulate), fold {} has \
                     only {} to train on",
                    self.fold,
                    training.epoch_len()
                ),
            }
            .into());
        }
        if train.minutes == 0.0 {
            return Ok((Plan::of_epochs(steps, train.epochs as u64), None));
        }
        let path = directory.file(PLANS);
        if let Some(mut plans) = self.plans(&path, cursor, steps)? {
            let plan = cursor.plan(&mut plans)?;
            cursor.steps = Some(plan.steps);
            return Ok((plan, Some(plans)));
        }
        progress.event(&Event::Measuring { fold: self.fold });
        let first = training.epoch(train.seed, 0);
        let held_out = self.data.held_out_rows[self.fold].len() as u64;
        // What is measured is not kept.
        let before = engines.training.state().clone();
        let step_seconds = measure(self.clock, self.stop, || {
            engines.training.zero_gradients();
            for micro in 0..train.accumulate {
                let part = &first[micro * train.batch..][..train.batch];
                engines.micro_batch(self, loader, (training, part), 0, 0)?;
            }
            // What is no number shows again in the first step that counts.
            let _ = engines.training.step(0.0, 0.0);
            Ok(())
        })?;
        engines.training.set_state(before);
        let image_seconds = step_seconds / images as f64;
        let plan = Plan::of_budget(
            steps,
            train.minutes * 60.0,
            step_seconds,
            image_seconds,
            held_out,
        );
        let plans = Plans::begin(&path, plan)?;
        cursor.steps = Some(plan.steps);
        Ok((plan, Some(plans)))
    }

    /// The plans that an earlier process made: those of the file, or, where it is lost, that of the checkpoint.
    fn plans(
        &self,
        path: &Path,
        cursor: &Cursor,
        epoch_steps: u64,
    ) -> Result<Option<Plans>, Error> {
        let Some(plans) = Plans::read(path)? else {
            let plan = |steps| Plan { steps, epoch_steps };
            let known = cursor.steps.map(plan);
            return known.map(|plan| Plans::begin(path, plan)).transpose();
        };
        if plans.at(0).epoch_steps != epoch_steps {
            return Err(Error::format(
                path,
                format!(
                    "these plans have {} steps an epoch, this training has {epoch_steps}: they belong to \
                     another one; delete the file",
                    plans.at(0).epoch_steps
                ),
            ));
        }
        Ok(Some(plans))
    }
}
