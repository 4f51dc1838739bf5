//! Thresholds that make the fewest wrong cells.

use serde::Serialize;

use crate::Sample;

/// Which thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdKind {
    /// .5: right for calibrated probabilities.
    Half,
    /// One for all labels.
    Common,
    /// One a label.
    PerLabel,
}

impl ThresholdKind {
    /// The thresholds of this kind with the most right cells on the sample, one a label. Of several
    /// that are equally good it is the one nearest to .5.
    pub fn fit(self, sample: &Sample) -> Vec<f32> {
        match self {
            Self::Half => vec![0.5; sample.labels],
            Self::Common => {
                let all = (0..sample.labels).flat_map(|label| sample.column(label));
                vec![best(all.collect()); sample.labels]
            }
            Self::PerLabel => (0..sample.labels)
                .map(|label| best(sample.column(label).collect()))
                .collect(),
        }
    }
}

/// The threshold with the most right answers, where a probability above it is a positive prediction.
fn best(mut cells: Vec<(f32, bool)>) -> f32 {
    cells.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    // Below the lowest probability everything is predicted positive.
    let mut right = cells.iter().filter(|cell| cell.1).count();
    let lowest = cells.first().map_or(1.0, |cell| cell.0);
    let mut found = (lowest > 0.0).then(|| (right, nearest_to_half(0.0, lowest)));
    let distance = |threshold: f32| (threshold - 0.5).abs();
    let mut place = 0;
    while let Some(&(probability, _)) = cells.get(place) {
        while let Some((_, present)) = cells.get(place).filter(|cell| cell.0 == probability) {
            if *present {
                right -= 1;
            } else {
                right += 1;
            }
            place += 1;
        }
        // The last gap is open above: 1 itself is a threshold that nothing passes.
        let next = cells.get(place).map_or(f32::INFINITY, |cell| cell.0);
        let threshold = nearest_to_half(probability, next);
        let better = found.is_none_or(|(most, known)| {
            right > most || right == most && distance(threshold) < distance(known)
        });
        if better {
            found = Some((right, threshold));
        }
    }
    found.map_or(0.5, |(_, threshold)| threshold)
}

/// A threshold from `low` up to, but without, `high`: .5 where that lies between, else the middle.
fn nearest_to_half(low: f32, high: f32) -> f32 {
    if low <= 0.5 && 0.5 < high {
        return 0.5;
    }
    let middle = low + (high.min(1.0) - low) / 2.0;
    // Of two neighbouring floats the middle may be the upper one.
    if middle < high { middle } else { low }
}
