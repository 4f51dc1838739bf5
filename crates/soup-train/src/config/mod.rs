//! Settings as data: one TOML file with a section a concept, every key optional, every mistake
//! named.
//!
//! A [`Config`] is made from the defaults, a preset or file (whose key `preset` may name a preset to lie on), and
//! `section.key=value` arguments, in this order; [`Config::check`] turns it into a [`CheckedConfig`], the only thing that the trainer
//! takes.
//!
//! ```
//! use soup_train::config::Config;
//!
//! let config = Config::load(Some("dacon12"), &["train.rate=5e-4".to_owned()])?;
//! assert_eq!((config.train.rate, config.train.epochs), (5e-4, 25));
//! let error = Config::load(None, &["train.epoch=5".to_owned()]).unwrap_err();
//! assert_eq!(error.to_string(), "unknown key train.epoch; did you mean train.epochs?");
//! # Ok::<(), soup_train::config::ConfigError>(())
//! ```

pub mod compare;
mod data;
mod decode;
mod error;
mod folds;
mod merge;
mod overrides;
pub mod presets;
pub mod renamed;
mod train;
mod weights;

pub use data::DataConfig;
pub use decode::decode;
pub use error::ConfigError;
pub use folds::FoldsConfig;
use soup_engine::optimizers::Optimizer;
use soup_model::{ModelConfig, settings_table};
pub use train::{RateRule, TrainConfig};
pub use weights::InputOfWeights;

use serde::{Deserialize, Serialize};
use soup_compose::ComposeConfig;
use soup_data::transforms::{Pipeline, Places};
use toml::Table;

use crate::{
    average::Average,
    losses::{Boxes, Loss},
    mixing::Mix,
    schedules::Schedule,
};

/// Every setting of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which images.
    pub data: DataConfig,
    /// How the images are cut into folds.
    pub folds: FoldsConfig,
    /// How images are composed.
    pub compose: ComposeConfig,
    /// Which network.
    pub model: ModelConfig,
    /// The loss.
    pub loss: Loss,
    /// The loss of boxes, which train the label maps: of composed images, and of images whose labels came with boxes.
    pub boxes: Boxes,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// The schedule of the learning rate.
    pub schedule: Schedule,
    /// How long, in what portions and with what care.
    pub train: TrainConfig,
    /// How images of a batch are mixed with one another; not where the section is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mix: Option<Mix>,
    /// The average of the weights; none where the section is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average: Option<Average>,
    /// What happens to an image on its way to the network; the random ones in training only.
    pub transforms: Pipeline,
}

impl Config {
    /// The defaults, with a preset (or a TOML file, by its path) and then `section.key=value`
    /// arguments laid over them.
    ///
    /// # Errors
    /// The first unknown key, value that does not fit, or preset that does not exist.
    pub fn load(preset: Option<&str>, overrides: &[String]) -> Result<Self, ConfigError> {
        let mut table = Self::default().to_table();
        if let Some(name) = preset {
            merge::merge(&mut table, parse(&presets::find(name)?, name)?);
        }
        for text in renamed::in_settings(overrides)? {
            overrides::apply(&mut table, &text)?;
        }
        Self::from_table(table)
    }

