//! How likely each number of labels is, and each label given the number.

/// What odds of independent labels say about sets of `k` labels.
///
/// The weight of all sets of `k` labels is the elementary symmetric polynomial `e_k` of the odds. Sums
/// over sets are far outside what a float holds, their ratios `e_k / e_(k-1)` are not: a label with odds
/// `o` makes of the ratios `r` the ratios `r_(k-1) (r_k + o) / (r_(k-1) + o)`. Only positive numbers are
/// added, multiplied and divided, so no digit is lost, in O(L^2) steps without a logarithm.
#[derive(Clone, Debug, Default)]
pub(super) struct CountSums {
    /// `e_k / e_(k-1)` in place `k - 1`. They fall with `k` (Newton's inequalities).
    ratios: Vec<f64>,
    next: Vec<f64>,
    /// `ln e_k`, from `k` = 0 on.
    log_sums: Vec<f64>,
    /// For each label, the probability of having it given the number of labels at hand.
    present: Vec<f64>,
}

impl CountSums {
    /// Takes in the odds of all labels, positive and finite.
    pub(super) fn set(&mut self, odds: impl Iterator<Item = f64>) {
        self.ratios.clear();
        for odds in odds {
            self.next.clear();
            // Of no label there is one set, and none of fewer: the first ratio is a plain sum.
            let first = self.ratios.first().copied().unwrap_or(0.0);
            self.next.push(first + odds);
            let pairs = self.ratios.windows(2);
            (self.next).extend(pairs.map(|pair| pair[0] * (pair[1] + odds) / (pair[0] + odds)));
            // All labels together were none of the sets before.
            let last = self.ratios.last();
            self.next
                .extend(last.map(|last| last * odds / (last + odds)));
            std::mem::swap(&mut self.ratios, &mut self.next);
        }
        self.log_sums.clear();
        self.log_sums.push(0.0);
        let mut log_sum = 0.0;
        for ratio in &self.ratios {
            log_sum += ratio.ln();
            self.log_sums.push(log_sum);
        }
    }

    /// `ln e_k`, for `k` from 0 to the number of labels.
    pub(super) fn log_sums(&self) -> &[f64] {
        &self.log_sums
    }

    /// Adds to each label of `sums` its probability given `k` labels, times `weights[k]`, for every `k`.
    /// `odds` are those that were [set](Self::set), the highest first.
    ///
    /// With `k` labels a label of odds `o` is there with probability `p_k = o / r_k (1 - p_(k-1))` (Chen,
    /// Dempster and Liu, Biometrika 1994). Errors shrink on the way up while `o` is below `r_k` and on
    /// the way down from the full set, where every label is there, while it is above. As the ratios fall
    /// there is one `k` for each label up to which the first holds, and the second from there on.
    pub(super) fn add_present(&mut self, odds: &[f64], weights: &[f64], sums: &mut [f64]) {
        let labels = odds.len();
        let seen = |weight: &f64| *weight > 0.0;
        let (Some(least), Some(most)) = (
            weights.iter().position(seen),
            weights.iter().rposition(seen),
        ) else {
            return;
        };
        self.present.clear();
        self.present.resize(labels, 0.0);
        let mut above = 0;
        for (ratio, weight) in self.ratios.iter().zip(&weights[1..]).take(most) {
            while above < labels && odds[above] > *ratio {
                above += 1;
            }
            let inverse = 1.0 / ratio;
            let labels = self.present[above..].iter_mut().zip(&odds[above..]);
            for ((present, odds), sum) in labels.zip(&mut sums[above..]) {
                *present = odds * inverse * (1.0 - *present);
                *sum += weight * *present;
            }
        }
        self.present.fill(1.0);
        let mut above = labels;
        for count in (least.max(1)..=labels).rev() {
            let (ratio, weight) = (self.ratios[count - 1], weights[count]);
            while above > 0 && odds[above - 1] <= ratio {
                above -= 1;
            }
            let labels = self.present[..above].iter_mut().zip(&odds[..above]);
            for ((present, odds), sum) in labels.zip(&mut sums[..above]) {
                *sum += weight * *present;
                *present = 1.0 - *present * (ratio / odds);
            }
        }
    }
}
