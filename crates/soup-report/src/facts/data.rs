//! What the images are: how often each label occurs, how many an image has, and whether the folds are
//! alike.

/// Labels of all images of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct DataFacts {
    /// Share of the images that have each label.
    pub shares: Vec<f64>,
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
        let most = folds.iter().max().map_or(0, |fold| fold + 1);
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
            shares,
        }
    }
}

fn shares(targets: &[f32], rows: &[usize], labels: usize) -> Vec<f64> {
    let mut sums = vec![0.0; labels];
    for row in rows {
        for (sum, target) in sums.iter_mut().zip(&targets[row * labels..][..labels]) {
            *sum += f64::from(*target);
        }
    }
    sums.iter()
        .map(|sum| sum / rows.len().max(1) as f64)
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
