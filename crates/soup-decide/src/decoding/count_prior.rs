//! How many labels an image has, counted.

use serde::{Deserialize, Serialize};

use super::count_sums::CountSums;
use crate::logit::log_add;
use crate::{DecideError, Result};

/// Label counts of images whose labels are known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountPrior {
    /// `with_count[k]` images have `k` labels; as many entries as labels, and one.
    with_count: Vec<u64>,
    /// `with_label[i]` images have label `i`.
    with_label: Vec<u64>,
    /// Smoothing: the weight, in images, of the belief that labels are independent. 0 makes
    /// counts that were never seen impossible.
    #[serde(rename = "pseudo_pictures")]
    pseudo_images: f64,
}

impl CountPrior {
    /// As if one image more had been seen, of independent labels: counts that were never seen stay
    /// possible, however unlikely.
    pub const PSEUDO_IMAGES: f64 = 1.0;

    /// Counts the labels of `targets` (rows of `labels` cells, each 0 or 1). Of an image with a label that is unknown
    /// (NaN) nobody can say how many it has: it is left out.
    ///
    /// # Errors
    /// [`DecideError::CountPrior`] without images or labels, or for a `pseudo_images` that is
    /// negative or not finite.
    pub fn learn(targets: &[f32], labels: usize, pseudo_images: f64) -> Result<Self> {
        let mut prior = Self {
            with_count: vec![0; labels + 1],
            with_label: vec![0; labels],
            pseudo_images,
        };
        let rows = targets.chunks_exact(labels.max(1));
        for row in rows.filter(|row| !row.iter().any(|target| target.is_nan())) {
            let mut count = 0;
            for (label, target) in row.iter().enumerate() {
                if *target > 0.5 {
                    count += 1;
                    prior.with_label[label] += 1;
                }
            }
            prior.with_count[count] += 1;
        }
        prior.check(labels)?;
        Ok(prior)
    }

    /// Checks that it belongs to so many labels and makes sense.
    ///
    /// # Errors
    /// [`DecideError::CountPrior`].
    pub fn check(&self, labels: usize) -> Result<()> {
        let refuse = |problem: String| Err(DecideError::CountPrior { problem });
        if labels == 0 || self.with_label.len() != labels || self.with_count.len() != labels + 1 {
            return refuse(format!(
                "it is of {} labels and {} counts, but there are {labels} labels",
                self.with_label.len(),
                self.with_count.len()
            ));
        }
        let images = self.images();
        if images == 0 {
            return refuse("it was learned from no image of which all labels are known".into());
        }
        if self.with_label.iter().any(|with| *with > images) {
            return refuse("a label has more images than there are".into());
        }
        if !self.pseudo_images.is_finite() || self.pseudo_images < 0.0 {
            return refuse(format!(
                "pseudo_pictures is {}; it must be 0 or more",
                self.pseudo_images
            ));
        }
        Ok(())
    }

    /// Images with each number of labels, from none to all.
    pub fn with_count(&self) -> &[u64] {
        &self.with_count
    }

    /// Images that it was learned from.
    pub fn images(&self) -> u64 {
        self.with_count.iter().sum()
    }

    /// The smallest and the largest number of labels that an image had.
    pub fn range(&self) -> (usize, usize) {
        let seen = |with: &u64| *with > 0;
        (
            self.with_count.iter().position(seen).unwrap_or(0),
            self.with_count.iter().rposition(seen).unwrap_or(0),
        )
    }

    /// `ln w(k)` for `k` from 0 to the number of labels: the share of images with `k` labels over
    /// the share that independent labels would give, both logarithms; minus infinity where `k` is
    /// impossible.
    pub(super) fn log_weights(&self) -> Vec<f64> {
        let images = self.images() as f64;
        // Half an image with and one without the label: no frequency is 0 or 1.
        let with = |with: &u64| (*with as f64 + 0.5) / (images + 1.0);
        let mut sums = CountSums::default();
        sums.set((self.with_label.iter().map(with)).map(|share| share / (1.0 - share)));
        let none: f64 = (self.with_label.iter())
            .map(|label| (-with(label)).ln_1p())
            .sum();
        let independent = sums.log_sums().iter().map(|log_sum| log_sum + none);
        let smoothing = self.pseudo_images.ln();
        self.with_count
            .iter()
            .zip(independent)
            .map(|(with, independent)| {
                let smoothed = log_add((*with as f64).ln(), smoothing + independent);
                smoothed - (images + self.pseudo_images).ln() - independent
            })
            .collect()
    }
}
