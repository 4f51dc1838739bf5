//! Cross-fitting: nothing is scored on the images that it was fitted on.

use std::collections::BTreeSet;

use soup_random::{Purpose, Stream};

/// Keeps these draws apart from those of folds with the same seed.
const CROSS_FIT: u32 = 1;

/// The parts of cross-fitting: each is scored by what was fitted on all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    of_rows: Vec<u32>,
    parts: Vec<u32>,
}

impl Parts {
    /// As many parts as [`drawn`](Self::drawn) makes by custom.
    pub const DRAWN: u32 = 5;

    /// `parts` (2 or more) equal parts, assigned at random.
    pub fn drawn(rows: usize, parts: u32, seed: u64) -> Self {
        let mut of_rows: Vec<u32> = (0..parts.max(2)).cycle().take(rows).collect();
        Stream::new(seed, Purpose::Split, CROSS_FIT, 0).shuffle(&mut of_rows);
        Self::of(of_rows)
    }

    /// The folds that the images were held out by, so that groups that were kept together stay
    /// together; drawn parts where there is only one fold.
    pub fn of_folds(folds: &[u32]) -> Self {
        let own = Self::of(folds.to_vec());
        if own.parts.len() > 1 {
            own
        } else {
            Self::drawn(folds.len(), Self::DRAWN, 0)
        }
    }

    fn of(of_rows: Vec<u32>) -> Self {
        let parts: BTreeSet<u32> = of_rows.iter().copied().collect();
        Self {
            parts: parts.into_iter().collect(),
            of_rows,
        }
    }

    /// Number of parts.
    pub fn count(&self) -> usize {
        self.parts.len()
    }

    /// For each part, its rows and those of all others.
    pub(crate) fn in_turn(&self) -> impl Iterator<Item = (Vec<usize>, Vec<usize>)> {
        self.parts
            .iter()
            .map(|part| (0..self.of_rows.len()).partition(|row| self.of_rows[*row] == *part))
    }
}
