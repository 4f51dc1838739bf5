//! One probability from the logits of several views.

use serde::{Deserialize, Serialize};

use crate::probability_of;

/// How the answers of several views become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Merge {
    /// Mean of the probabilities.
    #[default]
    Mean,
    /// Geometric mean of the probabilities: a view that says no counts for more.
    GeometricMean,
    /// Sigmoid of the mean of the logits: sure views count for more.
    LogitMean,
    /// The largest probability: a label that one view finds is there.
    Max,
}

impl Merge {
    /// Every way, the simplest first.
    pub const ALL: [Self; 4] = [Self::Mean, Self::GeometricMean, Self::LogitMean, Self::Max];

    /// The probability from one logit a view, at least one.
    pub fn probability(self, logits: impl Iterator<Item = f32> + Clone) -> f64 {
        let count = logits.clone().count() as f64;
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / count;
        let wide = logits.map(f64::from);
        match self {
            Self::Mean => mean(&mut wide.map(|logit| f64::from(probability_of(logit as f32)))),
            // ln sigmoid(x) = -ln(1 + e^-x), without overflow.
            Self::GeometricMean => {
                let log = |logit: f64| logit.min(0.0) - (-logit.abs()).exp().ln_1p();
                mean(&mut wide.map(log)).exp()
            }
            Self::LogitMean => f64::from(probability_of(mean(&mut { wide }) as f32)),
            Self::Max => {
                // Not `f64::max`, which makes a number of what is none.
                let larger = |a: f64, b: f64| if a > b || a.is_nan() { a } else { b };
                f64::from(probability_of(wide.fold(f64::NEG_INFINITY, larger) as f32))
            }
        }
    }
}
