//! How candidates are found: one file a strategy.

mod grid;
mod random;
mod tpe;

use serde::{Deserialize, Serialize};

use super::space::{Candidate, SweepOption};

/// The section `[search]` of a sweep file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Search {
    /// Every combination of the options' values.
    #[default]
    Grid,
    /// Candidates drawn evenly (Bergstra and Bengio, "Random search for hyper-parameter optimization",
    /// JMLR 2012).
    Random {
        /// Number of candidates.
        count: usize,
        /// Seed of the draws.
        #[serde(default)]
        seed: u64,
    },
    /// Candidates like the better ones among those seen so far (the tree-structured Parzen estimator of
    /// Bergstra et al., "Algorithms for hyper-parameter optimization", NIPS 2011).
    Tpe {
        /// Number of candidates.
        count: usize,
        /// Candidates drawn evenly before the first one that is proposed; none takes a third.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first: Option<usize>,
        /// Candidates that are proposed at a time: as many workers can train at once.
        #[serde(default = "default_together")]
        together: usize,
        /// Seed of the draws.
        #[serde(default)]
        seed: u64,
    },
}

/// Draws for a candidate that is not among those known. TPE proposes in the first half of them: on a few
/// values it would say the best one again and again.
const MOST_DRAWS: u32 = 64;

fn default_together() -> usize {
    4
}

impl Search {
    /// How many candidates there will be.
    pub fn count(&self, options: &[SweepOption]) -> usize {
        match self {
            Self::Grid => grid::count(options),
            Self::Random { count, .. } | Self::Tpe { count, .. } => *count,
        }
    }

    /// The next candidates, given those so far with their scores (larger is better; none for one that
    /// failed); empty when there are enough. A function of its arguments alone.
    pub fn propose(
        &self,
        options: &[SweepOption],
        seen: &[(Candidate, Option<f64>)],
    ) -> Vec<Candidate> {
        let mut known: Vec<Candidate> = seen
            .iter()
            .map(|(candidate, _)| candidate.clone())
            .collect();
        let before = known.len();
        match self {
            Self::Grid if seen.is_empty() => return grid::all(options),
            Self::Grid => {}
            Self::Random { count, seed } => {
                while known.len() < *count {
                    let at = known.len();
                    let new = fresh(&known, |again| random::draw(options, at, *seed, again));
                    known.push(new);
                }
            }
            Self::Tpe {
                count,
                first,
                together,
                seed,
            } => {
                let first = first.unwrap_or(count.div_ceil(3)).clamp(1, (*count).max(1));
                let end = if seen.is_empty() {
                    first
                } else {
                    before + together.max(&1)
                };
                while known.len() < end.min(*count) {
                    let at = known.len();
                    let new = fresh(&known, |again| {
                        match seen.is_empty() || again >= MOST_DRAWS / 2 {
                            true => random::draw(options, at, *seed, again),
                            false => tpe::propose(options, seen, at, *seed, again),
                        }
                    });
                    known.push(new);
                }
            }
        }
        known.split_off(before)
    }
}

/// Draws until the candidate is a new one; in the end, where there are hardly any left, an old one.
fn fresh(known: &[Candidate], draw: impl Fn(u32) -> Candidate) -> Candidate {
    let new = (0..MOST_DRAWS)
        .map(&draw)
        .find(|candidate| !known.contains(candidate));
    new.unwrap_or_else(|| draw(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::super::space::Point;
    use super::*;

    fn options() -> Vec<SweepOption> {
        [
            "key = 'a'\nlow = 0\nhigh = 1",
            "key = 'b'\nvalues = [0, 1, 2, 3]",
        ]
        .map(|text| toml::from_str(text).unwrap())
        .to_vec()
    }

    /// Best at a = .7, b = 2.
    fn score(candidate: &Candidate) -> f64 {
        match candidate[..] {
            [Point::Range(a), Point::Value(b)] => {
                -(a - 0.7).abs() - 0.3 * f64::from(u8::from(b != 2))
            }
            _ => unreachable!("a range and four values"),
        }
    }

    fn best_found(search: &Search) -> f64 {
        let options = options();
        let mut seen = Vec::new();
        loop {
            let next = search.propose(&options, &seen);
            if next.is_empty() {
                break;
            }
            assert_eq!(next, search.propose(&options, &seen));
            seen.extend(next.into_iter().map(|c| (c.clone(), Some(score(&c)))));
        }
        assert_eq!(seen.len(), search.count(&options));
        seen.iter()
            .filter_map(|(_, score)| *score)
            .fold(f64::MIN, f64::max)
    }

    #[test]
    fn a_grid_holds_every_combination_once() {
        let mut all = Search::Grid.propose(&options(), &[]);
        assert_eq!(all.len(), 12);
        all.dedup();
        assert_eq!(all.len(), 12);
        assert_eq!(all[1], [Point::Range(0.0), Point::Value(1)]);
    }

    #[test]
    fn no_candidate_is_drawn_twice_while_there_are_others() {
        let options = &options()[1..];
        for search in [
            Search::Random { count: 4, seed: 3 },
            Search::Tpe {
                count: 4,
                first: Some(2),
                together: 2,
                seed: 3,
            },
        ] {
            let mut seen = Vec::new();
            while seen.len() < 4 {
                let next = search.propose(options, &seen);
                seen.extend(next.into_iter().map(|candidate| (candidate, Some(0.5))));
            }
            let mut values: Vec<_> = seen
                .iter()
                .map(|(candidate, _)| format!("{candidate:?}"))
                .collect();
            values.sort_unstable();
            values.dedup();
            assert_eq!(values.len(), 4, "{seen:?}");
        }
    }

    #[test]
    fn tpe_finds_more_than_chance() {
        let mean = |make: &dyn Fn(u64) -> Search| {
            (0..20).map(|seed| best_found(&make(seed))).sum::<f64>() / 20.0
        };
        let random = mean(&|seed| Search::Random { count: 40, seed });
        let tpe = mean(&|seed| Search::Tpe {
            count: 40,
            first: None,
            together: 4,
            seed,
        });
        assert!(tpe > 0.6 * random, "random {random}, TPE {tpe}");
    }
}
