//! Which missed label goes with which false one.

const FEWEST_IMAGES: usize = 5;

/// A missed label and a false one in the same images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The label that is there and was not told, by its column.
    pub missed: usize,
    /// The label that was told and is not there.
    pub told: usize,
    /// Images with both.
    pub images: usize,
    /// Images that would have both by chance, if misses and false answers met at random.
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

/// In how many images each missed label meets each false one.
///
/// Several labels may be missed in an image, and others told in their place; nobody knows which stands
/// for which. A pair that meets far more often than its parts would by chance is a confusion.
#[derive(Clone, Debug, PartialEq)]
pub struct Confusion {
    labels: usize,
    images: usize,
    missed: Vec<usize>,
    told: Vec<usize>,
    pairs: Vec<usize>,
}

impl Confusion {
    /// Counts pairs in rows of `labels` answers beside the truth.
    pub fn of(answers: &[bool], targets: &[f32], labels: usize) -> Self {
        let mut all = Self {
            labels,
            images: answers.len() / labels,
            missed: vec![0; labels],
            told: vec![0; labels],
            pairs: vec![0; labels * labels],
        };
        for (answers, targets) in answers
            .chunks_exact(labels)
            .zip(targets.chunks_exact(labels))
        {
            let wrong = |told: bool| {
                let cells = answers.iter().zip(targets).enumerate();
                cells
                    .filter(move |(_, (answer, target))| {
                        **answer == told && (**target > 0.5) != told
                    })
                    .map(|(label, _)| label)
            };
            for missed in wrong(false) {
                all.missed[missed] += 1;
                for told in wrong(true) {
                    all.pairs[missed * labels + told] += 1;
                }
            }
            for told in wrong(true) {
                all.told[told] += 1;
            }
        }
        all
    }

    /// One pair.
    pub fn pair(&self, missed: usize, told: usize) -> Pair {
        Pair {
            missed,
            told,
            images: self.pairs[missed * self.labels + told],
            expected: self.missed[missed] as f64 * self.told[told] as f64
                / self.images.max(1) as f64,
        }
    }

    /// Wrong answers for a label, missed and false.
    pub fn wrong(&self, label: usize) -> usize {
        self.missed[label] + self.told[label]
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
