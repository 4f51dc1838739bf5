//! Predictions beside the true labels.

/// Probabilities or 0/1 predictions beside 0/1 labels: rows of images, columns of labels. A label that is NaN is unknown
/// and counts nowhere, as under scikit-learn's `sample_weight` of 0.
#[derive(Clone, Copy, Debug)]
pub struct ScoredPredictions<'a> {
    probabilities: &'a [f32],
    targets: &'a [f32],
    labels: &'a [String],
    /// One for all labels or one a label.
    thresholds: &'a [f32],
    /// One a cell, where they are not what the thresholds say.
    answers: Option<&'a [bool]>,
}

/// A table that cannot be evaluated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// No images or no labels.
    #[error("there is nothing to evaluate: {rows} images with {labels} labels")]
    Empty {
        /// Number of images.
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
    /// Answers that are not one a cell.
    #[error("{found} answers for {cells} cells")]
    Answers {
        /// Number of answers.
        found: usize,
        /// Number of cells.
        cells: usize,
    },
    /// A threshold that is not between 0 and 1.
    #[error("threshold {value} is not between 0 and 1")]
    Threshold {
        /// The value.
        value: f32,
    },
}

/// A metric that is the mean of a value an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum RowMetric {
    /// Share of right cells.
    Accuracy,
    /// 1 where all labels of the image are right.
    #[cfg_attr(
        feature = "clap",
        value(help = "Share of images with all labels right")
    )]
    ExactMatch,
    /// Binary cross-entropy.
    Loss,
}

impl<'a> ScoredPredictions<'a> {
    /// `probabilities` and `targets` hold one row of `labels.len()` cells an image; `thresholds`
    /// holds one value for all labels or one a label. A probability **above** its threshold is a
    /// predicted positive.
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
        if let Some(cell) = targets
            .iter()
            .position(|&t| t != 0.0 && t != 1.0 && !t.is_nan())
        {
            let ((row, label), value) = (place(cell), targets[cell]);
            return Err(MetricError::Target { row, label, value });
        }
        Ok(Self {
            probabilities,
            targets,
            labels,
            thresholds,
            answers: None,
        })
    }

    /// The same with answers (one a cell) that were found otherwise than by thresholds; losses and
    /// average precisions are still those of the probabilities.
    ///
    /// # Errors
    /// [`MetricError::Answers`] where they are not one a cell.
    pub fn with_answers(mut self, answers: &'a [bool]) -> Result<Self, MetricError> {
        if answers.len() != self.probabilities.len() {
            return Err(MetricError::Answers {
                found: answers.len(),
                cells: self.probabilities.len(),
            });
        }
        self.answers = Some(answers);
        Ok(self)
    }

    /// Number of images.
    pub fn rows(&self) -> usize {
        self.probabilities.len() / self.labels.len()
    }

    /// Names of the labels, in the order of the columns.
    pub fn labels(&self) -> &'a [String] {
        self.labels
    }

    /// The threshold of a label, where answers are made by thresholds.
    pub(super) fn threshold(&self, label: usize) -> Option<f32> {
        let place = if self.thresholds.len() == 1 { 0 } else { label };
        self.answers.is_none().then(|| self.thresholds[place])
    }

    /// The cells of one label, a row each; see [`Cell::is_known`].
    pub(super) fn column(&self, label: usize) -> impl Iterator<Item = Cell> {
        let columns = self.labels.len();
        (label..self.probabilities.len())
            .step_by(columns)
            .map(move |cell| self.cell(cell, label))
    }

    fn cell(&self, cell: usize, label: usize) -> Cell {
        let probability = self.probabilities[cell];
        let place = if self.thresholds.len() == 1 { 0 } else { label };
        Cell {
            probability,
            predicted: match self.answers {
                Some(answers) => answers[cell],
                None => probability > self.thresholds[place],
            },
            target: self.targets[cell] == 1.0,
            is_known: !self.targets[cell].is_nan(),
        }
    }

    /// Whether any label of any image is unknown.
    pub(super) fn has_unknown(&self) -> bool {
        self.targets.iter().any(|target| target.is_nan())
    }

    /// The value of each image, of which the metric is the mean: over its known labels. An image of which nothing is
    /// known has nothing wrong.
    pub fn row_values(&self, metric: RowMetric) -> Vec<f64> {
        let (parts, wholes) = self.row_parts(metric);
        let value = |(part, whole): (f64, f64)| match (whole > 0.0, metric) {
            (true, _) => part / whole,
            (false, RowMetric::Loss) => 0.0,
            (false, _) => 1.0,
        };
        parts.into_iter().zip(wholes).map(value).collect()
    }

    /// What each image adds to the metric, and to what that is divided by: 1 where all its labels are known.
    pub(super) fn row_parts(&self, metric: RowMetric) -> (Vec<f64>, Vec<f64>) {
        let columns = self.labels.len();
        (0..self.rows())
            .map(|row| {
                let cells = (0..columns).map(|label| self.cell(row * columns + label, label));
                let cells = cells.filter(|cell| cell.is_known);
                let known = cells.clone().count();
                let share = known as f64 / columns as f64;
                if metric == RowMetric::Loss {
                    return (cells.map(Cell::loss).sum::<f64>() / columns as f64, share);
                }
                let right = cells.filter(|cell| cell.predicted == cell.target).count();
                match metric {
                    RowMetric::ExactMatch => {
                        let counts = known > 0;
                        (f64::from(counts && right == known), f64::from(counts))
                    }
                    _ => (right as f64 / columns as f64, share),
                }
            })
            .unzip()
    }
}

/// One image, one label.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub(super) probability: f32,
    pub(super) predicted: bool,
    /// False where it is unknown.
    pub(super) target: bool,
    /// Whether it counts.
    pub(super) is_known: bool,
}

impl Cell {
    /// The loss, the probability kept off 0 and 1 as in scikit-learn's `log_loss`.
    pub(super) fn loss(self) -> f64 {
        let probability = f64::from(self.probability);
        let right = if self.target {
            probability
        } else {
            1.0 - probability
        };
        -right.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
    }
}
