//! What another threshold would give.

/// Scores over all cells where a probability above the threshold is a yes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AtThreshold {
    /// The threshold.
    pub threshold: f64,
    /// Share of right cells.
    pub accuracy: f64,
    /// Share of right ones among the yes; NaN where there is none.
    pub precision: f64,
    /// Share of the positives that are found; NaN where there is none.
    pub recall: f64,
    /// Harmonic mean of the two, 0 where nothing is found.
    pub f1: f64,
}

/// Thresholds that are tried: 0, .01, ... 1.
const STEPS: usize = 100;

/// The scores at each of 101 thresholds from 0 to 1.
pub fn threshold_curve(probabilities: &[f32], targets: &[f32]) -> Vec<AtThreshold> {
    let mut cells: Vec<(f32, bool)> = (probabilities.iter().zip(targets))
        .filter(|(_, target)| !target.is_nan())
        .map(|(probability, target)| (*probability, *target > 0.5))
        .collect();
    cells.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    // `below[n]` positives are among the n least probable cells.
    let mut below = Vec::with_capacity(cells.len() + 1);
    below.push(0usize);
    for (place, cell) in cells.iter().enumerate() {
        below.push(below[place] + usize::from(cell.1));
    }
    let positives = below[cells.len()];
    (0..=STEPS)
        .map(|step| {
            let threshold = step as f64 / STEPS as f64;
            let no = cells.partition_point(|cell| f64::from(cell.0) <= threshold);
            let (yes, false_negatives) = (cells.len() - no, below[no]);
            let found = positives - false_negatives;
            AtThreshold {
                threshold,
                accuracy: (found + no - false_negatives) as f64 / cells.len() as f64,
                precision: found as f64 / yes as f64,
                recall: found as f64 / positives as f64,
                f1: match yes + positives {
                    0 => 0.0,
                    sum => 2.0 * found as f64 / sum as f64,
                },
            }
        })
        .collect()
}
