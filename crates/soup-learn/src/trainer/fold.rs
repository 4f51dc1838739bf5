//! The training of one fold, from wherever it stands to its end.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Instant, SystemTime},
};

use soup_cpu::Pool;
use soup_data::{Examples, transforms::Pipeline};
use soup_graph::{Graph, Symmetry, Weights, rewrite, safetensors};

use super::{
    TrainData,
    engines::Engines,
    notes::Notes,
    pace::{Pace, Part},
    plan::{Plan, Timing, measure},
    state::{self, Best, Kept, KeptKind, PREVIOUS, State, Sums},
};
use crate::{
    Error,
    batches::{Loader, Sampler, Slot},
    config::CheckedConfig,
    memory,
    metrics::Table,
    npy,
    progress::{Event, Progress, Step},
    runs::{EpochRecord, FoldDirectory, Log, RunDirectory, Session, files, log::timestamp},
    score::{Scores, score},
};

/// What the training of a fold works on.
pub(super) struct Fold<'a> {
    pub config: &'a CheckedConfig,
    pub data: &'a TrainData<'a>,
    pub run: &'a RunDirectory,
    pub graph: &'a Graph,
    pub symmetry: Option<&'a Symmetry>,
    pub pool: &'a Arc<Pool>,
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
}

impl Fold<'_> {
    /// Trains the fold to its end, beginning with `weights` or where its checkpoint stands.
    pub fn train(
        &self,
        weights: Weights,
        progress: &mut dyn Progress,
    ) -> Result<FoldSummary, Error> {
        let directory = self.run.fold(self.fold);
        let _lock = directory.take()?;
        let mut state = State::begin(
            self.config,
            state::optimizer(self.config, self.graph, self.symmetry)?,
            weights,
            self.data.fingerprint,
            self.fold,
        )?;
        let resumed = state.resume(&directory, self.config)?;
        let mut log = Log::open(&directory.file("log.txt"), state.cursor.log_length)?;
        directory.write_metrics(&state.cursor.history)?;

        let mut sampler = self.sampler();
        let mut engines = Engines::new(self)?;
        let evaluation = self.config.transforms.evaluation();
        let loader = self.loader(&self.config.transforms, false);
        let judge = self.loader(&evaluation, true);
        let plan = self.plan(
            &directory,
            &sampler,
            &mut engines,
            &state,
            &loader,
            progress,
        )?;
        self.crowd(&mut sampler, plan);
        let mut work = Work {
            fold: self,
            directory,
            sampler,
            plan,
            state,
            log: &mut log,
            loader,
            judge,
            engines,
            progress,
            saved: Instant::now(),
            saved_step: 0,
        };
        if !resumed {
            work.describe()?;
        }
        work.run()
    }

    /// Crowded pictures come first, for a share of all epochs.
    fn crowd(&self, sampler: &mut Sampler, plan: Plan) {
        if self.data.crowded.is_some() {
            sampler.crowd(self.config.data.crowd_share * plan.epochs() as f64);
        }
    }

    fn sampler(&self) -> Sampler {
        let (data, train) = (&self.config.data, &self.config.train);
        let rows = self.data.training_rows(self.fold);
        let composed = if data.only_composed() {
            data.composed
        } else {
            Sampler::composed_beside(rows.len(), data.compose_share)
        };
        Sampler::new(train.seed, self.fold, rows, composed, train.epoch_images)
    }

    fn loader<'b>(&'b self, transforms: &'b Pipeline, held_out: bool) -> Loader<'b> {
        Loader::new(
            self.data.packed,
            if held_out {
                self.data.held_out
            } else {
                self.data.composed
            },
            transforms,
            self.config.train.seed,
            self.graph.input().len(),
            self.data.label_names.len(),
            self.pool,
        )
        .with_crowded(self.data.crowded)
    }

    fn plan(
        &self,
        directory: &FoldDirectory,
        sampler: &Sampler,
        engines: &mut Engines,
        state: &State,
        loader: &Loader<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Plan, Error> {
        let train = &self.config.train;
        let images = train.batch * train.accumulate;
        let steps = (sampler.len() / images) as u64;
        if steps == 0 {
            return Err(crate::config::ConfigError::Value {
                path: "train.batch".to_owned(),
                problem: format!(
                    "a step takes {images} pictures (train.batch x train.accumulate), fold {} has \
                     only {} to train on",
                    self.fold,
                    sampler.len()
                ),
            }
            .into());
        }
        if train.minutes == 0.0 {
            return Ok(Plan::of_epochs(steps, train.epochs as u64));
        }
        let path = directory.file("plan.json");
        if let Some(plan) = Plan::read(&path)? {
            return Ok(state.cursor.planned(plan));
        }
        progress.event(&Event::Measuring { fold: self.fold });
        let slots = sampler.epoch(0);
        let held_out = self.data.held_out_slots(self.fold).len() as u64;
        // What is measured is not kept.
        let (mut weights, mut optimizer) = (state.weights.clone(), state.optimizer.clone());
        let step_seconds = measure(self.stop, || {
            self.pool.zero(&mut engines.gradients);
            for micro in 0..train.accumulate {
                let part = &slots[micro * train.batch..][..train.batch];
                engines.micro_batch(self, loader, &mut weights, part, 0, 0)?;
            }
            engines.update(self, &mut weights, &mut optimizer, 0.0);
            Ok(())
        })?;
        let image_seconds = step_seconds / images as f64;
        let plan = Plan::of_budget(
            steps,
            train.minutes * 60.0,
            step_seconds,
            image_seconds,
            held_out,
        );
        plan.write(&path)?;
        Ok(plan)
    }
}

