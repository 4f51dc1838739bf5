//! Every combination.

use super::super::space::{Candidate, SweepOption};

pub(super) fn count(options: &[SweepOption]) -> usize {
    let points = options.iter().map(|option| option.grid().len());
    points.fold(1, usize::saturating_mul)
}

/// All candidates; the last option moves fastest.
pub(super) fn all(options: &[SweepOption]) -> Vec<Candidate> {
    let mut all = vec![Candidate::new()];
    for option in options {
        let points = option.grid();
        all = all
            .iter()
            .flat_map(|begun| {
                points.iter().map(|point| {
                    let mut candidate = begun.clone();
                    candidate.push(*point);
                    candidate
                })
            })
            .collect();
    }
    all
}
