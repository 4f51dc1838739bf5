//! What can be wrong with prediction files and submissions.

use std::path::PathBuf;

use soup_data::problems::Problems;

/// Shorthand for results of this crate.
pub type Result<T, E = DecideError> = std::result::Result<T, E>;

/// What can be wrong with prediction files, ensembles and submissions.
///
/// `row` counts the lines of a file from 1, the header included.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecideError {
    /// A file cannot be read, written or understood.
    #[error(transparent)]
    Data(#[from] soup_data::Error),

    /// Probabilities or labels that cannot be evaluated.
    #[error(transparent)]
    Metric(#[from] crate::metrics::MetricError),

    /// A prediction for an image that the other file needs is not there.
    #[error(
        "{}: there is no prediction for these images of {}: {}; predict all of them",
        path.display(), reference.display(), list(examples, *count)
    )]
    MissingIds {
        /// The file that lacks them.
        path: PathBuf,
        /// The file that names them.
        reference: PathBuf,
        /// How many.
        count: usize,
        /// The first of them.
        examples: Vec<String>,
    },

    /// A prediction for an image that the other file does not know.
    #[error(
        "{}: these images are not in {}: {}; is it a file for another set of images?",
        path.display(), reference.display(), list(examples, *count)
    )]
    ExtraIds {
        /// The file that holds them.
        path: PathBuf,
        /// The file that does not.
        reference: PathBuf,
        /// How many.
        count: usize,
        /// The first of them.
        examples: Vec<String>,
    },

    /// Two files have other label columns.
    #[error(
        "{}: its label columns differ from those of {}: {}",
        path.display(),
        reference.display(),
        difference(missing, extra)
    )]
    Labels {
        /// The file that differs.
        path: PathBuf,
        /// The file it is compared with.
        reference: PathBuf,
        /// Columns of the reference that it lacks.
        missing: Vec<String>,
        /// Columns that the reference lacks.
        extra: Vec<String>,
    },

    /// There is no file to combine.
    #[error("an ensemble needs at least one prediction file")]
    NothingToCombine,

    /// The weights do not fit the files.
    #[error("weights {weights:?}: {problem}")]
    Weights {
        /// The weights as given.
        weights: Vec<f64>,
        /// What is wrong.
        problem: String,
    },

    /// A prior over label counts that cannot be used.
    #[error("the prior over label counts cannot be used: {problem}")]
    CountPrior {
        /// What is wrong.
        problem: String,
    },

    /// Too little data to fit on.
    #[error(
        "{found} images are too few to fit {what}: it takes {needed}; what is fitted on less is noise"
    )]
    TooFewImages {
        /// What was to be fitted.
        what: &'static str,
        /// Images there are.
        found: usize,
        /// Images needed.
        needed: usize,
    },

    /// A decision file that is damaged or belongs to other labels.
    #[error("{}: {problem}; soup decide makes one", path.display())]
    Decision {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },

    /// A threshold for a label that is not predicted.
    #[error("there is no label `{label}` to give a threshold to; the labels are {}", list(labels, labels.len()))]
    UnknownThresholdLabel {
        /// The label named in the thresholds.
        label: String,
        /// The labels there are.
        labels: Vec<String>,
    },
}

impl DecideError {
    /// Whether the fault lies in the user's data (exit code 3) and not in the machine or the
    /// settings.
    pub fn is_bad_data(&self) -> bool {
        match self {
            Self::Data(error) => error.is_bad_data(),
            Self::NothingToCombine | Self::Weights { .. } | Self::UnknownThresholdLabel { .. } => {
                false
            }
            _ => true,
        }
    }
}

/// How many names an error spells out.
pub(crate) const NAMED: usize = Problems::SHOWN;

/// The names in backticks, then how many of `count` are not named.
fn list(names: &[String], count: usize) -> String {
    let mut text = names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    if count > names.len() {
        text.push_str(&format!(" and {} more", count - names.len()));
    }
    text
}

/// `` missing `a`, not expected `b` ``.
fn difference(missing: &[String], extra: &[String]) -> String {
    let named = |names: &[String], what: &str| {
        let shown = &names[..names.len().min(NAMED)];
        (!names.is_empty()).then(|| format!("{what} {}", list(shown, names.len())))
    };
    let parts = [named(missing, "missing"), named(extra, "not expected")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
