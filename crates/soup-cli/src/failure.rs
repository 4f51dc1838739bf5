//! From an error to an exit code, a message and a hint.

use std::io::ErrorKind;

use anyhow::Error;
use soup_decide::{DecideError, ThresholdError};
use soup_model::ErrorKind as ErrorOfModel;
use soup_report::track::mlflow::TrackError;

/// The kinds of failure, each with its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The machine, a full disk, a diverged run.
    Failed,
    /// The command line or a setting.
    Usage,
    /// The user's images, labels or files.
    Data,
    /// Stopped by the user; the same command goes on.
    Interrupted,
}

/// A command line that parses but makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

impl Kind {
    /// The kind of the first error in the chain that has one.
    pub fn of(error: &Error) -> Self {
        error.chain().find_map(Self::of_one).unwrap_or(Self::Failed)
    }

    fn of_one(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        if let Some(error) = error.downcast_ref::<soup_data::Error>() {
            return Some(match error {
                soup_data::Error::Interrupted => Self::Interrupted,
                soup_data::Error::Setting { .. } | soup_data::Error::Output { .. } => Self::Usage,
                error if error.is_bad_data() => Self::Data,
                _ => Self::Failed,
            });
        }
        if let Some(error) = error.downcast_ref::<DecideError>() {
            return Some(match error {
                DecideError::Data(error) => Self::of_one(error)?,
                error if error.is_bad_data() => Self::Data,
                _ => Self::Usage,
            });
        }
        if let Some(error) = error.downcast_ref::<soup_train::Error>() {
            return match error {
                soup_train::Error::Base(error) => Self::of_one(error),
                error => Some(error.kind().into()),
            };
        }
        if let Some(error) = error.downcast_ref::<soup_model::Error>() {
            return match error {
                soup_model::Error::Data(error) => Self::of_one(error),
                error => Some(error.kind().into()),
            };
        }
        if let Some(error) = error.downcast_ref::<soup_serve::ServeError>() {
            use soup_serve::ServeError;
            return Some(match error {
                ServeError::Model(error) => return Self::of_one(error),
                ServeError::Twice { .. } | ServeError::Name(_) | ServeError::Setting(_) => {
                    Self::Usage
                }
                ServeError::Token { .. } | ServeError::Decision(_) => Self::Data,
                ServeError::Address { .. } | ServeError::System(_) => Self::Failed,
            });
        }
        if let Some(error) = error.downcast_ref::<TrackError>() {
            return match error {
                TrackError::Run(error) => Self::of_one(error),
                TrackError::Address { .. } => Some(Self::Usage),
                TrackError::Unreachable { .. } | TrackError::Refused { .. } => Some(Self::Failed),
            };
        }
        if error.is::<soup_decide::metrics::MetricError>() {
            return Some(Self::Data);
        }
        let usage = error.is::<Usage>()
            || error.is::<ThresholdError>()
            || error.is::<soup_zoo::ZooError>()
            || error.is::<soup_train::config::ConfigError>();
        usage.then_some(Self::Usage)
    }

    /// 1 failed, 2 usage, 3 bad data, 4 interrupted.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Data => 3,
            Self::Interrupted => 4,
        }
    }
}

impl From<ErrorOfModel> for Kind {
    fn from(kind: ErrorOfModel) -> Self {
        match kind {
            ErrorOfModel::Usage => Self::Usage,
            ErrorOfModel::Data => Self::Data,
            ErrorOfModel::Interrupted => Self::Interrupted,
            ErrorOfModel::Failed => Self::Failed,
        }
    }
}

/// The error and what caused it, on one line where nothing repeats.
pub fn message(error: &Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        // Our libraries put the cause into their own words.
        if message.is_empty() {
            message = cause;
        } else if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

/// Each of the faults, where there are several; the first hundred are listed.
pub fn problems(error: &Error) -> Option<Vec<String>> {
    // An error that is another one's word for word hides it from the chain.
    let of_data = |error: &'_ (dyn std::error::Error + 'static)| {
        if let Some(DecideError::Data(error)) = error.downcast_ref() {
            return several(error);
        }
        if let Some(soup_model::Error::Data(error)) = error.downcast_ref() {
            return several(error);
        }
        let of_run = error.downcast_ref().and_then(soup_train::Error::data);
        if let Some(error) = of_run {
            return several(error);
        }
        several(error.downcast_ref()?)
    };
    error.chain().find_map(of_data)
}

fn several(error: &soup_data::Error) -> Option<Vec<String>> {
    match error {
        soup_data::Error::Several(problems) => {
            Some(problems.shown().iter().map(ToString::to_string).collect())
        }
        _ => None,
    }
}

/// What to try, where the command line knows more than the library that failed.
pub fn hint(error: &Error) -> Option<String> {
    if let Some(hint) = (error.chain()).find_map(|cause| of_the_disk(cause.downcast_ref()?)) {
        return Some(hint.to_owned());
    }
    let hint = match error.downcast_ref::<DecideError>()? {
        DecideError::MissingIds { .. } => {
            "soup predict RUN --images FOLDER --out FILE predicts every image of a folder"
        }
        DecideError::Labels { .. } => "label columns are matched by name, in any order",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// What to try where the disk is the reason.
fn of_the_disk(error: &std::io::Error) -> Option<&'static str> {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some(
            "the disk is full: make room and give the same command again; what was written before is whole",
        ),
        ErrorKind::ReadOnlyFilesystem => {
            Some("this disk is read-only: name a place elsewhere with --out")
        }
        _ => None,
    }
}
