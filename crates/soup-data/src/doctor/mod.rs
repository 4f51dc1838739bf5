//! The doctor: what in a data set makes a validation promise more than the test will hold.
//!
//! A validation holds where no held-out image repeats a training image. The
//! doctor finds images that are there twice, that look alike or come from the same source, for
//! labels that the file names or the order give away, and for folds that are not alike.

mod depth;
mod file_names;
mod fingerprints;
mod folds;
mod labels;
mod levels;
mod likeness;
mod packed;
mod sources;

use serde::Serialize;

use crate::dataset::{LabelTable, SampleRange};
use crate::folds::Folds;

pub use fingerprints::Fingerprints;
pub use likeness::{Likeness, groups};
pub use packed::packed;
pub use sources::{Sources, read_sources};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing was found.
    Fine,
    /// Could not be checked; the message says what it takes.
    Skipped,
    /// Worth a check.
    Warning,
    /// Scores cannot be trusted before this is mended.
    Problem,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Name of the check.
    pub check: &'static str,
    /// How bad it is.
    pub verdict: Verdict,
    /// What was found, in a sentence.
    pub message: String,
    /// What to do, for a warning or a problem.
    pub advice: Option<String>,
    /// The first few cases.
    pub examples: Vec<String>,
}

/// Cases that a finding spells out.
pub const EXAMPLES: usize = 5;

impl Finding {
    /// All is well.
    pub fn fine(check: &'static str, message: impl Into<String>) -> Self {
        Self {
            check,
            verdict: Verdict::Fine,
            message: message.into(),
            advice: None,
            examples: Vec::new(),
        }
    }

    /// Could not be checked.
    pub fn skipped(check: &'static str, message: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Skipped,
            ..Self::fine(check, message)
        }
    }

    /// Something to mend or to check.
    pub fn bad(
        check: &'static str,
        verdict: Verdict,
        message: String,
        advice: impl Into<String>,
        examples: impl IntoIterator<Item = String>,
    ) -> Self {
        Self {
            check,
            verdict,
            message,
            advice: Some(advice.into()),
            examples: examples.into_iter().take(EXAMPLES).collect(),
        }
    }
}

/// What is examined.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// Ids and labels.
    pub table: &'a LabelTable,
    /// Name of each image's file, where it is known.
    pub file_names: Option<&'a [String]>,
    /// Fingerprints of the images, where there are images.
    pub fingerprints: Option<&'a Fingerprints>,
    /// Which images are held out together.
    pub folds: Option<&'a Folds>,
    /// Of images with 16 bits a channel: their samples, and the one that became 255 where it was named.
    pub samples: Option<(SampleRange, Option<u16>)>,
    /// What each image was made of.
    pub sources: Option<&'a Sources>,
}

/// Every check in turn.
pub fn examine(inputs: &Inputs<'_>) -> Vec<Finding> {
    let likeness = inputs.fingerprints.map(Likeness::of);
    let mut findings = vec![labels::constant(inputs), labels::rare(inputs)];
    findings.extend(labels::unknown(inputs));
    findings.extend(likeness::findings(inputs, likeness.as_ref()));
    findings.extend(file_names::findings(inputs));
    findings.push(sources::finding(inputs));
    findings.push(folds::balance(inputs));
    findings.extend(depth::finding(inputs));
    findings.push(levels::finding(inputs));
    findings
}

/// `1 image`, `2 images`.
fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
