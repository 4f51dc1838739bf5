//! The majority vote.

use std::borrow::Cow;
use std::str::FromStr;

use super::mean::weighted;

/// What a label becomes that has exactly half of the votes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Tie {
    /// It is not in the image: a strict majority is needed.
    #[default]
    No,
    /// It is in the image.
    Yes,
    /// The mean of the probabilities decides, by the label's threshold.
    Mean,
}

impl FromStr for Tie {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "no" => Ok(Self::No),
            "yes" => Ok(Self::Yes),
            "mean" => Ok(Self::Mean),
            _ => Err(format!("`{text}` is no tie rule; write no, yes or mean")),
        }
    }
}

/// 1 where more than half of the weight says yes, 0 where less does. `thresholds` holds one value a
/// label.
pub(super) fn combine(
    tables: &[Cow<'_, [f32]>],
    weights: &[f64],
    thresholds: &[f32],
    tie: Tie,
) -> Vec<f32> {
    let total: f64 = weights.iter().sum();
    let cells = tables.first().map_or(0, |table| table.len());
    let means: Vec<f64> = match tie {
        Tie::Mean => weighted(tables, weights, f64::from).collect(),
        Tie::No | Tie::Yes => Vec::new(),
    };
    (0..cells)
        .map(|cell| {
            let threshold = thresholds[cell % thresholds.len()];
            let yes: f64 = tables
                .iter()
                .zip(weights)
                .filter(|(table, _)| table[cell] > threshold)
                .map(|(_, weight)| weight)
                .sum();
            let no = total - yes;
            // Weights are the user's decimals: a tie is a tie up to rounding.
            let tied = (yes - no).abs() <= 1e-9 * total;
            let decision = match tie {
                _ if !tied => yes > no,
                Tie::No => false,
                Tie::Yes => true,
                Tie::Mean => means[cell] > f64::from(threshold),
            };
            f32::from(u8::from(decision))
        })
        .collect()
}
