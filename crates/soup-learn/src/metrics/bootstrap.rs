//! How far a mean over pictures may lie from the truth.

use serde::{Deserialize, Serialize};
use soup_random::{Purpose, Stream};

/// The percentile bootstrap over pictures (Efron, 1979): 95 % of the means of `samples` tables,
/// each drawn from the pictures with replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// Number of tables drawn; a thousand is usual.
    pub samples: u32,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            samples: 1000,
            seed: 0,
        }
    }
}

/// An interval around a mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// 2.5 % of the means lie below.
    pub low: f64,
    /// 2.5 % of the means lie above.
    pub high: f64,
}

/// How much better one way is than another on the same pictures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Mean of the differences, one a picture.
    pub mean: f64,
    /// 2.5 % of the means lie below.
    pub low: f64,
    /// 2.5 % of the means lie above.
    pub high: f64,
}

impl Difference {
    /// Whether it is a gain: the whole interval lies above 0. All else is a tie or a loss.
    pub fn is_gain(&self) -> bool {
        self.low > 0.0
    }
}

impl Bootstrap {
    /// The paired bootstrap: by how much the mean of `ours` is above the mean of `theirs`, both with
    /// one value a picture, in the same order.
    pub fn difference(&self, ours: &[f64], theirs: &[f64]) -> Difference {
        let differences: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a - b).collect();
        let Interval { low, high } = self.interval(&differences);
        Difference {
            mean: differences.iter().sum::<f64>() / differences.len() as f64,
            low,
            high,
        }
    }

    /// How often each of `rows` pictures is in one of the samples.
    pub(super) fn picks(&self, sample: u32, rows: usize) -> Vec<u32> {
        let count = u32::try_from(rows).unwrap_or(u32::MAX);
        let mut stream = Stream::new(self.seed, Purpose::Bootstrap, 0, u64::from(sample));
        let mut picks = vec![0; rows];
        for _ in 0..count {
            picks[stream.below(count) as usize] += 1;
        }
        picks
    }

    /// The interval of the mean of `values`, one a picture. Without values or samples both ends are
    /// the plain mean (NaN without values).
    pub fn interval(&self, values: &[f64]) -> Interval {
        let count = u32::try_from(values.len()).unwrap_or(u32::MAX);
        let mut means: Vec<f64> = (0..if count == 0 { 0 } else { self.samples })
            .map(|sample| {
                let mut stream = Stream::new(self.seed, Purpose::Bootstrap, 0, u64::from(sample));
                let sum: f64 = (0..count)
                    .map(|_| values[stream.below(count) as usize])
                    .sum();
                sum / f64::from(count)
            })
            .collect();
        if means.is_empty() {
            means.push(values.iter().sum::<f64>() / values.len() as f64);
        }
        Interval::of(means)
    }
}

impl Interval {
    /// The middle 95 % of values, at least one.
    pub(super) fn of(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        Self {
            low: quantile(&values, 0.025),
            high: quantile(&values, 0.975),
        }
    }
}

/// Quantile of sorted values, linear between two of them (NumPy's default).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}
