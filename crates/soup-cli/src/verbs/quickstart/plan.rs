//! Where everything lies, and what was decided when the folder was begun.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use soup_data::files::write_whole;
use soup_train::config::renamed::in_settings;

use super::Arguments;
use crate::failure::Usage;

/// Images of a whole quickstart, and the minutes that they are for.
const IMAGES: f64 = 4000.0;
const TEST_IMAGES: f64 = 1000.0;
const WHOLE_MINUTES: f64 = 7.0;
/// Time kept for measuring the pace, trying views, predicting and scoring: in all, and for each fold's model.
const BESIDE_TRAINING: Duration = Duration::from_secs(20);
const OF_A_FOLD: Duration = Duration::from_secs(10);

/// Where everything lies.
pub struct Places {
    pub plan: PathBuf,
    pub data: PathBuf,
    pub train: PathBuf,
    pub test: PathBuf,
    pub sample: PathBuf,
    pub train_pack: PathBuf,
    pub test_pack: PathBuf,
    pub folds: PathBuf,
    pub run: PathBuf,
    pub decision: PathBuf,
    pub predictions: PathBuf,
    pub submission: PathBuf,
}

impl Places {
    pub fn of(out: &Path) -> Self {
        Self {
            plan: out.join("quickstart.json"),
            data: out.join("data"),
            train: out.join("data/train"),
            test: out.join("data/test"),
            sample: out.join("data/sample_submission.csv"),
            train_pack: out.join("pack/train"),
            test_pack: out.join("pack/test"),
            folds: out.join("folds.json"),
            run: out.join("run"),
            decision: out.join("run/decision.json"),
            predictions: out.join("probs.csv"),
            submission: out.join("submission.csv"),
        }
    }
}

/// `quickstart.json`: written before the training, so that going on decides alike.
#[derive(Debug, Serialize, Deserialize)]
pub struct Plan {
    minutes: f64,
    seed: u32,
    settings: Vec<String>,
    /// Labelled images and test images.
    #[serde(rename = "pictures")]
    pub images: u32,
    #[serde(rename = "test_pictures")]
    pub test_images: u32,
    /// Minutes of training of each fold.
    pub train_minutes: f64,
}

/// How many labelled images and test images there shall be.
pub fn sizes(arguments: &Arguments) -> (u32, u32) {
    let share = (arguments.minutes / WHOLE_MINUTES).min(1.0);
    let hundreds = |whole: f64| ((whole * share / 100.0).round() as u32).max(1) * 100;
    (
        arguments.images.unwrap_or_else(|| hundreds(IMAGES)),
        arguments
            .test_images
            .unwrap_or_else(|| hundreds(TEST_IMAGES)),
    )
}

impl Plan {
    /// The plan that the folder was begun with, where there is one.
    pub fn read(path: &Path, arguments: &Arguments) -> Result<Option<Self>> {
        let Ok(text) = std::fs::read_to_string(path) else {
            return Ok(None);
        };
        let mut plan: Self = serde_json::from_str(&text).map_err(|error| {
            let hint = "name another --out, or remove this folder";
            soup_data::Error::format(path, error.to_string(), hint)
        })?;
        plan.settings = in_settings(&plan.settings)?;
        let (images, test_images) = sizes(arguments);
        let now = Self {
            minutes: arguments.minutes,
            seed: arguments.seed,
            settings: in_settings(&arguments.settings)?,
            images,
            test_images,
            train_minutes: plan.train_minutes,
        };
        if plan.words() != now.words() {
            return Err(Usage(format!(
                "{} was begun with {}; give the same to go on, or name another --out",
                arguments.out.display(),
                plan.words(),
            ))
            .into());
        }
        Ok(Some(plan))
    }

    /// Gives training the time that is left, for good.
    pub fn begin(arguments: &Arguments, started: Instant, path: &Path) -> Result<Self> {
        let (images, test_images) = sizes(arguments);
        let left = Duration::from_secs_f64(arguments.minutes * 60.0)
            .saturating_sub(started.elapsed())
            .saturating_sub(BESIDE_TRAINING);
        let of_a_fold = (left / arguments.folds)
            .saturating_sub(OF_A_FOLD)
            // Even a short wish trains a little.
            .max(Duration::from_secs(3));
        let plan = Self {
            minutes: arguments.minutes,
            seed: arguments.seed,
            settings: in_settings(&arguments.settings)?,
            images,
            test_images,
            train_minutes: (of_a_fold.as_secs_f64() / 60.0 * 1000.0).round() / 1000.0,
        };
        write_whole(path, serde_json::to_string_pretty(&plan)?.as_bytes())?;
        Ok(plan)
    }

    /// The arguments that must be the same to go on.
    fn words(&self) -> String {
        let mut words = format!(
            "--minutes {} --images {} --test-images {} --seed {}",
            self.minutes, self.images, self.test_images, self.seed
        );
        for setting in &self.settings {
            words.push(' ');
            words.push_str(setting);
        }
        words
    }
}
