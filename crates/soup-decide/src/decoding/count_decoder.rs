//! Probabilities of single labels joined with the labels' counts.

use super::CountPrior;
use crate::Result;
use crate::logit::{log_add, logit, sigmoid, softplus};

/// Decodes pictures under a [`CountPrior`]; see the [module](super) for the model.
///
/// All sums are of positive terms and in logarithms, so nothing cancels or underflows, however sure
/// the probabilities are and however many labels there are. A picture of `L` labels takes O(L^2)
/// steps. Probabilities of 0 and 1 are taken as 1e-7 from there: a count that is impossible overrules
/// them, one that is only unlikely may not.
#[derive(Clone, Debug)]
pub struct CountDecoder {
    /// `ln w(k)`, up to the largest possible count.
    log_weights: Vec<f64>,
    labels: usize,
    /// `before[i][k]`: the first `i` labels hold `k` yes; logarithms, `width` values a label.
    before: Vec<f64>,
    /// `after[i][k]`: what the labels from `i` on and the prior weigh where those before hold `k`.
    after: Vec<f64>,
}

impl CountDecoder {
    /// A decoder for pictures of so many labels.
    ///
    /// # Errors
    /// [`crate::DecideError::CountPrior`] for a prior of another number of labels.
    pub fn new(prior: &CountPrior, labels: usize) -> Result<Self> {
        prior.check(labels)?;
        let mut log_weights = prior.log_weights();
        let possible = |weight: &f64| *weight > f64::NEG_INFINITY;
        // A prior of at least one picture allows at least one count.
        let largest = log_weights.iter().rposition(possible).unwrap_or(labels);
        log_weights.truncate(largest + 1);
        let cells = (labels + 1) * log_weights.len();
        Ok(Self {
            labels,
            before: vec![f64::NEG_INFINITY; cells],
            after: vec![f64::NEG_INFINITY; cells],
            log_weights,
        })
    }

    /// Writes the posterior probability of each label; both slices hold one value a label.
    ///
    /// # Panics
    /// Where a slice has another length than the labels.
    pub fn marginals(&mut self, probabilities: &[f32], marginals: &mut [f32]) {
        let labels = self.labels;
        assert_eq!(
            [probabilities.len(), marginals.len()],
            [labels; 2],
            "one value a label"
        );
        // ln p and ln (1 - p)
        let terms = |label: usize| {
            let logit = logit(probabilities[label]);
            (-softplus(-logit), -softplus(logit))
        };
        let width = self.log_weights.len();
        self.before[..width].fill(f64::NEG_INFINITY);
        self.before[0] = 0.0;
        for label in 0..labels {
            let (yes, no) = terms(label);
            let (done, rest) = self.before.split_at_mut((label + 1) * width);
            let from = &done[label * width..];
            rest[0] = from[0] + no;
            for count in 1..width {
                rest[count] = log_add(from[count] + no, from[count - 1] + yes);
            }
        }
        self.after[labels * width..].copy_from_slice(&self.log_weights);
        for label in (0..labels).rev() {
            let (yes, no) = terms(label);
            let (rest, done) = self.after.split_at_mut((label + 1) * width);
            let to = &mut rest[label * width..];
            for count in 0..width {
                let with = if count + 1 < width {
                    done[count + 1] + yes
                } else {
                    f64::NEG_INFINITY
                };
                to[count] = log_add(done[count] + no, with);
            }
        }
        for (label, marginal) in marginals.iter_mut().enumerate() {
            let (yes, no) = terms(label);
            let before = &self.before[label * width..][..width];
            let after = &self.after[(label + 1) * width..][..width];
            let mut present = f64::NEG_INFINITY;
            let mut absent = f64::NEG_INFINITY;
            for count in 0..width {
                absent = log_add(absent, before[count] + no + after[count]);
                if count + 1 < width {
                    present = log_add(present, before[count] + yes + after[count + 1]);
                }
            }
            *marginal = sigmoid(present - absent) as f32;
        }
    }

    /// The set of labels with the highest posterior probability, one answer a label. Of two sets
    /// that are equally probable it is the smaller one, and the one with the earlier labels.
    ///
    /// # Panics
    /// Where `probabilities` has another length than the labels.
    pub fn most_probable_set(&self, probabilities: &[f32]) -> Vec<bool> {
        assert_eq!(probabilities.len(), self.labels, "one value a label");
        // The best set of k labels is the k most probable labels.
        let mut ranked: Vec<(f64, usize)> = (probabilities.iter().enumerate())
            .map(|(label, probability)| (logit(*probability), label))
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut sum = 0.0;
        let mut best = (f64::NEG_INFINITY, 0);
        for (count, weight) in self.log_weights.iter().enumerate() {
            if count > 0 {
                sum += ranked[count - 1].0;
            }
            if sum + weight > best.0 {
                best = (sum + weight, count);
            }
        }
        let mut answers = vec![false; self.labels];
        for (_, label) in &ranked[..best.1] {
            answers[*label] = true;
        }
        answers
    }
}
