//! How long, in what portions and with what care training runs.

use serde::{Deserialize, Serialize};
use soup_decide::metrics::Metric;
use soup_devices::DeviceName;
use soup_engine::setting::{InvalidSetting, require};

/// The section `[train]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Seed of every draw: initial weights, order, augmentation, dropout, composed images.
    pub seed: u64,
    /// Learning rate that the schedule begins from, for a step of `rate_batch` images where
    /// `rate_rule` says so.
    pub rate: f64,
    /// How the rate follows the images of a step.
    pub rate_rule: RateRule,
    /// Images of a step for which `rate` was found, for `rate_rule`.
    pub rate_batch: usize,
    /// Times the rate, at which the backbone learns; the head learns at the rate itself. Less than 1 where the
    /// backbone begins with weights that are good already. At 0 it is frozen: it runs as in inference, in a third of the
    /// time, and only the head learns.
    pub backbone_rate: f64,
    /// Times the rate again for each block of the backbone that lies further from the head (Clark et al., "ELECTRA",
    /// 2020); 1 leaves all alike.
    pub layer_decay: f64,
    /// Passes over the training images.
    pub epochs: usize,
    /// Minutes a fold may take; 0 leaves it to `epochs`. How many steps that are is measured before the
    /// first step and again at the end of each epoch, and kept in the run.
    pub minutes: f64,
    /// Images in a batch.
    pub batch: usize,
    /// Batches whose gradients are averaged before the optimiser steps.
    pub accumulate: usize,
    /// Largest norm of the gradient; 0 does not limit it.
    pub clip_norm: f64,
    /// Training images in an epoch, drawn anew each time; 0 takes all.
    pub epoch_images: u64,
    /// Which score of the held-out images makes an epoch the best: `loss`, `accuracy`, `exact_match` or `mAP`. Where no
    /// held-out image has a label, mAP is no number and the loss decides.
    pub metric: Metric,
    /// Folds that are trained where the command names none, counted from 0; empty trains all.
    pub folds: Vec<usize>,
    /// Images in a batch of evaluation; 0 takes `batch`.
    pub evaluation_batch: usize,
    /// Where the network runs; `auto` takes the fastest that is there.
    pub device: DeviceName,
    /// Threads; 0 takes every core.
    pub threads: usize,
    /// Seconds between checkpoints within an epoch; 0 writes none for time.
    pub checkpoint_seconds: u64,
    /// Optimiser steps between checkpoints within an epoch; 0 writes none for steps.
    pub checkpoint_steps: u64,
    /// Weights kept of the last epochs, beside the best and the last.
    pub keep_epochs: usize,
}

/// A batch has no more images, and a step no more batches: far above what memory holds, and low enough to multiply.
const MOST_IMAGES: usize = 1 << 20;

/// How the rate follows the images of a step, `batch` x `accumulate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateRule {
    /// Not at all.
    #[default]
    None,
    /// As the number of images (Goyal et al., "Accurate, large minibatch SGD", 2017): for SGD.
    Linear,
    /// As its square root (Krizhevsky, "One weird trick", 2014; for Adam: Malladi et al., NeurIPS
    /// 2022).
    Sqrt,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            seed: 42,
            rate: 1e-3,
            rate_rule: RateRule::None,
            rate_batch: 8,
            backbone_rate: 1.0,
            layer_decay: 1.0,
            epochs: 25,
            minutes: 0.0,
            batch: 8,
            accumulate: 1,
            clip_norm: 0.0,
            epoch_images: 0,
            metric: Metric::Loss,
            folds: Vec::new(),
            evaluation_batch: 0,
            device: DeviceName::Auto,
            threads: 0,
            checkpoint_seconds: 120,
            checkpoint_steps: 0,
            keep_epochs: 0,
        }
    }
}

impl TrainConfig {
    /// The rate for a step of `batch` x `accumulate` images.
    pub fn scaled_rate(&self) -> f64 {
        let times = (self.batch * self.accumulate) as f64 / self.rate_batch as f64;
        self.rate
            * match self.rate_rule {
                RateRule::None => 1.0,
                RateRule::Linear => times,
                RateRule::Sqrt => times.sqrt(),
            }
    }

    /// Images in a batch of evaluation.
    pub fn evaluation_batch(&self) -> usize {
        if self.evaluation_batch == 0 {
            self.batch
        } else {
            self.evaluation_batch
        }
    }

    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        require(
            i64::try_from(self.seed).is_ok(),
            "train.seed",
            self.seed,
            "must be below 2^63, the largest integer of TOML",
        )?;
        require(
            self.epochs >= 1,
            "train.epochs",
            self.epochs,
            "must be at least 1",
        )?;
        for (key, value, least) in [
            ("train.batch", self.batch, 1),
            ("train.rate_batch", self.rate_batch, 1),
            ("train.accumulate", self.accumulate, 1),
            ("train.evaluation_batch", self.evaluation_batch, 0),
        ] {
            let rule = format_args!("must be at least {least}");
            require(value >= least, key, value, rule)?;
            let rule = format_args!("must be at most {MOST_IMAGES}");
            require(value <= MOST_IMAGES, key, value, rule)?;
        }
        require(
            self.rate > 0.0 && self.rate.is_finite(),
            "train.rate",
            self.rate,
            "must be a number above 0",
        )?;
        require(
            (0.0..=1.0).contains(&self.backbone_rate),
            "train.backbone_rate",
            self.backbone_rate,
            "must be from 0 to 1",
        )?;
        require(
            self.layer_decay > 0.0 && self.layer_decay <= 1.0,
            "train.layer_decay",
            self.layer_decay,
            "must be above 0, and at most 1",
        )?;
        for (key, value) in [
            ("train.minutes", self.minutes),
            ("train.clip_norm", self.clip_norm),
        ] {
            require(
                value >= 0.0 && value.is_finite(),
                key,
                value,
                "must be a number of at least 0; 0 turns it off",
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_follows_the_images_of_a_step() {
        let rate = |rate_rule| {
            TrainConfig {
                rate: 0.5,
                rate_rule,
                rate_batch: 16,
                batch: 32,
                accumulate: 8,
                ..TrainConfig::default()
            }
            .scaled_rate()
        };
        let rules = [RateRule::None, RateRule::Linear, RateRule::Sqrt];
        assert_eq!(rules.map(rate), [0.5, 8.0, 2.0]);
    }
}
