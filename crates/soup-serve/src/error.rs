//! Why a server cannot start.

use std::{io, path::PathBuf};

/// Why a server cannot start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A model cannot be read or planned.
    #[error(transparent)]
    Model(#[from] soup_model::Error),
    /// The decision in a model makes no sense.
    #[error(transparent)]
    Decision(#[from] soup_decide::DecideError),
    /// Two models would have one name.
    #[error(
        "{} and {} would both be served as `{name}`; rename one of them", first.display(), second.display()
    )]
    Twice {
        /// The name.
        name: String,
        /// The path that has it.
        first: PathBuf,
        /// The path that wants it.
        second: PathBuf,
    },
    /// A model's file has a name that makes no address.
    #[error(
        "{}: a model is served under its file's name, which must be of letters, digits, - _ and .; \
         rename it", .0.display()
    )]
    Name(PathBuf),
    /// The file with the token is none.
    #[error("{}: {problem}", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A setting makes no sense.
    #[error("{0}")]
    Setting(String),
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Address {
        /// Host and port.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no thread or timer.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}
