//! Whether a probability of .8 is right eight times in ten.

/// Cells whose probabilities are alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Cells in it.
    pub count: usize,
    /// Mean of their probabilities.
    pub probability: f64,
    /// Share of them whose label is there.
    pub present: f64,
}

/// A reliability diagram (DeGroot and Fienberg, "The comparison and evaluation of forecasters", 1983):
/// scikit-learn's `calibration_curve` with bins of one width.
#[derive(Clone, Debug, PartialEq)]
pub struct Reliability {
    /// The bins that hold a cell, from the lowest probabilities up.
    pub bins: Vec<Bin>,
    /// Expected calibration error: how far probability and share are apart, the mean over all cells
    /// (Naeini et al., AAAI 2015).
    pub error: f64,
}

impl Reliability {
    /// Sorts cells into `bins` bins of one width from 0 to 1; a probability at an edge belongs below.
    pub fn of(probabilities: &[f32], targets: &[f32], bins: usize) -> Self {
        let edges: Vec<f64> = (1..bins).map(|edge| edge as f64 / bins as f64).collect();
        let mut sums = vec![(0usize, 0.0f64, 0usize); bins];
        let known = (probabilities.iter().zip(targets)).filter(|(_, target)| !target.is_nan());
        for (probability, target) in known.clone() {
            let probability = f64::from(*probability);
            let sum = &mut sums[edges.partition_point(|edge| *edge < probability)];
            sum.0 += 1;
            sum.1 += probability;
            sum.2 += usize::from(*target > 0.5);
        }
        let filled = sums.into_iter().filter(|sum| sum.0 > 0);
        let bins: Vec<Bin> = filled
            .map(|(count, probability, present)| Bin {
                count,
                probability: probability / count as f64,
                present: present as f64 / count as f64,
            })
            .collect();
        let gaps = bins
            .iter()
            .map(|bin| bin.count as f64 * (bin.probability - bin.present).abs());
        let cells = known.count().max(1) as f64;
        Self {
            error: gaps.sum::<f64>() / cells,
            bins,
        }
    }
}
