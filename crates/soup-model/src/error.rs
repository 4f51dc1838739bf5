//! What can go wrong with a model.

use std::{
    io,
    path::{Path, PathBuf},
};

use soup_graph::{GraphError, pretrained::WeightsError, rewrite::RewriteError};
use thiserror::Error;

/// Why a model cannot be read, written or asked.
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
    /// A run, a fold or a file belongs to something else than what was asked.
    #[error("{0}")]
    Mismatch(String),
    /// Images or labels could not be read.
    #[error(transparent)]
    Data(#[from] soup_data::Error),
    /// Weights in a safetensors file could not be read or written.
    #[error(transparent)]
    Weights(#[from] WeightsError),
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
    /// What a network says of an image is no number.
    #[error(
        "{model}: what it says of image {image} is no number or infinite: its weights are too large, or damaged; take \
         another model, or train again with a lower train.rate"
    )]
    NoAnswer {
        /// The network.
        model: String,
        /// Which of the images that it was asked about, counted from 1.
        image: u64,
    },
    /// The stop flag was raised and there was nothing to keep.
    #[error("stopped")]
    Stopped,
}

/// The kinds of failure that a caller tells apart, e.g. by its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The command cannot be carried out as it was given.
    Usage,
    /// Images, labels or files are wrong.
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
            Self::Mismatch(_) => ErrorKind::Usage,
            Self::Data(error) if !error.is_bad_data() => ErrorKind::Failed,
            Self::Weights(WeightsError::Io { source, .. })
                if source.kind() != io::ErrorKind::InvalidInput =>
            {
                ErrorKind::Failed
            }
            Self::Data(_) | Self::Weights(_) | Self::Format { .. } => ErrorKind::Data,
            Self::Stopped => ErrorKind::Interrupted,
            Self::File { .. }
            | Self::Model { .. }
            | Self::Graph(_)
            | Self::Rewrite(_)
            | Self::NoAnswer { .. } => ErrorKind::Failed,
        }
    }

    /// For `map_err`: the system's error with the file and what was tried.
    pub fn file(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            path,
            action,
            source,
        }
    }

    /// A file that is not what it should be.
    pub fn format(path: &Path, problem: impl Into<String>) -> Self {
        Self::Format {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }
}
