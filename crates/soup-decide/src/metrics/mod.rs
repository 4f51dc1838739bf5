//! How good answers are: the metrics of multi-label papers, with scikit-learn's figures.
//!
//! A [`ScoredPredictions`] holds probabilities (or 0/1 answers) beside the true labels, checked once;
//! [`ScoredPredictions::evaluate`] gives an [`Evaluation`], [`ScoredPredictions::intervals`] how sure it is.
//!
//! ```
//! use soup_decide::metrics::ScoredPredictions;
//!
//! let labels = ["a".to_owned(), "b".to_owned()];
//! // Three images; the last prediction of "b" is a false negative.
//! let probabilities = [0.9, 0.2, 0.1, 0.8, 0.7, 0.4];
//! let targets = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
//! let table = ScoredPredictions::new(&probabilities, &targets, &labels, &[0.5]).unwrap();
//! let evaluation = table.evaluate();
//! assert_eq!(evaluation.accuracy, 5.0 / 6.0);
//! assert_eq!(evaluation.exact_match, 2.0 / 3.0);
//! assert_eq!(evaluation.labels[1].recall, 0.5);
//! ```
//!
//! # Edge cases
//! * A label without positives has no average precision: it is left out of the mean (scikit-learn
//!   would count it as 0 with a warning). It still counts, with 0, in CP, CR and CF1, as under
//!   scikit-learn's `zero_division=0`.
//! * A precision without a predicted positive, a recall without a true one and an F1 of both are 0. So all zeros
//!   give CP, CR, CF1, OP, OR and OF1 of 0, while accuracy is the share of absent labels and the
//!   average precision of a label is its share of positives (all ties).
//! * A label that is NaN is unknown: its cell counts nowhere, as with a `sample_weight` of 0. An image of which nothing
//!   is known is left out of the exact match.
//! * 0/1 answers may be given as probabilities; the average precision then has two steps only, and
//!   the loss of a wrong cell is `-ln(2^-52)`, about 36, as with scikit-learn's `log_loss`.
//!
//! # Intervals
//! An interval is for the score that all images of the same kind would give, of which those at hand are
//! a sample. It comes from how each image moves the score (infinitesimal jackknife; for average
//! precision each image is left out in turn), so a label that is on three images of a thousand is not
//! lost by chance as in bootstrap samples, where the score may fall outside its own interval. Shares get
//! Wilson's interval for as many trials as their variance stands for, with wider ends where one to three cases
//! were seen; average precisions Student's quantile beside that, the loss an interval of its logarithm, and what
//! few positives distort (F1, average precision) is taken out. Where fewer than twelve cases tell how far a score varies
//! there is no interval and [`Intervals::missing`] says why.
//!
//! `examples/coverage` simulates how often the intervals hold the truth; `records/2026-11-30-intervals` says how often
//! they did.

mod average_precision;
mod evaluation;
mod interval;
mod intervals;
mod metric;
mod scored_predictions;

pub use average_precision::average_precision;
pub use evaluation::{Evaluation, LabelEvaluation};
pub use interval::{Difference, Interval};
pub use intervals::Intervals;
pub use metric::Metric;
pub use scored_predictions::{MetricError, RowMetric, ScoredPredictions};

#[cfg(test)]
mod tests;
