//! Predictions beside the truth: what calibration, thresholds, priors and weights are fitted on.

use crate::{DecideError, Predictions, Result};

/// Probabilities and true labels of images: rows of images, columns of labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub(crate) labels: usize,
    pub(crate) probabilities: Vec<f32>,
    pub(crate) targets: Vec<f32>,
}

impl Sample {
    /// The images of `predictions` with their labels in `truth`, which may hold more images.
    ///
    /// # Errors
    /// Other labels, or an image without true labels.
    pub fn new(predictions: &Predictions, truth: &Predictions) -> Result<Self> {
        let labels = predictions.labels();
        let truth = truth.selected(predictions.ids(), labels, predictions.source())?;
        Ok(Self {
            labels: labels.len(),
            probabilities: predictions.values().to_vec(),
            targets: truth.values().to_vec(),
        })
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.probabilities.len() / self.labels
    }

    /// The images in these rows.
    pub(crate) fn only(&self, rows: &[usize]) -> Self {
        let cells = |values: &[f32]| -> Vec<f32> {
            (rows.iter())
                .flat_map(|row| &values[row * self.labels..][..self.labels])
                .copied()
                .collect()
        };
        Self {
            labels: self.labels,
            probabilities: cells(&self.probabilities),
            targets: cells(&self.targets),
        }
    }

    /// Probability and presence of one label, of each image of which it is known.
    pub(crate) fn column(&self, label: usize) -> impl Iterator<Item = (f32, bool)> {
        (label..self.probabilities.len())
            .step_by(self.labels)
            .filter(|cell| !self.targets[*cell].is_nan())
            .map(|cell| (self.probabilities[cell], self.targets[cell] == 1.0))
    }

    /// Refuses to fit anything on fewer images than that.
    pub(crate) fn at_least(&self, images: usize, what: &'static str) -> Result<()> {
        if self.images() >= images {
            return Ok(());
        }
        Err(DecideError::TooFewImages {
            what,
            found: self.images(),
            needed: images,
        })
    }
}
