//! Probabilities of single labels joined with the labels' counts.

use super::CountPrior;
use super::count_sums::CountSums;
use crate::Result;
use crate::logit::logit;

/// Decodes images under a [`CountPrior`]; see the [module](super) for the model.
///
/// Nothing cancels or underflows, however sure the probabilities are and however many labels there are.
/// An image of `L` labels takes O(L^2) steps. Probabilities of 0 and 1 are taken as 1e-7 from there: a
/// count that is impossible overrules them, one that is only unlikely may not.
#[derive(Clone, Debug)]
pub struct CountDecoder {
    /// `ln w(k)`, for every count.
    log_weights: Vec<f64>,
    labels: usize,
    /// Logits and labels, the highest first.
    ranked: Vec<(f64, usize)>,
    /// Odds in the same order.
    odds: Vec<f64>,
    sums: CountSums,
    /// Posterior probability of each count.
    counts: Vec<f64>,
    /// Posterior probability of each label, in the order of `ranked`.
    present: Vec<f64>,
}

impl CountDecoder {
    /// A decoder for images of so many labels.
    ///
    /// # Errors
    /// [`crate::DecideError::CountPrior`] for a prior of another number of labels.
    pub fn new(prior: &CountPrior, labels: usize) -> Result<Self> {
        prior.check(labels)?;
        Ok(Self {
            log_weights: prior.log_weights(),
            labels,
            ranked: Vec::with_capacity(labels),
            odds: Vec::with_capacity(labels),
            sums: CountSums::default(),
            counts: Vec::with_capacity(labels + 1),
            present: Vec::with_capacity(labels),
        })
    }

    /// Ranks the labels of an image; of two with the same probability the earlier one comes first.
    fn rank(&mut self, probabilities: &[f32]) {
        assert_eq!(probabilities.len(), self.labels, "one value a label");
        self.ranked.clear();
        let logits = probabilities.iter().map(|probability| logit(*probability));
        self.ranked.extend(logits.zip(0..));
        (self.ranked).sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    }

    /// Writes the posterior probability of each label; both slices hold one value a label.
    ///
    /// # Panics
    /// Where a slice has another length than the labels.
    pub fn marginals(&mut self, probabilities: &[f32], marginals: &mut [f32]) {
        assert_eq!(marginals.len(), self.labels, "one value a label");
        self.rank(probabilities);
        self.odds.clear();
        self.odds
            .extend(self.ranked.iter().map(|(logit, _)| logit.exp()));
        self.sums.set(self.odds.iter().copied());

        let log_posterior =
            || (self.sums.log_sums().iter().zip(&self.log_weights)).map(|(a, b)| a + b);
        let largest = log_posterior().fold(f64::NEG_INFINITY, f64::max);
        self.counts.clear();
        (self.counts).extend(log_posterior().map(|value| (value - largest).exp()));
        let all: f64 = self.counts.iter().sum();
        self.counts.iter_mut().for_each(|count| *count /= all);

        self.present.clear();
        self.present.resize(self.labels, 0.0);
        (self.sums).add_present(&self.odds, &self.counts, &mut self.present);
        for ((_, label), present) in self.ranked.iter().zip(&self.present) {
            // Rounding may leave a certain label a hair above 1.
            marginals[*label] = present.min(1.0) as f32;
        }
    }

    /// The set of labels with the highest posterior probability, one answer a label. Of two sets
    /// that are equally probable it is the smaller one, and the one with the earlier labels.
    ///
    /// # Panics
    /// Where `probabilities` has another length than the labels.
    pub fn most_probable_set(&mut self, probabilities: &[f32]) -> Vec<bool> {
        // The best set of k labels is the k most probable labels.
        self.rank(probabilities);
        let mut sum = 0.0;
        let mut best = (f64::NEG_INFINITY, 0);
        for (count, weight) in self.log_weights.iter().enumerate() {
            if count > 0 {
                sum += self.ranked[count - 1].0;
            }
            if sum + weight > best.0 {
                best = (sum + weight, count);
            }
        }
        let mut answers = vec![false; self.labels];
        for (_, label) in &self.ranked[..best.1] {
            answers[*label] = true;
        }
        answers
    }
}
