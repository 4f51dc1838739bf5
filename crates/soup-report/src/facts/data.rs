//! What the images are: how often each label occurs, how many an image has, and whether the folds are
//! alike.

/// Labels of all images of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct DataFacts {
    /// Share of the images that have each label, of those of which that is known.
    pub shares: Vec<f64>,
    /// Labels of images of which nobody knows.
    pub unknown: usize,
    /// The folds, in order.
    pub folds: Vec<FoldFacts>,
}

/// The images that a fold holds out.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldFacts {
    /// Its number.
    pub fold: u32,
    /// Its images.
    pub images: usize,
    /// Labels an image, the mean.
    pub labels_each: f64,
    /// The label whose share differs most from that of all images, by its column, and by how much;
    /// none without a label.
    pub furthest: Option<(usize, f64)>,
}

impl DataFacts {
    /// Of rows of `labels` targets, each in the fold beside it.
    pub fn of(targets: &[f32], folds: &[u32], labels: usize) -> Self {
        let rows: Vec<usize> = (0..folds.len()).collect();
        let shares = shares(targets, &rows, labels);
        // Images that no fold holds out are past all folds.
        let held_out = folds.iter().filter(|fold| **fold != u32::MAX);
        let most = held_out.max().map_or(0, |fold| fold + 1);
        let folds = (0..most).map(|fold| {
            let own: Vec<usize> = (rows.iter().copied())
                .filter(|row| folds[*row] == fold)
                .collect();
            let means = self::shares(targets, &own, labels);
            let apart = means
                .iter()
                .zip(&shares)
                .map(|(own, all)| own - all)
                .enumerate();
            FoldFacts {
                fold,
                images: own.len(),
                labels_each: means.iter().sum(),
                furthest: apart.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())),
            }
        });
        Self {
            folds: folds.collect(),
            unknown: targets.iter().filter(|target| target.is_nan()).count(),
            shares,
        }
    }
}

fn shares(targets: &[f32], rows: &[usize], labels: usize) -> Vec<f64> {
    let mut sums = vec![(0.0, 0usize); labels];
    for row in rows {
        for (sum, target) in sums.iter_mut().zip(&targets[row * labels..][..labels]) {
            if !target.is_nan() {
                sum.0 += f64::from(*target);
                sum.1 += 1;
            }
        }
    }
    sums.iter()
        .map(|(sum, known)| sum / (*known).max(1) as f64)
        .collect()
}

/// How many images have 0, 1, ... labels: `labels + 1` counts.
pub fn label_counts(present: impl Iterator<Item = bool>, labels: usize) -> Vec<usize> {
    let mut counts = vec![0; labels + 1];
    let (mut seen, mut found) = (0, 0);
    for cell in present {
        found += usize::from(cell);
        seen += 1;
        if seen == labels {
            counts[found] += 1;
            (seen, found) = (0, 0);
        }
    }
    counts
}
