//! Where the time of training steps goes, for the log: what slows a run down is seen without a profiler.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// A part of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Reading or composing images, transforms, mixing.
    Images,
    /// Forward and backward.
    Network,
    Loss,
    /// Clipping, the optimiser, averages of the weights.
    Optimizer,
}

/// Time by part.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    seconds: [f64; 4],
    since: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            seconds: [0.0; 4],
            since: Instant::now(),
        }
    }
}

impl Pace {
    /// Begins to measure: what came before belongs to no part.
    pub(super) fn begin(&mut self) {
        self.since = Instant::now();
    }

    /// What went by since the last call was this part's.
    pub(super) fn was(&mut self, part: Part) {
        let now = Instant::now();
        self.add(part, now - self.since);
        self.since = now;
    }

    fn add(&mut self, part: Part, time: Duration) {
        self.seconds[part as usize] += time.as_secs_f64();
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: f64 = self.seconds.iter().sum();
        let names = ["images", "network", "loss", "optimizer"];
        for (place, (name, seconds)) in names.into_iter().zip(self.seconds).enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            let share = 100.0 * seconds / all.max(f64::MIN_POSITIVE);
            write!(f, "{comma}{name} {share:.1} %")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        let mut pace = Pace::default();
        assert_eq!(
            pace.to_string(),
            "images 0.0 %, network 0.0 %, loss 0.0 %, optimizer 0.0 %"
        );
        pace.add(Part::Network, Duration::from_millis(750));
        pace.add(Part::Images, Duration::from_millis(50));
        pace.add(Part::Loss, Duration::from_millis(50));
        pace.add(Part::Optimizer, Duration::from_millis(100));
        pace.add(Part::Optimizer, Duration::from_millis(50));
        assert_eq!(
            pace.to_string(),
            "images 5.0 %, network 75.0 %, loss 5.0 %, optimizer 15.0 %"
        );
    }
}
