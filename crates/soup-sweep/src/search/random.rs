//! Candidates drawn evenly.

use soup_random::{Purpose, Stream};

use super::super::space::{Candidate, SweepOption};

/// The candidate number `at`, in the draw number `again`.
pub(super) fn draw(options: &[SweepOption], at: usize, seed: u64, again: u32) -> Candidate {
    let mut stream = Stream::new(seed, Purpose::Sweep, 2 * again, at as u64);
    options
        .iter()
        .map(|option| option.draw(&mut stream))
        .collect()
}
