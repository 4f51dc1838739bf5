//! What can go wrong in a run.

use std::{
    io,
    path::{Path, PathBuf},
};

use soup_graph::{GraphError, pretrained::WeightsError, rewrite::RewriteError};
use soup_model::ErrorKind;
use thiserror::Error;

use crate::{config::ConfigError, trainer::Divergence};

/// Why a run or a checkpoint failed.
#[derive(Debug, Error)]
pub enum Error {
    /// What goes wrong with models, files and data without training, too.
    #[error(transparent)]
    Base(#[from] soup_model::Error),
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another process trains this fold.
    #[error("{} is being trained by another process; wait for it, end it, or train another fold", .0.display())]
    Busy(PathBuf),
    /// Training no longer makes numbers.
    #[error("{0}")]
    Diverged(Box<Divergence>),
    /// Folds of several no longer make numbers; the others are trained.
    #[error("{}", of_several(.diverged, .trained))]
    SomeDiverged {
        /// Those that diverged.
        diverged: Vec<Divergence>,
        /// The others that were asked for, counted from 0.
        trained: Vec<usize>,
    },
    /// The stop flag was raised; a checkpoint was written.
    #[error("interrupted; the same command goes on from {}", checkpoint.display())]
    Interrupted {
        /// Where the run will go on.
        checkpoint: PathBuf,
    },
}

/// Which folds diverged, a line each, and what became of the others.
fn of_several(diverged: &[Divergence], trained: &[usize]) -> String {
    let all = diverged.len() + trained.len();
    let mut text = format!("{} of {all} folds diverged", diverged.len());
    if !trained.is_empty() {
        let trained: Vec<String> = trained.iter().map(ToString::to_string).collect();
        let (plural, are) = if trained.len() == 1 {
            ("", "is")
        } else {
            ("s", "are")
        };
        text.push_str(&format!(
            "; fold{plural} {} {are} trained to the end",
            trained.join(", ")
        ));
    }
    for found in diverged {
        text.push_str(&format!("\n  {found}"));
    }
    text
}

impl Error {
    /// The stop flag was raised and there was nothing to keep.
    pub const STOPPED: Self = Self::Base(soup_model::Error::Stopped);

    /// The kind of this failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Base(error) => error.kind(),
            Self::Config(_) => ErrorKind::Usage,
            Self::Interrupted { .. } => ErrorKind::Interrupted,
            Self::Busy(_) | Self::Diverged(_) | Self::SomeDiverged { .. } => ErrorKind::Failed,
        }
    }

    /// What is wrong with the data, where that is it.
    pub fn data(&self) -> Option<&soup_data::Error> {
        match self {
            Self::Base(soup_model::Error::Data(error)) => Some(error),
            _ => None,
        }
    }

    /// For `map_err`: the system's error with the file and what was tried.
    pub fn file(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let of_model = soup_model::Error::file(path, action);
        move |source| of_model(source).into()
    }

    /// A file that is not what it should be.
    pub fn format(path: &Path, problem: impl Into<String>) -> Self {
        soup_model::Error::format(path, problem).into()
    }

    /// A network that cannot be built or planned.
    pub fn network(model: &str, problem: impl ToString) -> Self {
        soup_model::Error::Model {
            model: model.to_owned(),
            problem: problem.to_string(),
        }
        .into()
    }

    /// A run, a fold or a file that belongs to something else than what was asked.
    pub fn mismatch(problem: impl Into<String>) -> Self {
        soup_model::Error::Mismatch(problem.into()).into()
    }
}

impl From<soup_data::Error> for Error {
    fn from(error: soup_data::Error) -> Self {
        Self::Base(error.into())
    }
}

impl From<WeightsError> for Error {
    fn from(error: WeightsError) -> Self {
        Self::Base(error.into())
    }
}

impl From<GraphError> for Error {
    fn from(error: GraphError) -> Self {
        Self::Base(error.into())
    }
}

impl From<RewriteError> for Error {
    fn from(error: RewriteError) -> Self {
        Self::Base(error.into())
    }
}
