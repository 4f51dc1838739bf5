//! The sweep file: what is varied, how, and on top of which settings.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};
use soup_data::pack::Pack;
pub use soup_decide::metrics::Metric;
use soup_engine::setting::require;
use soup_train::config::{
    CheckedConfig, Config, ConfigError, decode,
    renamed::{Renamed, in_settings},
};
use toml::Value;

use super::{
    race::{Race, RaceConfig},
    renamed,
    search::Search,
    space::{self, Candidate, SweepOption},
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
    /// The candidate that all others are compared with, by its value of every option: an ablation. Seeds then go to
    /// every candidate alike, while the budget lasts, and the ranking shows each one's gain over this one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reference: BTreeMap<String, Value>,
    /// What is varied.
    #[serde(default, rename = "option")]
    pub options: Vec<SweepOption>,
}

fn first_fold() -> Vec<usize> {
    vec![0]
}

impl SweepFile {
    /// Reads a sweep file and checks all of it but the settings of its candidates. `origin` is the
    /// name that errors give to the text.
    ///
    /// # Errors
    /// [`ConfigError`] with the key.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ConfigError> {
        let mut table = text.parse().map_err(|error| ConfigError::Syntax {
            origin: origin.to_owned(),
            problem: format!("not TOML: {error}"),
        })?;
        renamed::in_file(&mut table)?;
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
        file.check_reference()?;
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

    /// Keys of settings that the text of a sweep file and `settings` laid over it call by old names.
    pub fn renamed(text: &str, settings: &[String]) -> Vec<Renamed> {
        renamed::used(&format!("{text}\n{}", settings.join("\n")))
    }

    /// Lays `section.key=value` settings over those of the file.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for a key that is given by its old and its new name.
    pub fn lay_over(&mut self, settings: &[String]) -> Result<(), ConfigError> {
        self.settings.extend(in_settings(settings)?);
        Ok(())
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
                    "there are no images to learn from: name a pack, or compose all with \
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

    /// Refuses a reference that is none of the candidates.
    fn check_reference(&self) -> Result<(), ConfigError> {
        if self.reference.is_empty() {
            return Ok(());
        }
        let wrong = |path: String, problem: String| Err(ConfigError::Value { path, problem });
        for name in self.reference.keys() {
            if !self.options.iter().any(|option| option.name() == name) {
                let names: Vec<&str> = self.options.iter().map(SweepOption::name).collect();
                let problem = format!("there is no such option; there is {}", names.join(", "));
                return wrong(format!("reference.{name}"), problem);
            }
        }
        for option in &self.options {
            let value = self.reference.get(option.name());
            if value.and_then(|value| option.find(value)).is_none() {
                let tried: Vec<String> =
                    option.grid().into_iter().map(|p| option.show(p)).collect();
                let problem = match option.count() {
                    Some(_) => format!("must be one of what is tried: {}", tried.join(", ")),
                    None => {
                        "is a range; give the option values where there is a reference".to_owned()
                    }
                };
                return wrong(format!("reference.{}", option.name()), problem);
            }
        }
        if self.search != Search::Grid {
            let problem = "must be grid where there is a reference: others may never try it";
            return wrong("search.kind".to_owned(), problem.to_owned());
        }
        if !self.race.rungs.is_empty() {
            let problem =
                "must be [] where there is a reference: every candidate is trained to its end";
            return wrong("race.rungs".to_owned(), problem.to_owned());
        }
        Ok(())
    }

    /// The candidate that all others are compared with.
    fn reference(&self) -> Option<Candidate> {
        let point = |option: &SweepOption| option.find(self.reference.get(option.name())?);
        self.options.iter().map(point).collect()
    }

    /// The plan.
    pub fn race(&self) -> Race {
        Race {
            reference: self.reference(),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::space::Point;

    /// An ablation of batch and choice; `rest` stands before its options.
    fn parse(rest: &str) -> Result<SweepFile, ConfigError> {
        let options = "[[option]]\nname = 'batch'\nkey = 'train.batch'\nvalues = [4, 8]\n\
            [[option]]\nname = 'head'\n[option.choices]\nlinear = []\nmaps = ['model.head=label_map']\n";
        SweepFile::parse(&format!("{rest}\n{options}"), "sweep.toml")
    }

    #[test]
    fn a_reference_is_one_of_the_candidates() {
        let file = parse("[race]\nrungs = []\n[reference]\nbatch = 8\nhead = 'maps'").unwrap();
        let wanted = vec![Point::Value(1), Point::Value(1)];
        assert_eq!(file.race().reference, Some(wanted));
        assert_eq!(parse("").unwrap().race().reference, None);
    }

    #[test]
    fn what_cannot_be_a_reference_is_named() {
        for (rest, part) in [
            (
                "[reference]\nbatch = 8\nheads = 'maps'",
                "there is no such option; there is batch, head",
            ),
            ("[reference]\nbatch = 8", "reference.head"),
            ("[reference]\nbatch = 6\nhead = 'maps'", "4, 8"),
            ("[reference]\nbatch = 8\nhead = 'maps'", "race.rungs"),
            (
                "[search]\nkind = 'random'\ncount = 3\n[race]\nrungs = []\n[reference]\nbatch = 8\nhead = 'maps'",
                "search.kind",
            ),
        ] {
            let error = parse(rest).unwrap_err().to_string();
            assert!(error.contains(part), "{rest}: {error}");
        }
    }
}
