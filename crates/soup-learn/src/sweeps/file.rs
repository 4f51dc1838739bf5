//! The sweep file: what is varied, how, and on top of which settings.

use std::path::Path;

use serde::{Deserialize, Serialize};
use soup_data::pack::Pack;

use super::{
    race::{Race, RaceConfig},
    search::Search,
    space::{self, SweepOption},
};
use crate::{
    config::{CheckedConfig, Config, ConfigError, decode},
    metrics::{Evaluation, RowMetric},
    runs::EpochRecord,
    setting::require,
};

/// A sweep has at most so many candidates: each of them is trained, and each pair of them compared.
const MOST_CANDIDATES: usize = 1_000;

/// A sweep as a person writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepFile {
    /// Settings to start from: a preset's name or a TOML file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// `section.key=value` settings laid over the preset, the same for every candidate.
    #[serde(default)]
    pub settings: Vec<String>,
    /// What makes a candidate good.
    #[serde(default)]
    pub metric: Metric,
    /// Folds that every candidate is trained on, counted from 0.
    #[serde(default = "first_fold")]
    pub folds: Vec<usize>,
    /// How candidates are found.
    #[serde(default)]
    pub search: Search,
    /// How they are compared.
    #[serde(default)]
    pub race: RaceConfig,
    /// What is varied.
    #[serde(default, rename = "option")]
    pub options: Vec<SweepOption>,
}

fn first_fold() -> Vec<usize> {
    vec![0]
}

/// A score of the held-out pictures: a mean over pictures, so that pictures can be paired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of right cells.
    #[default]
    Accuracy,
    /// Share of pictures with every cell right.
    ExactMatch,
    /// Binary cross-entropy; smaller is better, so its scores are below 0.
    Loss,
}

impl Metric {
    /// Score of an epoch.
    pub(super) fn of_epoch(self, record: &EpochRecord) -> f64 {
        match self {
            Self::Accuracy => record.valid_accuracy,
            Self::ExactMatch => record.valid_exact_match,
            Self::Loss => -record.valid_loss,
        }
    }

    /// Score of a whole training.
    pub(super) fn of_evaluation(self, evaluation: &Evaluation) -> f64 {
        match self {
            Self::Accuracy => evaluation.accuracy,
            Self::ExactMatch => evaluation.exact_match,
            Self::Loss => -evaluation.loss,
        }
    }

    /// The score of single pictures, and the factor that makes larger ones better.
    pub(super) fn of_pictures(self) -> (RowMetric, f64) {
        match self {
            Self::Accuracy => (RowMetric::Accuracy, 1.0),
            Self::ExactMatch => (RowMetric::ExactMatch, 1.0),
            Self::Loss => (RowMetric::Loss, -1.0),
        }
    }
}

impl SweepFile {
    /// Reads a sweep file and checks all of it but the settings of its candidates. `origin` is the
    /// name that errors give to the text.
    ///
    /// # Errors
    /// [`ConfigError`] with the key.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ConfigError> {
        let table = text.parse().map_err(|error| ConfigError::Syntax {
            origin: origin.to_owned(),
            problem: format!("not TOML: {error}"),
        })?;
        let file: Self = decode(table)?;
        let wrong = |path: &str, problem: &str| {
            Err(ConfigError::Value {
                path: path.to_owned(),
                problem: problem.to_owned(),
            })
        };
        if file.options.is_empty() {
            return wrong("option", "nothing is varied; add a table [[option]]");
        }
        if file.folds.is_empty() {
            return wrong("folds", "name at least one");
        }
        for option in &file.options {
            option.check()?;
        }
        file.race.check()?;
        let count = file.search.count(&file.options);
        require(
            (1..=MOST_CANDIDATES).contains(&count),
            "search",
            format!("{count} candidates"),
            format!(
                "must be from 1 to {MOST_CANDIDATES}; a large grid is better searched by kind = \"random\" or \"tpe\" with a count"
            ),
        )?;
        Ok(file)
    }

    /// The settings that every candidate is laid over.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn base(&self) -> Result<Config, ConfigError> {
        Config::load(self.preset.as_deref(), &self.settings)
    }

    /// The settings of a candidate, over the base that `base_file` holds.
    ///
    /// # Errors
    /// As [`Config::load`] and [`Config::check`].
    pub fn config(
        &self,
        base_file: &str,
        settings: &[String],
        seed: u64,
    ) -> Result<CheckedConfig, ConfigError> {
        let mut config = Config::load(Some(base_file), settings)?;
        config.train.seed = seed;
        config.check()
    }

    /// Checks the settings of every value of every option, each on top of the base alone.
    ///
    /// # Errors
    /// As [`Config::load`] and [`Config::check`].
    pub fn check_settings(&self) -> Result<(), ConfigError> {
        let base = self.base()?.check()?;
        let path = &base.data.path;
        if !base.data.only_composed() && !Pack::is_pack(Path::new(path)) {
            return Err(ConfigError::Value {
                path: "data.path".to_owned(),
                problem: if path.is_empty() {
                    "there are no pictures to learn from: name a pack, or compose all with \
                     data.compose_share=1"
                        .to_owned()
                } else {
                    format!("{path} is no pack; every trial would pack it anew: soup pack it first")
                },
            });
        }
        for option in &self.options {
            for point in option.grid() {
                let mut all = self.settings.clone();
                all.extend(option.settings(point));
                Config::load(self.preset.as_deref(), &all)?.check()?;
            }
        }
        Ok(())
    }

    /// The plan.
    pub fn race(&self) -> Race {
        Race {
            options: self.options.clone(),
            search: self.search.clone(),
            config: self.race.clone(),
        }
    }

    /// The settings of a candidate as `section.key=value`.
    pub fn settings_of(&self, candidate: &[space::Point]) -> Vec<String> {
        space::settings(&self.options, candidate)
    }
}
