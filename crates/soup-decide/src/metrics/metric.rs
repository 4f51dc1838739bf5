//! The scores that are optimised by name.

use serde::{Deserialize, Serialize};

use super::{Evaluation, RowMetric};

/// A score that settings name: of the best epoch, of a sweep.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of right cells.
    #[default]
    Accuracy,
    /// Share of images with every cell right.
    ExactMatch,
    /// Binary cross-entropy; smaller is better.
    Loss,
    /// Mean over the labels of the average precision. It asks how well images are sorted, not where yes begins, so it
    /// compares losses and heads whose probabilities mean different things.
    #[serde(rename = "mAP")]
    MeanAveragePrecision,
}

/// Where fewer cells than this share are positive, saying no to everything has an accuracy above .8.
const RARE: f64 = 0.2;

impl Metric {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Accuracy,
        Self::ExactMatch,
        Self::Loss,
        Self::MeanAveragePrecision,
    ];

    /// Its name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::ExactMatch => "exact_match",
            Self::Loss => "loss",
            Self::MeanAveragePrecision => "mAP",
        }
    }

    /// The score of a table, larger for better: the loss is below 0. NaN where it has none.
    pub fn of(self, evaluation: &Evaluation) -> f64 {
        match self {
            Self::Accuracy => evaluation.accuracy,
            Self::ExactMatch => evaluation.exact_match,
            Self::Loss => -evaluation.loss,
            Self::MeanAveragePrecision => evaluation.mean_average_precision.unwrap_or(f64::NAN),
        }
    }

    /// The score of single images, and the factor that makes larger ones better; none where the score is no mean over
    /// images.
    pub fn of_images(self) -> Option<(RowMetric, f64)> {
        match self {
            Self::Accuracy => Some((RowMetric::Accuracy, 1.0)),
            Self::ExactMatch => Some((RowMetric::ExactMatch, 1.0)),
            Self::Loss => Some((RowMetric::Loss, -1.0)),
            Self::MeanAveragePrecision => None,
        }
    }

    /// The score to show first: mAP where labels are so rare that accuracy says little, else accuracy.
    pub fn to_show_first(evaluation: &Evaluation) -> Self {
        let positives: usize = evaluation.labels.iter().map(|label| label.support).sum();
        let cells = evaluation.rows * evaluation.labels.len();
        match (positives as f64) < RARE * cells as f64 {
            true => Self::MeanAveragePrecision,
            false => Self::Accuracy,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::metrics::ScoredPredictions;

    #[test]
    fn rare_labels_are_shown_by_average_precision() {
        let names = ["a".to_owned(), "b".to_owned()];
        let first = |positives: usize| {
            let targets: Vec<f32> = (0..20).map(|cell| f32::from(cell < positives)).collect();
            let table = ScoredPredictions::new(&[0.5; 20], &targets, &names, &[0.5]).unwrap();
            Metric::to_show_first(&table.evaluate())
        };
        assert_eq!(first(3), Metric::MeanAveragePrecision);
        assert_eq!(first(4), Metric::Accuracy);
    }
}
