//! One file a verb: its arguments, the calls and what it says at the end.

pub mod bench;
pub mod completions;
pub mod compose;
pub mod decide;
pub mod docs;
pub mod doctor;
pub mod ensemble;
pub mod evaluate;
pub mod export;
pub mod folds;
pub mod labels;
pub mod models;
pub mod pack;
pub mod predict;
pub mod quickstart;
pub mod report;
pub mod runs;
pub mod serve;
pub mod submit;
pub mod subset;
pub mod sweep;
pub mod track;
pub mod train;
pub mod tta;
pub mod watch;

use std::path::Path;

use anyhow::Result;

use crate::failure::Usage;

/// A path as a setting; TOML is text.
fn path_setting(key: &str, path: &Path) -> Result<String> {
    let Some(text) = path.to_str() else {
        return Err(Usage(format!("the path {} is not UTF-8", path.display())).into());
    };
    Ok(format!("{key}={}", serde_json::Value::from(text)))
}

/// Folds as an argument: `all` or a list of numbers.
#[derive(Clone, Debug)]
pub struct Folds(pub Option<Vec<usize>>);

impl std::str::FromStr for Folds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self(None));
        }
        let folds: Result<Vec<usize>, _> =
            text.split(',').map(|fold| fold.trim().parse()).collect();
        match folds {
            Ok(folds) => Ok(Self(Some(folds))),
            Err(_) => Err("write all, or numbers from 0 such as 0,2".into()),
        }
    }
}
