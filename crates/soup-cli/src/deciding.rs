//! Arguments that several verbs share: views of images, and how probabilities become
//! answers.

use std::{path::PathBuf, str::FromStr};

use anyhow::Result;
use clap::Args;
use soup_decide::{
    Decision, Rule, Thresholds,
    decision::Decoding,
    views::{self, Views},
};

/// How probabilities become answers.
#[derive(Debug, Args)]
pub struct Deciding {
    /// A yes is a probability above T; T,a=T,b=T gives labels their own [default: 0.5]
    #[arg(long, value_name = "T", conflicts_with = "decision")]
    threshold: Option<Thresholds>,

    /// Calibration, thresholds and label counts that soup decide fitted
    #[arg(long, value_name = "FILE")]
    pub decision: Option<PathBuf>,

    /// Overrules how the decision answers
    #[arg(long, value_enum, requires = "decision")]
    decode: Option<Decoding>,
}

impl Deciding {
    /// The rule that was asked for.
    pub fn rule(&self) -> Result<Rule> {
        let Some(path) = &self.decision else {
            return Ok(Rule::Thresholds(self.threshold.clone().unwrap_or_default()));
        };
        Ok(Rule::Decision(Box::new(Decision::read(path)?), self.decode))
    }
}

/// Views as an argument: a list, or a file that holds one.
#[derive(Clone, Debug)]
pub enum ViewsArgument {
    /// The views themselves.
    Views(Views),
    /// `tta.json`.
    File(PathBuf),
}

impl FromStr for ViewsArgument {
    type Err = views::ViewsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.ends_with(".json") {
            return Ok(Self::File(text.into()));
        }
        Ok(Self::Views(text.parse()?))
    }
}

impl ViewsArgument {
    /// The views.
    pub fn open(&self) -> Result<Views> {
        match self {
            Self::Views(views) => Ok(views.clone()),
            Self::File(path) => {
                let text =
                    soup_data::files::read_settings(path).map_err(|error| match error.kind() {
                        std::io::ErrorKind::NotFound => soup_data::Error::NotFound {
                            path: path.clone(),
                            hint: "soup tta RUN writes one where views help".into(),
                        },
                        _ => soup_data::Error::io("read", path)(error),
                    })?;
                Ok(serde_json::from_str(&text).map_err(|error| {
                    let hint =
                        "take the tta.json that soup tta wrote, or write the views themselves";
                    soup_data::Error::format(path, format!("not a list of views: {error}"), hint)
                })?)
            }
        }
    }
}
