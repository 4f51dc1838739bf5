//! Answers beside the truth.

use super::bootstrap::{Bootstrap, Interval};

/// Probabilities or 0/1 answers beside 0/1 labels: rows of pictures, columns of labels.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    probabilities: &'a [f32],
    targets: &'a [f32],
    labels: &'a [String],
    /// One for all labels or one a label.
    thresholds: &'a [f32],
}

/// A table that cannot be judged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// No pictures or no labels.
    #[error("there is nothing to evaluate: {rows} pictures with {labels} labels")]
    Empty {
        /// Number of pictures.
        rows: usize,
        /// Number of labels.
        labels: usize,
    },
    /// Probabilities and labels are not of the same shape.
    #[error(
        "{probabilities} probabilities and {targets} labels do not make the same number of rows of \
         {labels} labels"
    )]
    Shape {
        /// Number of probabilities.
        probabilities: usize,
        /// Number of 0/1 labels.
        targets: usize,
        /// Number of columns.
        labels: usize,
    },
    /// A value that is no probability.
    #[error("row {row}, label `{label}`: {value} is not a probability between 0 and 1")]
    Probability {
        /// Row, counted from 0.
        row: usize,
        /// Name of the label.
        label: String,
        /// The value.
        value: f32,
    },
    /// A label that is neither 0 nor 1.
    #[error("row {row}, label `{label}`: the true label is {value}, not 0 or 1")]
    Target {
        /// Row, counted from 0.
        row: usize,
        /// Name of the label.
        label: String,
        /// The value.
        value: f32,
    },
    /// A list of thresholds that does not fit.
    #[error("{found} thresholds: give one for all labels or one for each of the {labels} labels")]
    Thresholds {
        /// Number of thresholds.
        found: usize,
        /// Number of labels.
        labels: usize,
    },
    /// A threshold that is not between 0 and 1.
    #[error("threshold {value} is not between 0 and 1")]
    Threshold {
        /// The value.
        value: f32,
    },
}

/// A metric that is the mean of a value a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowMetric {
    /// Share of right cells.
    Accuracy,
    /// 1 where all labels of the picture are right.
    ExactMatch,
    /// Binary cross-entropy.
    Loss,
}

impl<'a> Table<'a> {
    /// `probabilities` and `targets` hold one row of `labels.len()` cells a picture; `thresholds`
    /// holds one value for all labels or one a label. A probability **above** its threshold is a
    /// yes.
    ///
    /// # Errors
    /// Slices that do not fit each other, values out of their range, by row and label.
    pub fn new(
        probabilities: &'a [f32],
        targets: &'a [f32],
        labels: &'a [String],
        thresholds: &'a [f32],
    ) -> Result<Self, MetricError> {
        let columns = labels.len();
        if columns == 0 || probabilities.is_empty() {
            return Err(MetricError::Empty {
                rows: probabilities.len().checked_div(columns).unwrap_or(0),
                labels: columns,
            });
        }
        if probabilities.len() != targets.len() || !probabilities.len().is_multiple_of(columns) {
            return Err(MetricError::Shape {
                probabilities: probabilities.len(),
                targets: targets.len(),
                labels: columns,
            });
        }
        if thresholds.len() != 1 && thresholds.len() != columns {
            return Err(MetricError::Thresholds {
                found: thresholds.len(),
                labels: columns,
            });
        }
        if let Some(&value) = thresholds.iter().find(|t| !(0.0..=1.0).contains(*t)) {
            return Err(MetricError::Threshold { value });
        }
        let place = |cell: usize| (cell / columns, labels[cell % columns].clone());
        if let Some(cell) = probabilities.iter().position(|p| !(0.0..=1.0).contains(p)) {
            let ((row, label), value) = (place(cell), probabilities[cell]);
            return Err(MetricError::Probability { row, label, value });
        }
        if let Some(cell) = targets.iter().position(|&t| t != 0.0 && t != 1.0) {
            let ((row, label), value) = (place(cell), targets[cell]);
            return Err(MetricError::Target { row, label, value });
        }
        Ok(Self {
            probabilities,
            targets,
            labels,
            thresholds,
        })
    }

    /// Number of pictures.
    pub fn rows(&self) -> usize {
        self.probabilities.len() / self.labels.len()
    }

    /// Names of the labels, in the order of the columns.
    pub fn labels(&self) -> &'a [String] {
        self.labels
    }

    /// The threshold of a label.
    pub(super) fn threshold(&self, label: usize) -> f32 {
        self.thresholds[if self.thresholds.len() == 1 { 0 } else { label }]
    }

    /// The cells of one label: probability and whether the label is there.
    pub(super) fn column(&self, label: usize) -> impl Iterator<Item = (f32, bool)> {
        let columns = self.labels.len();
        let probabilities = self.probabilities[label..].iter().step_by(columns);
        let targets = self.targets[label..].iter().step_by(columns);
        probabilities.zip(targets).map(|(&p, &t)| (p, t == 1.0))
    }

    /// The value of each picture, of which the metric is the mean.
    pub fn row_values(&self, metric: RowMetric) -> Vec<f64> {
        let columns = self.labels.len();
        let rows = self
            .probabilities
            .chunks(columns)
            .zip(self.targets.chunks(columns));
        rows.map(|(probabilities, targets)| {
            let cells = probabilities.iter().zip(targets);
            if metric == RowMetric::Loss {
                return cells
                    .map(|(&p, &t)| cross_entropy(p, t == 1.0))
                    .sum::<f64>()
                    / columns as f64;
            }
            let right = cells
                .enumerate()
                .filter(|&(label, (&p, &t))| (p > self.threshold(label)) == (t == 1.0))
                .count();
            match metric {
                RowMetric::ExactMatch => f64::from(right == columns),
                _ => right as f64 / columns as f64,
            }
        })
        .collect()
    }

    /// The interval that holds the metric in 95 % of the bootstrap samples of the pictures.
    pub fn interval(&self, metric: RowMetric, bootstrap: &Bootstrap) -> Interval {
        bootstrap.interval(&self.row_values(metric))
    }
}

/// Loss of one cell, its probability kept off 0 and 1 as in scikit-learn's `log_loss`.
pub(super) fn cross_entropy(probability: f32, present: bool) -> f64 {
    let probability = f64::from(probability);
    let right = if present {
        probability
    } else {
        1.0 - probability
    };
    -right.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
}
