//! The end of an epoch: validation on the held-out images, the best weights, and the record.

use std::sync::atomic::Ordering;

use soup_decide::metrics::{Metric, ScoredPredictions};
use soup_engine::memory;
use soup_graph::{rewrite, safetensors};
use soup_model::{Notes, Scores, WEIGHTS_FILE, score};

use super::{
    plan::Timing,
    state::{self, Best, Kept, KeptKind, Sums},
    work::Work,
};
use crate::{
    Error, npy,
    progress::Event,
    runs::{EpochRecord, files},
};

impl Work<'_> {
    /// Predicts the held-out images with the current weights.
    pub fn validate(&mut self) -> Result<Scores, Error> {
        let fold = self.fold;
        let rows = &fold.data.held_out_rows[fold.fold];
        let source = fold.data.validation()?;
        let (_, weights) =
            rewrite::for_inference(fold.graph, self.engines.training.state().evaluated())?;
        self.engines.inference.load(weights);
        let (progress, images) = (&mut self.progress, rows.len() as u64);
        let inference = &mut *self.engines.inference;
        let scores = score(inference, &self.plain_loader, (source, rows), |done| {
            progress.event(&Event::Evaluating {
                fold: fold.fold,
                done,
                images,
            });
            !fold.stop.load(Ordering::Relaxed)
        })?;
        scores.ok_or_else(|| self.interrupt())
    }

    pub fn finish_epoch(
        &mut self,
        scores: &Scores,
        speed: f64,
        timing: Timing,
    ) -> Result<(), Error> {
        let record = self.record(scores, speed)?;
        let weights = self.engines.training.state().evaluated();
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
            state::keep(&self.directory.file("best.ckpt"), &kept, weights)?;
            let data = self.fold.data;
            let source = data.rows.or(data.composed);
            let notes = Notes::new(
                (&self.fold.config.model, &self.fold.config.transforms),
                data.label_names,
                [record.fold, record.epoch],
                record.valid_accuracy,
                source,
            );
            safetensors::save(
                &self.directory.file(WEIGHTS_FILE),
                self.fold.graph,
                weights,
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
            state::keep(&path, &kept(record.clone()), weights)?;
            if let Some(old) = record.epoch.checked_sub(keep).filter(|old| *old > 0) {
                files::remove(&self.directory.file(&name(old)))?;
            }
        }
        self.log_epoch(&record)?;
        let cursor = &mut self.cursor;
        if record.best {
            cursor.best = Some(Best {
                epoch: record.epoch,
                loss: record.valid_loss,
                accuracy: record.valid_accuracy,
                mean_average_precision: Some(record.valid_map).filter(|value| value.is_finite()),
            });
        }
        cursor.history.push(record.clone());
        cursor.epoch += 1;
        cursor.epoch_step = 0;
        cursor.sums = Sums::default();
        cursor.seconds = 0.0;
        self.plan_again(timing)?;
        self.save()?;
        self.directory.write_metrics(&self.cursor.history)?;
        self.fold.run.merge()?;
        self.progress.event(&Event::EpochFinished(&record));
        Ok(())
    }

    fn record(&mut self, scores: &Scores, speed: f64) -> Result<EpochRecord, Error> {
        if let Some(what) = self.engines.training.state().not_finite() {
            return Err(self.diverged(self.cursor.epoch_step, what));
        }
        let (fold, cursor) = (self.fold, &self.cursor);
        let labels = fold.data.label_names;
        let mut gradient = vec![0.0; scores.logits.len()];
        let valid_loss =
            fold.config
                .loss
                .evaluate(&scores.logits, &scores.targets, labels.len(), &mut gradient);
        let epoch = cursor.epoch as usize + 1;
        let diverged = |what: String| self.diverged(cursor.epoch_step, what);
        if !valid_loss.is_finite() {
            return Err(diverged(format!(
                "the loss of the held-out images is {valid_loss}"
            )));
        }
        let probabilities = scores.probabilities();
        let evaluation = ScoredPredictions::new(&probabilities, &scores.targets, labels, &[0.5])
            .map_err(|error| diverged(format!("of the held-out images, {error}")))?
            .evaluate();
        let step = cursor.step.saturating_sub(1);
        let mut record = EpochRecord {
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
            best: false,
            seconds: cursor.seconds,
            images_per_second: speed,
            memory_mib: memory::peak_mib(),
        };
        record.best = is_best(&record, &cursor.history, fold.config.train.metric);
        Ok(record)
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

/// Whether an epoch is better than all before it. The first of equals is the best one.
fn is_best(record: &EpochRecord, before: &[EpochRecord], metric: Metric) -> bool {
    let best = before.iter().rfind(|record| record.best);
    best.is_none_or(|best| {
        let (new, old) = (record.score(metric), best.score(metric));
        match new.is_nan() || old.is_nan() {
            true => record.valid_loss < best.valid_loss,
            false => new > old,
        }
    })
}