    /// Reads settings from TOML; what is missing takes its default. `origin` is the name that
    /// errors give to the text.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_toml(text: &str, origin: &str) -> Result<Self, ConfigError> {
        let mut table = Self::default().to_table();
        merge::merge(&mut table, parse(text, origin)?);
        Self::from_table(table)
    }

    /// These settings with `section.key=value` arguments laid over them.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn with(&self, overrides: &[String]) -> Result<Self, ConfigError> {
        let mut table = self.to_table();
        for text in renamed::in_settings(overrides)? {
            overrides::apply(&mut table, &text)?;
        }
        Self::from_table(table)
    }

    fn from_table(table: Table) -> Result<Self, ConfigError> {
        let config: Self = decode::decode(table.clone())?;
        merge::refuse_ignored(&table, &config.to_table())?;
        Ok(config)
    }

    /// Every setting as a table.
    pub fn to_table(&self) -> Table {
        settings_table(self)
    }

    /// Every setting as TOML.
    pub fn to_toml(&self) -> String {
        self.to_table().to_string()
    }

    /// What the public weights that these settings begin with have to say about the input: which means and deviations are
    /// taken from them, or that others are set. Nothing where all is as they expect or nothing is known of them.
    pub fn input_of_weights(&self) -> Option<InputOfWeights> {
        weights::say(self)
    }

    fn only_boxes_train_on_dense(&self) -> bool {
        self.data.dense_share > 0.0 && !self.data.dense_labels
    }

    fn check_boxes(&self) -> Result<(), ConfigError> {
        self.boxes.check()?;
        let wrong = |problem: String| {
            Err(ConfigError::Value {
                path: "boxes.weight".to_owned(),
                problem,
            })
        };
        if !self.boxes.is_on() {
            return match self.only_boxes_train_on_dense() {
                true => wrong(
                    "with data.dense_labels=false dense images train by boxes only; set it to true, or this above 0"
                        .to_owned(),
                ),
                false => Ok(()),
            };
        }
        if self.model.head != soup_zoo::Head::LabelMap {
            return wrong("boxes train label maps; set model.head=label_map too".to_owned());
        }
        match self
            .transforms
            .transforms()
            .iter()
            .find(|t| t.places() == Places::Loses)
        {
            Some(transform) => wrong(format!(
                "the transform {} moves things away from their boxes, and nobody knows where to; leave it out",
                transform.kind()
            )),
            None => Ok(()),
        }
    }

    /// What cannot be together with a frozen backbone.
    fn check_frozen(&self) -> Result<(), ConfigError> {
        let wrong = |problem: &str| {
            Err(ConfigError::Value {
                path: "train.backbone_rate".to_owned(),
                problem: format!("at 0 the backbone is frozen, and {problem}"),
            })
        };
        if self.train.backbone_rate > 0.0 {
            return Ok(());
        }
        if self.boxes.is_on() {
            return wrong("boxes have nothing to teach; set boxes.weight=0 or a rate above 0");
        }
        if self.model.symmetry != soup_model::Symmetry::None {
            return wrong("its filters cannot be tied; set model.symmetry=none or a rate above 0");
        }
        Ok(())
    }

    fn check_mix(&self) -> Result<(), ConfigError> {
        let Some(mix) = &self.mix else {
            return Ok(());
        };
        mix.check()?;
        let wrong = |problem: &str| {
            Err(ConfigError::Value {
                path: "mix.share".to_owned(),
                problem: problem.to_owned(),
            })
        };
        if self.train.batch < 2 {
            return wrong("images are mixed within a batch; set train.batch to 2 or more");
        }
        if matches!(self.loss, Loss::TwoWay(_)) {
            return wrong(
                "mixed labels lie between 0 and 1, and the loss two_way knows only labels that are \
                 there or not; take another loss or leave [mix] out",
            );
        }
        if self.boxes.is_on() && mix.share() == 1.0 {
            return wrong(
                "mixed images have no boxes, so boxes would train nothing; mix a smaller share or \
                 set boxes.weight=0",
            );
        }
        if self.only_boxes_train_on_dense() {
            return wrong(
                "mixed images have no boxes, so with data.dense_labels=false mixed dense images would \
                 train nothing; set it to true or leave [mix] out",
            );
        }
        Ok(())
    }

    /// Checks every value once.
    ///
    /// # Errors
    /// [`ConfigError::Value`]: the first key whose value cannot be used, and what is allowed.
    pub fn check(mut self) -> Result<CheckedConfig, ConfigError> {
        let device = self.train.device.with_threads(1);
        self.train.device = self.train.device.settled();
        self.model.settle(&*device.engine);
        weights::settle(&mut self)?;
        let epochs = if self.train.minutes > 0.0 {
            f64::INFINITY
        } else {
            self.train.epochs as f64
        };
        self.data.check()?;
        self.folds.check()?;
        self.model.check()?;
        self.loss.check()?;
        self.check_boxes()?;
        self.check_frozen()?;
        self.check_mix()?;
        self.optimizer.check()?;
        self.schedule.check(epochs)?;
        self.train.check()?;
        if let Some(average) = &self.average {
            average.check()?;
        }
        if self.transforms.transforms().is_empty() {
            return Err(ConfigError::Value {
                path: "transforms".to_owned(),
                problem: "there is none; at least normalize the pixels, or take a --preset"
                    .to_owned(),
            });
        }
        Ok(CheckedConfig(self))
    }
}

/// Settings as they are written, laid over the preset that their key `preset` names, if any.
fn parse(text: &str, origin: &str) -> Result<Table, ConfigError> {
    let mut own: Table = text.parse().map_err(|error| ConfigError::Syntax {
        origin: origin.to_owned(),
        problem: format!("not TOML: {error}"),
    })?;
    renamed::in_table(&mut own)?;
    let Some(base) = own.remove("preset") else {
        return Ok(own);
    };
    let (name, text) =
        base.as_str()
            .and_then(presets::named)
            .ok_or_else(|| ConfigError::Value {
                path: "preset".to_owned(),
                problem: format!("{base} is none of {}", presets::names().join(", ")),
            })?;
    let mut table = parse(text, name)?;
    merge::merge(&mut table, own);
    Ok(table)
}

/// Settings that [`Config::check`] has passed.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedConfig(Config);

impl std::ops::Deref for CheckedConfig {
    type Target = Config;
    fn deref(&self) -> &Config {
        &self.0
    }
}

impl CheckedConfig {
    /// The settings, to be changed and checked again.
    pub fn into_inner(self) -> Config {
        self.0
    }
}

#[cfg(test)]
mod section_tests;
#[cfg(test)]
mod tests;
