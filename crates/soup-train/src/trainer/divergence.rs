//! The end of a training that no longer makes numbers.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};
use soup_model::Precision;

use super::fold::Fold;
use crate::{
    Error,
    runs::{FoldDirectory, files},
};

/// Where and how a training diverged: what `diverged.json` of a fold holds. What is on disk was written before and is whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Divergence {
    /// Fold, counted from 0.
    pub fold: usize,
    /// Epoch, counted from 1.
    pub epoch: usize,
    /// Step within the epoch, counted from 1.
    pub step: u64,
    /// What is no number.
    pub what: String,
    /// The best epoch before, counted from 1, whose weights are kept.
    pub best_epoch: Option<usize>,
    /// Whether activations were bfloat16.
    pub in_bf16: bool,
    /// Where it is written down, if an earlier process found it.
    #[serde(skip)]
    pub written: Option<PathBuf>,
}

impl fmt::Display for Divergence {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            fold,
            epoch,
            step,
            what,
            ..
        } = self;
        write!(
            to,
            "fold {fold}, epoch {epoch}, step {step}: {what}, so the training "
        )?;
        match &self.written {
            None => write!(to, "stops here; ")?,
            Some(_) => write!(to, "stopped there, and the same settings end the same; ")?,
        }
        match self.best_epoch {
            Some(best) => write!(to, "the best weights, of epoch {best}, are kept; ")?,
            None => write!(to, "no epoch was finished before; ")?,
        }
        write!(
            to,
            "lower train.rate, or limit the gradient with train.clip_norm=1{}, in a new run (--out)",
            match self.in_bf16 {
                true => ", or train with model.precision=f32",
                false => "",
            }
        )?;
        match &self.written {
            Some(path) => write!(
                to,
                "; remove {} to go on from the last checkpoint all the same",
                path.display()
            ),
            None => Ok(()),
        }
    }
}

/// The file in a fold's folder.
const FILE: &str = "diverged.json";

impl Divergence {
    /// In the training of a fold.
    pub(super) fn new(
        fold: &Fold<'_>,
        epoch: u32,
        step: u64,
        what: String,
        best_epoch: Option<usize>,
    ) -> Self {
        Self {
            fold: fold.fold,
            epoch: epoch as usize + 1,
            step,
            what,
            best_epoch,
            in_bf16: fold.config.model.precision == Precision::Bf16,
            written: None,
        }
    }

    /// Ends a training: writes down how, and gives the error that says so.
    pub(super) fn end(self, directory: &FoldDirectory) -> Error {
        let path = directory.file(FILE);
        let text = serde_json::to_string(&self)
            .map_err(|error| Error::format(&path, error.to_string()))
            .and_then(|text| files::write_bytes(&path, format!("{text}\n").as_bytes()));
        match text {
            Ok(()) => Error::Diverged(Box::new(self)),
            Err(error) => error,
        }
    }

    /// What the process that trained a fold wrote down, if it diverged.
    ///
    /// # Errors
    /// [`Error::Format`] where the file is damaged, [`Error::File`].
    pub fn read(directory: &FoldDirectory) -> Result<Option<Self>, Error> {
        let path = directory.file(FILE);
        let Some(text) = files::read_text(&path)? else {
            return Ok(None);
        };
        let found: Self = serde_json::from_str(&text).map_err(|error| {
            Error::format(&path, format!("not as soup train writes it: {error}"))
        })?;
        Ok(Some(Self {
            written: Some(path),
            ..found
        }))
    }
}
