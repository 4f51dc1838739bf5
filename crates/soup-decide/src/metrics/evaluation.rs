//! All metrics of a table.

use serde::{Deserialize, Serialize};

use super::average_precision;
use super::scored_predictions::{RowMetric, ScoredPredictions};

/// The metrics of a table, over all labels that are known. Shares lie between 0 and 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Number of images.
    pub rows: usize,
    /// Share of right cells.
    pub accuracy: f64,
    /// Share of images with all labels right.
    pub exact_match: f64,
    /// Mean of the average precision over the labels that occur; none if no label does.
    #[serde(rename = "mAP")]
    pub mean_average_precision: Option<f64>,
    /// Mean of the labels' precisions (macro precision).
    #[serde(rename = "CP")]
    pub class_precision: f64,
    /// Mean of the labels' recalls (macro recall).
    #[serde(rename = "CR")]
    pub class_recall: f64,
    /// Mean of the labels' F1 (scikit-learn's macro F1).
    #[serde(rename = "CF1")]
    pub class_f1: f64,
    /// Harmonic mean of CP and CR: what other papers call CF1.
    #[serde(rename = "CF1_harmonic")]
    pub class_f1_harmonic: f64,
    /// Precision over all cells (micro precision).
    #[serde(rename = "OP")]
    pub overall_precision: f64,
    /// Recall over all cells (micro recall).
    #[serde(rename = "OR")]
    pub overall_recall: f64,
    /// F1 over all cells (micro F1).
    #[serde(rename = "OF1")]
    pub overall_f1: f64,
    /// Mean binary cross-entropy of the probabilities over all cells.
    pub loss: f64,
    /// The table of the labels, in the order of the columns.
    pub labels: Vec<LabelEvaluation>,
}

/// The metrics of one label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelEvaluation {
    /// Name of the label.
    pub label: String,
    /// A probability above it is a predicted positive; none where answers were not made by thresholds.
    pub threshold: Option<f32>,
    /// Number of images with the label: true positives and false negatives.
    pub support: usize,
    /// Number of predicted positives.
    pub predicted: usize,
    /// Share of right answers.
    pub accuracy: f64,
    /// Share of true positives among the predicted positives.
    pub precision: f64,
    /// Share of true positives among the true labels.
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// Average precision; none for a label without positives.
    #[serde(rename = "AP")]
    pub average_precision: Option<f64>,
    /// Mean binary cross-entropy.
    pub loss: f64,
}

/// The confusion matrix of one label or of all, less the true negatives.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) true_positives: usize,
    pub(super) false_positives: usize,
    pub(super) false_negatives: usize,
}

impl Counts {
    /// Counts a prediction so many times.
    pub(super) fn add(&mut self, predicted: bool, target: bool, times: usize) {
        match (predicted, target) {
            (true, true) => self.true_positives += times,
            (true, false) => self.false_positives += times,
            (false, true) => self.false_negatives += times,
            (false, false) => {}
        }
    }

    pub(super) fn precision(self) -> f64 {
        share(
            self.true_positives,
            self.true_positives + self.false_positives,
        )
    }

    pub(super) fn recall(self) -> f64 {
        share(
            self.true_positives,
            self.true_positives + self.false_negatives,
        )
    }

    pub(super) fn f1(self) -> f64 {
        let twice = 2 * self.true_positives;
        share(twice, twice + self.false_positives + self.false_negatives)
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

pub(super) fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// Harmonic mean, 0 of two zeros.
pub(super) fn harmonic(a: f64, b: f64) -> f64 {
    if a + b == 0.0 {
        0.0
    } else {
        2.0 * a * b / (a + b)
    }
}

impl ScoredPredictions<'_> {
    /// All metrics of the table.
    pub fn evaluate(&self) -> Evaluation {
        let rows = self.rows();
        let mut all = Counts::default();
        let (mut known_cells, mut loss_of_all) = (0, 0.0);
        let labels: Vec<LabelEvaluation> = (0..self.labels().len())
            .map(|label| {
                let threshold = self.threshold(label);
                let mut counts = Counts::default();
                let (mut loss, mut known) = (0.0, 0);
                for cell in self.column(label).filter(|cell| cell.is_known) {
                    counts.add(cell.predicted, cell.target, 1);
                    loss += cell.loss();
                    known += 1;
                }
                known_cells += known;
                loss_of_all += loss;
                all.true_positives += counts.true_positives;
                all.false_positives += counts.false_positives;
                all.false_negatives += counts.false_negatives;
                LabelEvaluation {
                    label: self.labels()[label].clone(),
                    threshold,
                    support: counts.true_positives + counts.false_negatives,
                    predicted: counts.true_positives + counts.false_positives,
                    accuracy: share(
                        known - counts.false_positives - counts.false_negatives,
                        known,
                    ),
                    precision: counts.precision(),
                    recall: counts.recall(),
                    f1: counts.f1(),
                    average_precision: average_precision(
                        self.column(label)
                            .filter(|cell| cell.is_known)
                            .map(|cell| (cell.probability, cell.target)),
                    ),
                    loss: loss / known.max(1) as f64,
                }
            })
            .collect();
        let ranked: Vec<f64> = labels.iter().filter_map(|l| l.average_precision).collect();
        let class_precision = mean(labels.iter().map(|l| l.precision));
        let class_recall = mean(labels.iter().map(|l| l.recall));
        Evaluation {
            rows,
            accuracy: share(
                known_cells - all.false_positives - all.false_negatives,
                known_cells,
            ),
            exact_match: {
                let (parts, wholes) = self.row_parts(RowMetric::ExactMatch);
                parts.iter().sum::<f64>() / wholes.iter().sum::<f64>().max(1.0)
            },
            mean_average_precision: (!ranked.is_empty()).then(|| mean(ranked.into_iter())),
            class_precision,
            class_recall,
            class_f1: mean(labels.iter().map(|l| l.f1)),
            class_f1_harmonic: harmonic(class_precision, class_recall),
            overall_precision: all.precision(),
            overall_recall: all.recall(),
            overall_f1: all.f1(),
            loss: match self.has_unknown() {
                false => mean(labels.iter().map(|l| l.loss)),
                // Labels have not as many cells each.
                true => loss_of_all / known_cells.max(1) as f64,
            },
            labels,
        }
    }
}
