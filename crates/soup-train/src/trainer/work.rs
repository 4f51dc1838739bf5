//! A fold in training: its epochs, steps and checkpoints.

use std::{
    path::PathBuf,
    sync::atomic::Ordering,
    time::{Instant, SystemTime},
};

use soup_data::{Source, batches::Loader};

use super::{
    divergence::Divergence,
    engines::Engines,
    fold::{Fold, FoldSummary},
    pace::{Pace, Part},
    plan::{CutShort, Plan, Plans, Timing},
    state::{self, Cursor, PREVIOUS},
};
use crate::{
    Error,
    progress::{Event, Progress, Step},
    runs::{FoldDirectory, Log, Session, files, log::timestamp},
};

/// A fold in training.
pub(super) struct Work<'a> {
    pub fold: &'a Fold<'a>,
    pub directory: FoldDirectory,
    /// What the fold is trained on.
    pub training: Box<dyn Source + 'a>,
    pub plan: Plan,
    /// Where the clock plans, what it planned.
    pub plans: Option<Plans>,
    pub cursor: Cursor,
    pub log: &'a mut Log,
    pub loader: Loader<'a>,
    /// Loads as validation does.
    pub plain_loader: Loader<'a>,
    pub engines: Engines,
    pub progress: &'a mut dyn Progress,
    pub saved: Instant,
    pub saved_step: u64,
}

