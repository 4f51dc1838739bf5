//! What can go wrong in a run.

use std::{
    io,
    path::{Path, PathBuf},
};

use soup_graph::GraphError;
use soup_graph::rewrite::RewriteError;
use soup_graph::safetensors::SafetensorsError;
use thiserror::Error;

use crate::{config::ConfigError, trainer::Divergence};

/// Why a run, a checkpoint or a prediction failed.
#[derive(Debug, Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: cannot {action}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried, as a verb.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A file is there and is not what it should be.
    #[error("{}: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A run, a fold or a file belongs to something else than what was asked.
    #[error("{0}")]
    Mismatch(String),
    /// Another process trains this fold.
    #[error("{} is being trained by another process; wait for it, end it, or train another fold", .0.display())]
    Busy(PathBuf),
    /// Pictures or labels could not be read.
    #[error(transparent)]
    Data(#[from] soup_data::Error),
    /// Weights in a safetensors file could not be read or written.
    #[error(transparent)]
    Weights(#[from] SafetensorsError),
    /// The network cannot be built or planned.
    #[error("model {model}: {problem}")]
    Model {
        /// The network asked for.
        model: String,
        /// What is wrong.
        problem: String,
    },
    /// The network cannot be changed as is needed.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The network cannot be rewritten as is needed.
    #[error(transparent)]
    Rewrite(#[from] RewriteError),
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
    /// What a network says of a picture is no number.
    #[error(
        "{model}: what it says of picture {picture} is no number or infinite: its weights are too large, or damaged; take \
         another model, or train again with a lower train.rate"
    )]
    NoAnswer {
        /// The network.
        model: String,
        /// Which of the pictures that it was asked about, counted from 1.
        picture: u64,
    },
    /// The stop flag was raised and there was nothing to keep.
    #[error("stopped")]
    Stopped,
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

/// The kinds of failure that a caller tells apart, e.g. by its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The command cannot be carried out as it was given.
    Usage,
    /// Pictures, labels or files are wrong.
    Data,
    /// Stopped on request and resumable.
    Interrupted,
    /// Anything else.
    Failed,
}

impl Error {
    /// The kind of this failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Config(_) | Self::Mismatch(_) => ErrorKind::Usage,
            Self::Data(error) if !error.is_bad_data() => ErrorKind::Failed,
            Self::Weights(SafetensorsError::Io { source, .. })
                if source.kind() != io::ErrorKind::InvalidInput =>
            {
                ErrorKind::Failed
            }
            Self::Data(_) | Self::Weights(_) | Self::Format { .. } => ErrorKind::Data,
            Self::Stopped | Self::Interrupted { .. } => ErrorKind::Interrupted,
            Self::File { .. }
            | Self::Busy(_)
            | Self::Model { .. }
            | Self::Graph(_)
            | Self::Rewrite(_)
            | Self::Diverged(_)
            | Self::SomeDiverged { .. }
            | Self::NoAnswer { .. } => ErrorKind::Failed,
        }
    }

    /// For `map_err`: the system's error with the file and what was tried.
    pub(crate) fn file(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            path,
            action,
            source,
        }
    }

    /// A file that is not what it should be.
    pub(crate) fn format(path: &Path, problem: impl Into<String>) -> Self {
        Self::Format {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }
}
