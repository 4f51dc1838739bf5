//! What is wrong with a configuration.

use soup_engine::setting::InvalidSetting;
use thiserror::Error;

use super::decode::{list, nearest};

/// Why a configuration cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// The text is no TOML.
    #[error("{origin}: {problem}")]
    Syntax {
        /// The file or preset.
        origin: String,
        /// What the parser said.
        problem: String,
    },
    /// A key that does not exist.
    #[error("unknown key {path}; {hint}")]
    UnknownKey {
        /// Full path of the key.
        path: String,
        /// The nearest known key, or all known ones.
        hint: String,
    },
    /// A value that does not fit its key.
    #[error("{path}: {problem}")]
    Value {
        /// Full path of the key.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// An argument `section.key=value` that cannot be read.
    #[error("{text}: {problem}")]
    Override {
        /// The argument.
        text: String,
        /// What is wrong.
        problem: String,
    },
    /// No preset and no file has this name.
    #[error("there is no preset and no file '{name}'; presets: {known}")]
    UnknownPreset {
        /// What was asked.
        name: String,
        /// The presets there are.
        known: String,
    },
}

impl ConfigError {
    /// An unknown key at the end of `path`, with the nearest of the known ones in that place.
    pub(super) fn unknown_key(path: &str, known: &[&str]) -> Self {
        let (section, key) = match path.rsplit_once('.') {
            Some((section, key)) => (format!("{section}."), key),
            None => (String::new(), path),
        };
        let hint = match nearest(key, known) {
            Some(near) => format!("did you mean {section}{near}?"),
            None => format!("known there: {}", list(known)),
        };
        Self::UnknownKey {
            path: path.to_owned(),
            hint,
        }
    }
}

impl From<InvalidSetting> for ConfigError {
    fn from(invalid: InvalidSetting) -> Self {
        Self::Value {
            path: invalid.key.to_owned(),
            problem: format!("{} is refused: {}", invalid.value, invalid.rule),
        }
    }
}
