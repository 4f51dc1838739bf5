//! Which false negative goes with which false positive.

const FEWEST_IMAGES: usize = 5;

/// A false negative and a false positive in the same images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The label that is true and was not predicted, by its column.
    pub false_negative: usize,
    /// The label that was predicted and is not true.
    pub false_positive: usize,
    /// Images with both.
    pub images: usize,
    /// Images that would have both by chance, if the two were independent.
    pub expected: f64,
}

impl Pair {
    /// How far above chance it is, in standard deviations of a count (Poisson's); 0 for fewer than 5
    /// images, which happen with any pair among many.
    pub fn excess(&self) -> f64 {
        if self.images < FEWEST_IMAGES {
            return 0.0;
        }
        (self.images as f64 - self.expected) / self.expected.sqrt()
    }
}

/// In how many images each false negative meets each false positive.
///
/// An image may have several of both, and which stands for which is unknown. A pair that meets far
/// more often than by chance is a confusion.
#[derive(Clone, Debug, PartialEq)]
pub struct Confusion {
    labels: usize,
    images: usize,
    false_negatives: Vec<usize>,
    false_positives: Vec<usize>,
    pairs: Vec<usize>,
}

impl Confusion {
    /// Counts pairs in rows of `labels` answers beside the truth.
    pub fn of(answers: &[bool], targets: &[f32], labels: usize) -> Self {
        let mut all = Self {
            labels,
            images: answers.len() / labels,
            false_negatives: vec![0; labels],
            false_positives: vec![0; labels],
            pairs: vec![0; labels * labels],
        };
        for (answers, targets) in answers
            .chunks_exact(labels)
            .zip(targets.chunks_exact(labels))
        {
            let wrong = |yes: bool| {
                let cells = answers.iter().zip(targets).enumerate();
                cells
                    .filter(move |(_, (answer, target))| {
                        **answer == yes && !target.is_nan() && (**target > 0.5) != yes
                    })
                    .map(|(label, _)| label)
            };
            for false_negative in wrong(false) {
                all.false_negatives[false_negative] += 1;
                for false_positive in wrong(true) {
                    all.pairs[false_negative * labels + false_positive] += 1;
                }
            }
            for false_positive in wrong(true) {
                all.false_positives[false_positive] += 1;
            }
        }
        all
    }

    /// One pair.
    pub fn pair(&self, false_negative: usize, false_positive: usize) -> Pair {
        Pair {
            false_negative,
            false_positive,
            images: self.pairs[false_negative * self.labels + false_positive],
            expected: self.false_negatives[false_negative] as f64
                * self.false_positives[false_positive] as f64
                / self.images.max(1) as f64,
        }
    }

    /// Wrong predictions of a label, both false negatives and false positives.
    pub fn wrong(&self, label: usize) -> usize {
        self.false_negatives[label] + self.false_positives[label]
    }

    /// The pairs that are more than `least` standard deviations above chance, the furthest first.
    pub fn above_chance(&self, least: f64) -> Vec<Pair> {
        let all = (0..self.labels * self.labels)
            .map(|cell| self.pair(cell / self.labels, cell % self.labels));
        let mut pairs: Vec<Pair> = all.filter(|pair| pair.excess() > least).collect();
        pairs.sort_by(|a, b| b.excess().total_cmp(&a.excess()));
        pairs
    }
}
