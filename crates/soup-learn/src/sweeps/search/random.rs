//! Candidates drawn evenly.

use std::ops::Range;

use soup_random::{Purpose, Stream};

use super::super::space::{Candidate, SweepOption};

/// The candidates of these numbers.
pub(super) fn draw(options: &[SweepOption], numbers: Range<usize>, seed: u64) -> Vec<Candidate> {
    numbers
        .map(|number| {
            let mut stream = Stream::new(seed, Purpose::Sweep, 0, number as u64);
            options
                .iter()
                .map(|option| option.draw(&mut stream))
                .collect()
        })
        .collect()
}
