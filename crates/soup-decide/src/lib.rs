//! From probabilities to answers: prediction files, ensembles, calibration, thresholds, count
//! decoding, submission files.
//!
//! Whatever made them (a fold of ours, another team, a spreadsheet), probabilities are a
//! [`Predictions`] table: one row an image, one column a label. Tables are joined by their ids and
//! label names, never by their order. [`ensemble::combine`] makes one table of many, a
//! [`Thresholds`] turns probabilities into answers, and a [`Template`] writes the answers in the
//! exact shape of a given `sample_submission.csv`.
//!
//! What can be learned from predictions of images with known labels (calibration, thresholds, the
//! labels' counts) is a [`Decision`], one small file; [`decision::trials`] says what each part of it
//! is worth, always scored on images that it was not fitted on ([`Parts`]).
//!
//! ```
//! use soup_decide::{Predictions, Thresholds, ensemble::{self, Method}};
//!
//! let table = |ids: [&str; 2], values: [f32; 4]| {
//!     Predictions::new(
//!         "example",
//!         ids.map(String::from).to_vec(),
//!         vec!["a".into(), "b".into()],
//!         values.to_vec(),
//!     )
//! };
//! let ours = table(["7", "8"], [0.9, 0.2, 0.6, 0.4])?;
//! let theirs = table(["8", "7"], [0.0, 1.0, 1.0, 0.0])?; // other order
//! let mean = ensemble::combine(&[ours, theirs], &Method::Mean, None)?;
//! assert_eq!(mean.row(0), [0.95, 0.1]);
//! assert_eq!(Thresholds::default().decide("b", 0.7), true);
//! # Ok::<(), soup_decide::DecideError>(())
//! ```

pub mod calibration;
pub mod decision;
pub mod decoding;
pub mod ensemble;
mod error;
mod logit;
pub mod metrics;
mod parts;
mod predictions;
mod rule;
mod sample;
mod submission;
mod threshold;
pub mod views;

pub use decision::Decision;
pub use error::{DecideError, Result};
pub use logit::probability_of;
pub use parts::Parts;
pub use predictions::Predictions;
pub use rule::Rule;
pub use sample::Sample;
pub use submission::Template;
pub use threshold::{ThresholdError, ThresholdKind, Thresholds};