impl Work<'_> {
    pub fn run(mut self) -> Result<FoldSummary, Error> {
        let fold = self.fold;
        self.saved_step = self.cursor.step;
        self.progress.event(&Event::FoldStarted {
            fold: fold.fold,
            model: &fold.config.model.name,
            train_images: self.training.epoch_len() as u64,
            valid_images: fold.data.held_out_rows[fold.fold].len() as u64,
            epochs: self.plan.epochs() as usize,
            steps: self.plan.steps,
            steps_done: self.cursor.step,
        });
        if self.cursor.step < self.plan.steps {
            self.note_session()?;
        }
        // The end of an epoch may change the plan.
        while u64::from(self.cursor.epoch) < self.plan.epochs() {
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
            threads: self.fold.device.pool.threads(),
            epoch: self.cursor.epoch as usize + 1,
            step: self.cursor.step,
        })
    }

    fn summary(self) -> Result<FoldSummary, Error> {
        let cursor = self.cursor;
        let (Some(best), Some(last)) = (cursor.best, cursor.history.last().cloned()) else {
            return Err(Error::format(
                &self.directory.file(state::LAST),
                "the fold is done, but no epoch is on record; delete the file to train it again",
            ));
        };
        self.progress.event(&Event::FoldFinished {
            fold: cursor.fold,
            best: &best,
        });
        Ok(FoldSummary {
            fold: cursor.fold,
            best,
            epochs: cursor.history.len(),
            steps: cursor.step,
            last,
            cut_short: self.plans.and_then(|plans| plans.cut_short(cursor.step)),
        })
    }

    /// What the log says before the first epoch; `loaded` is what was taken from a file of weights.
    pub fn describe(&mut self, loaded: Option<&str>) -> Result<(), Error> {
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
            "data {}: {} training images an epoch, {} held out, {} labels",
            data.fingerprint,
            self.training.epoch_len(),
            data.held_out_rows[fold.fold].len(),
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
        if let Some(what) = loaded {
            self.log.line(&format!("weights {what}"))?;
        }
        self.log.line(&format!(
            "plan: {} steps, {} an epoch, {} epochs",
            self.plan.steps,
            self.plan.epoch_steps,
            self.plan.epochs()
        ))
    }

    /// Trains the rest of the current epoch, validates, and moves to the next one.
    fn epoch(&mut self) -> Result<(), Error> {
        let fold = self.fold;
        let epoch = self.cursor.epoch;
        let steps = self.plan.steps_of(u64::from(epoch));
        let images_of_epoch = self.training.epoch(fold.config.train.seed, epoch);
        self.progress.event(&Event::EpochStarted {
            fold: fold.fold,
            epoch: epoch as usize + 1,
            epochs: self.plan.epochs() as usize,
            steps,
            steps_done: self.cursor.epoch_step,
        });
        let begun = fold.clock.seconds();
        self.engines.pace = Pace::default();
        let seconds_before = self.cursor.seconds;
        let first_step = self.cursor.epoch_step;
        let images = fold.config.train.batch * fold.config.train.accumulate;
        while self.cursor.epoch_step < steps {
            let at = self.cursor.epoch_step as usize * images;
            let (loss, rate) = self.step(&images_of_epoch[at..][..images])?;
            let cursor = &mut self.cursor;
            let seconds = fold.clock.seconds() - begun;
            cursor.seconds = seconds_before + seconds;
            let pace = seconds / (cursor.epoch_step - first_step) as f64;
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
        // Of the whole epoch, by however many processes.
        let speed = self.cursor.sums.images as f64 / self.cursor.seconds;
        let judging = fold.clock.seconds();
        let scores = self.validate()?;
        let evaluation = fold.clock.seconds() - judging;
        self.cursor.seconds += evaluation;
        let timing = Timing {
            step: images as f64 / speed,
            evaluation,
        };
        self.finish_epoch(&scores, speed, timing)
    }

    /// At the end of an epoch: with a time budget, how many steps its rest has room for.
    pub fn plan_again(&mut self, timing: Timing) -> Result<(), Error> {
        let Some(plans) = &mut self.plans else {
            return Ok(());
        };
        let (fold, before) = (self.fold, self.plan);
        let cursor = &mut self.cursor;
        let spent = cursor.history.iter().map(|epoch| epoch.seconds).sum();
        let seconds = 60.0 * fold.config.train.minutes;
        self.plan = plans.again(cursor.step, |plan| {
            plan.again(cursor.step, seconds, spent, timing)
        })?;
        cursor.steps = Some(self.plan.steps);
        self.training.plan(self.plan.epochs() as f64);
        if let Some(CutShort { steps, planned }) = plans.cut_short(cursor.step) {
            self.log.line(&format!(
                "the time budget is spent: {steps} steps of the {planned} that the schedule was laid out for"
            ))?;
            self.progress.event(&Event::CutShort {
                fold: fold.fold,
                steps,
                planned,
            });
        } else if self.plan != before {
            self.log.line(&format!(
                "plan: {} steps, {} epochs",
                self.plan.steps,
                self.plan.epochs()
            ))?;
        }
        Ok(())
    }

    /// One optimiser step; gives its loss and rate.
    fn step(&mut self, images: &[u64]) -> Result<(f64, f64), Error> {
        let fold = self.fold;
        let train = &fold.config.train;
        let cursor = &mut self.cursor;
        let engines = &mut self.engines;
        engines.training.zero_gradients();
        let mut sum = 0.0;
        for (micro, part) in images.chunks_exact(train.batch).enumerate() {
            let draw = (cursor.step as u32)
                .wrapping_mul(train.accumulate as u32)
                .wrapping_add(micro as u32);
            let (loss, [right, cells]) = engines.micro_batch(
                fold,
                &self.loader,
                (&*self.training, part),
                cursor.epoch,
                draw,
            )?;
            if !loss.is_finite() {
                let step = cursor.epoch_step + 1;
                return Err(self.diverged(step, format!("the loss is {loss}")));
            }
            sum += loss;
            let sums = &mut cursor.sums;
            sums.loss += loss * part.len() as f64;
            sums.images += part.len() as u64;
            sums.right += right;
            sums.cells += cells;
        }
        let rate = fold.config.schedule.rate(
            train.scaled_rate() as f32,
            cursor.step,
            self.plan.epoch_steps,
            self.plan.steps as f64 / self.plan.epoch_steps as f64,
        );
        let average = cursor.average_weight(fold.config.average.as_ref(), &self.plan);
        if let Err(what) = engines.training.step(rate, average) {
            let step = cursor.epoch_step + 1;
            return Err(self.diverged(step, what));
        }
        cursor.step += 1;
        cursor.epoch_step += 1;
        engines.pace.was(Part::Optimizer);
        Ok((sum / train.accumulate as f64, f64::from(rate)))
    }

    /// After a step: stops where it was asked for, saves where it is time.
    fn stop_or_save(&mut self, steps: u64) -> Result<(), Error> {
        if self.fold.stop.load(Ordering::Relaxed) {
            return Err(self.interrupt());
        }
        let train = &self.fold.config.train;
        let cursor = &self.cursor;
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
    pub fn interrupt(&mut self) -> Error {
        match self.save() {
            Ok(checkpoint) => Error::Interrupted { checkpoint },
            Err(error) => error,
        }
    }

    /// Ends the training where there is no number any more: nothing of it comes to disk.
    pub fn diverged(&self, step: u64, what: String) -> Error {
        let cursor = &self.cursor;
        let best = cursor.best.as_ref().map(|best| best.epoch);
        Divergence::new(self.fold, cursor.epoch, step, what, best).end(&self.directory)
    }

    pub fn save(&mut self) -> Result<PathBuf, Error> {
        if let Some(what) = self.engines.training.state().not_finite() {
            return Err(self.diverged(self.cursor.epoch_step, what));
        }
        self.cursor.log_length = self.log.sync()?;
        let training = self.engines.training.state();
        self.cursor.save(training, &self.directory)?;
        self.saved = Instant::now();
        self.saved_step = self.cursor.step;
        let path = self.directory.file(state::LAST);
        self.progress.event(&Event::Checkpoint(&path));
        Ok(path)
    }
}