/// A fold in training.
struct Work<'a> {
    fold: &'a Fold<'a>,
    directory: FoldDirectory,
    sampler: Sampler,
    plan: Plan,
    state: State,
    log: &'a mut Log,
    loader: Loader<'a>,
    judge: Loader<'a>,
    engines: Engines,
    progress: &'a mut dyn Progress,
    saved: Instant,
    saved_step: u64,
}

impl Work<'_> {
    fn run(mut self) -> Result<FoldSummary, Error> {
        let fold = self.fold;
        self.saved_step = self.state.cursor.step;
        self.progress.event(&Event::FoldStarted {
            fold: fold.fold,
            model: &fold.config.model.name,
            train_images: self.sampler.len() as u64,
            valid_images: fold.data.held_out_slots(fold.fold).len() as u64,
            epochs: self.plan.epochs() as usize,
            steps: self.plan.steps,
            steps_done: self.state.cursor.step,
        });
        if self.state.cursor.step < self.plan.steps {
            self.note_session()?;
        }
        // The end of an epoch may change the plan.
        while u64::from(self.state.cursor.epoch) < self.plan.epochs() {
            self.epoch()?;
        }
        files::remove(&self.directory.file(PREVIOUS))?;
        fold.run.merge()?;
        self.summary()
    }

    fn note_session(&self) -> Result<(), Error> {
        self.directory.note_session(&Session {
            time: timestamp(SystemTime::now()),
            version: env!("CARGO_PKG_VERSION"),
            threads: self.fold.pool.threads(),
            epoch: self.state.cursor.epoch as usize + 1,
            step: self.state.cursor.step,
        })
    }

    fn summary(self) -> Result<FoldSummary, Error> {
        let cursor = self.state.cursor;
        let (Some(best), Some(last)) = (cursor.best, cursor.history.last().cloned()) else {
            return Err(Error::format(
                &self.directory.file(state::LAST),
                "the fold is done, but no epoch is on record; delete the file to train it again",
            ));
        };
        self.progress.event(&Event::FoldFinished {
            fold: cursor.fold,
            best_epoch: best.epoch,
            best_loss: best.loss,
            best_accuracy: best.accuracy,
        });
        Ok(FoldSummary {
            fold: cursor.fold,
            best,
            epochs: cursor.history.len(),
            steps: cursor.step,
            last,
        })
    }

    /// What the log says before the first epoch.
    fn describe(&mut self) -> Result<(), Error> {
        let fold = self.fold;
        let (config, graph, data) = (fold.config, fold.graph, fold.data);
        self.log.line(&format!(
            "soup {} fold {}",
            env!("CARGO_PKG_VERSION"),
            fold.fold
        ))?;
        self.log
            .line(&format!("settings\n{}", config.to_toml().trim_end()))?;
        self.log.line(&format!(
            "data {}: {} training pictures an epoch, {} held out, {} labels",
            data.fingerprint,
            self.sampler.len(),
            data.held_out_slots(fold.fold).len(),
            data.label_names.len()
        ))?;
        let input = graph.input();
        self.log.line(&format!(
            "model {}: {} parameters, {} million multiply-adds for {}x{} pixels and {} channels",
            config.model.name,
            graph.trainable_len(),
            graph.multiply_adds() / 1_000_000,
            input.width,
            input.height,
            input.channels
        ))?;
        self.log.line(&format!(
            "plan: {} steps, {} an epoch, {} epochs",
            self.plan.steps,
            self.plan.epoch_steps,
            self.plan.epochs()
        ))
    }

    /// Trains the rest of the current epoch, judges it, and moves to the next one.
    fn epoch(&mut self) -> Result<(), Error> {
        let fold = self.fold;
        let epoch = self.state.cursor.epoch;
        let steps = self.plan.steps_of(u64::from(epoch));
        let slots = self.sampler.epoch(epoch);
        self.progress.event(&Event::EpochStarted {
            fold: fold.fold,
            epoch: epoch as usize + 1,
            epochs: self.plan.epochs() as usize,
            steps,
            steps_done: self.state.cursor.epoch_step,
        });
        let begun = Instant::now();
        self.engines.pace = Pace::default();
        let seconds_before = self.state.cursor.seconds;
        let first_step = self.state.cursor.epoch_step;
        let images = fold.config.train.batch * fold.config.train.accumulate;
        while self.state.cursor.epoch_step < steps {
            let at = self.state.cursor.epoch_step as usize * images;
            let (loss, rate) = self.step(&slots[at..][..images])?;
            let cursor = &mut self.state.cursor;
            cursor.seconds = seconds_before + begun.elapsed().as_secs_f64();
            let done = cursor.epoch_step - first_step;
            let pace = begun.elapsed().as_secs_f64() / done as f64;
            let step = Step {
                fold: fold.fold,
                epoch: epoch as usize + 1,
                step: cursor.epoch_step,
                steps,
                loss,
                mean_loss: cursor.sums.mean_loss(),
                accuracy: cursor.sums.accuracy(),
                rate,
                images_per_second: images as f64 / pace,
                seconds_left: (self.plan.steps - cursor.step) as f64 * pace,
            };
            self.progress.event(&Event::Step(step));
            self.stop_or_save(steps)?;
        }
        let trained = self.state.cursor.seconds - seconds_before;
        let speed = if self.state.cursor.epoch_step > first_step {
            (self.state.cursor.epoch_step - first_step) as f64 * images as f64 / trained
        } else {
            // Taken up again with every step done: the pace of the process before.
            self.state.cursor.sums.images as f64 / self.state.cursor.seconds
        };
        let judging = Instant::now();
        let scores = self.judge()?;
        let timing = Timing {
            step: images as f64 / speed,
            evaluation: judging.elapsed().as_secs_f64(),
        };
        self.state.cursor.seconds = seconds_before + begun.elapsed().as_secs_f64();
        self.finish_epoch(&scores, speed, timing)
    }

    /// At the end of an epoch: with a time budget, how many steps its rest has room for.
    fn plan_again(&mut self, timing: Timing) {
        let minutes = self.fold.config.train.minutes;
        if minutes == 0.0 {
            return;
        }
        let cursor = &mut self.state.cursor;
        let spent = cursor.history.iter().map(|epoch| epoch.seconds).sum();
        self.plan = self.plan.again(cursor.step, 60.0 * minutes, spent, timing);
        cursor.steps = Some(self.plan.steps);
        self.fold.crowd(&mut self.sampler, self.plan);
    }

    /// One optimiser step; gives its loss and rate.
    fn step(&mut self, slots: &[Slot]) -> Result<(f64, f64), Error> {
        let fold = self.fold;
        let train = &fold.config.train;
        let state = &mut self.state;
        let engines = &mut self.engines;
        fold.pool.zero(&mut engines.gradients);
        let mut sum = 0.0;
        for (micro, part) in slots.chunks_exact(train.batch).enumerate() {
            let draw = (state.cursor.step as u32)
                .wrapping_mul(train.accumulate as u32)
                .wrapping_add(micro as u32);
            let epoch = state.cursor.epoch;
            let (loss, right) =
                engines.micro_batch(fold, &self.loader, &mut state.weights, part, epoch, draw)?;
            if !loss.is_finite() {
                return Err(Error::Diverged {
                    fold: fold.fold,
                    epoch: epoch as usize + 1,
                    step: state.cursor.epoch_step as usize + 1,
                    loss,
                });
            }
            sum += loss;
            let sums = &mut state.cursor.sums;
            sums.loss += loss * part.len() as f64;
            sums.images += part.len() as u64;
            sums.right += right;
            sums.cells += engines.slope.len() as u64;
        }
        let rate = fold.config.schedule.rate(
            train.scaled_rate() as f32,
            state.cursor.step,
            self.plan.epoch_steps,
            self.plan.steps as f64 / self.plan.epoch_steps as f64,
        );
        engines.update(fold, &mut state.weights, &mut state.optimizer, rate);
        state.cursor.step += 1;
        state.cursor.epoch_step += 1;
        state.update_average(fold.config.average.as_ref(), &self.plan);
        engines.pace.was(Part::Optimizer);
        Ok((sum / train.accumulate as f64, f64::from(rate)))
    }

    /// After a step: stops where it was asked for, saves where it is time.
    fn stop_or_save(&mut self, steps: u64) -> Result<(), Error> {
        if self.fold.stop.load(Ordering::Relaxed) {
            return Err(self.interrupt());
        }
        let train = &self.fold.config.train;
        let cursor = &self.state.cursor;
        let for_steps =
            train.checkpoint_steps > 0 && cursor.step - self.saved_step >= train.checkpoint_steps;
        let for_time = train.checkpoint_seconds > 0
            && self.saved.elapsed().as_secs() >= train.checkpoint_seconds;
        // The end of the epoch saves anyway.
        if (for_steps || for_time) && cursor.epoch_step < steps {
            self.save()?;
        }
        Ok(())
    }

    /// Saves and gives the error that says so; the error of saving where that failed.
    fn interrupt(&mut self) -> Error {
        match self.save() {
            Ok(checkpoint) => Error::Interrupted { checkpoint },
            Err(error) => error,
        }
    }

    fn save(&mut self) -> Result<PathBuf, Error> {
        self.state.cursor.log_length = self.log.sync()?;
        self.state.save(&self.directory)?;
        self.saved = Instant::now();
        self.saved_step = self.state.cursor.step;
        let path = self.directory.file(state::LAST);
        self.progress.event(&Event::Checkpoint(&path));
        Ok(path)
    }

    /// Looks at the held-out pictures with the weights as they are.
    fn judge(&mut self) -> Result<Scores, Error> {
        let fold = self.fold;
        let slots = fold.data.held_out_slots(fold.fold);
        let (_, weights) = rewrite::for_inference(fold.graph, self.state.judged());
        self.engines.inference.load(weights);
        let (progress, images) = (&mut self.progress, slots.len() as u64);
        let scores = score(&mut self.engines.inference, &self.judge, &slots, |done| {
            progress.event(&Event::Evaluating {
                fold: fold.fold,
                done,
                images,
            });
            !fold.stop.load(Ordering::Relaxed)
        })?;
        scores.ok_or_else(|| self.interrupt())
    }

    fn finish_epoch(&mut self, scores: &Scores, speed: f64, timing: Timing) -> Result<(), Error> {
        let record = self.record(scores, speed)?;
        let judged = self.state.judged();
        let kept = |epoch: EpochRecord| Kept {
            kind: KeptKind::Weights,
            settings: self.fold.config.to_toml(),
            labels: self.fold.data.label_names.to_vec(),
            fold: self.fold.fold,
            epoch,
        };
        // The best weights come to disk before the checkpoint that knows of them: killed in
        // between, the resumed epoch writes the same ones again.
        if record.best {
            let kept = kept(record.clone());
            state::keep(&self.directory.file("best.ckpt"), &kept, judged)?;
            let data = self.fold.data;
            let picture = data.packed.or(data.composed).map(Examples::shape);
            let notes = Notes::new(self.fold.config, data.label_names, &record, picture);
            safetensors::save(
                &self.directory.file("model.safetensors"),
                self.fold.graph,
                judged,
                &notes.to_metadata(),
            )?;
            npy::write(
                &self.directory.file("valid.npy"),
                &scores.probabilities(),
                self.fold.data.label_names.len(),
            )?;
        }
        let keep = self.fold.config.train.keep_epochs;
        if keep > 0 {
            let name = |epoch: usize| format!("epoch{epoch:03}.ckpt");
            let path = self.directory.file(&name(record.epoch));
            state::keep(&path, &kept(record.clone()), judged)?;
            if let Some(old) = record.epoch.checked_sub(keep).filter(|old| *old > 0) {
                files::remove(&self.directory.file(&name(old)))?;
            }
        }
        self.log_epoch(&record)?;
        let cursor = &mut self.state.cursor;
        if record.best {
            cursor.best = Some(Best {
                epoch: record.epoch,
                loss: record.valid_loss,
                accuracy: record.valid_accuracy,
            });
        }
        cursor.history.push(record.clone());
        cursor.epoch += 1;
        cursor.epoch_step = 0;
        cursor.sums = Sums::default();
        cursor.seconds = 0.0;
        self.plan_again(timing);
        self.save()?;
        self.directory.write_metrics(&self.state.cursor.history)?;
        self.fold.run.merge()?;
        self.progress.event(&Event::EpochFinished(&record));
        Ok(())
    }

    fn record(&self, scores: &Scores, speed: f64) -> Result<EpochRecord, Error> {
        let (fold, cursor) = (self.fold, &self.state.cursor);
        let labels = fold.data.label_names;
        let mut slope = vec![0.0; scores.logits.len()];
        let valid_loss =
            fold.config
                .loss
                .evaluate(&scores.logits, &scores.targets, labels.len(), &mut slope);
        let epoch = cursor.epoch as usize + 1;
        if !valid_loss.is_finite() {
            return Err(Error::Diverged {
                fold: fold.fold,
                epoch,
                step: cursor.epoch_step as usize,
                loss: valid_loss,
            });
        }
        let probabilities = scores.probabilities();
        let evaluation = Table::new(&probabilities, &scores.targets, labels, &[0.5])
            .map_err(|_| Error::Diverged {
                fold: fold.fold,
                epoch,
                step: cursor.epoch_step as usize,
                loss: valid_loss,
            })?
            .evaluate();
        let step = cursor.step.saturating_sub(1);
        Ok(EpochRecord {
            fold: fold.fold,
            epoch,
            step: cursor.step,
            rate: f64::from(fold.config.schedule.rate(
                fold.config.train.scaled_rate() as f32,
                step,
                self.plan.epoch_steps,
                self.plan.steps as f64 / self.plan.epoch_steps as f64,
            )),
            train_loss: cursor.sums.mean_loss(),
            train_accuracy: cursor.sums.accuracy(),
            valid_loss,
            valid_accuracy: evaluation.accuracy,
            valid_exact_match: evaluation.exact_match,
            valid_map: evaluation.mean_average_precision.unwrap_or(f64::NAN),
            best: cursor
                .best
                .as_ref()
                .is_none_or(|best| valid_loss < best.loss),
            seconds: cursor.seconds,
            images_per_second: speed,
            memory_mib: memory::peak_mib(),
        })
    }

    fn log_epoch(&mut self, record: &EpochRecord) -> Result<(), Error> {
        self.log.line(&format!(
            "fold {} epoch {} step {}: train loss {:.5} accuracy {:.5}, valid loss {:.5} accuracy \
             {:.5} exact match {:.5} mAP {:.5}{}, rate {:.3e}, {:.1} images/s ({}), {:.0} s, {} MiB",
            record.fold,
            record.epoch,
            record.step,
            record.train_loss,
            record.train_accuracy,
            record.valid_loss,
            record.valid_accuracy,
            record.valid_exact_match,
            record.valid_map,
            if record.best { " (best)" } else { "" },
            record.rate,
            record.images_per_second,
            self.engines.pace,
            record.seconds,
            record.memory_mib,
        ))
    }
}
