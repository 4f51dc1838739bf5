//! Whether grey levels hold more information than a few quantisation bins.
//!
//! Where noise is added and clipped, the levels of a bin are alike: the content of the image decides how often the bin
//! occurs, not which of its levels. Its levels then have the same neighbours, and a quantized image holds as much for a
//! network as the levels do, without the noise.
//!
//! So levels are joined into the fewest bins that keep the mutual information of a level and the pixels beside it (Tishby,
//! Pereira and Bialek, "The information bottleneck method", 1999). Dynamic programming finds the best edges for each
//! number of bins (Kurkoski and Yagi, "Quantization of binary-input discrete memoryless channels", IEEE Trans. Inf. Theory
//! 2014). The bias of the estimate is taken off (Miller, "Note on the bias of information estimates", 1955).

use super::{Finding, Fingerprints, Inputs};
use crate::ImageShape;

/// Grey levels.
const LEVELS: usize = 256;
/// Most images that are read.
const IMAGES: u64 = 1000;
/// Most bins: with more, the levels are a scale.
const MOST: usize = 8;
/// Share of the information that bins must keep.
const KEPT: f64 = 0.99;
/// Groups of neighbouring levels, each of about as many pixels.
const NEIGHBOURS: usize = 64;

/// How often each grey level stands beside each other one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Levels {
    /// `LEVELS` rows of `LEVELS`; empty where images are not grey.
    pairs: Vec<u64>,
}

impl Levels {
    /// Before the first image.
    pub(super) fn new(shape: ImageShape) -> Self {
        let grey = shape.channels == 1 && !shape.is_empty();
        Self {
            pairs: vec![0; if grey { LEVELS * LEVELS } else { 0 }],
        }
    }

    /// Whether this one of `count` images is in the evenly spread sample.
    pub(super) fn samples(index: u64, count: u64) -> bool {
        index.is_multiple_of(count.div_ceil(IMAGES).max(1))
    }

    pub(super) fn add(&mut self, pixels: &[u8], shape: ImageShape) {
        if self.pairs.is_empty() {
            return;
        }
        let mut add = |a: u8, b: u8| self.pairs[usize::from(a) * LEVELS + usize::from(b)] += 1;
        let rows = pixels.chunks_exact(shape.width);
        for (row, below) in rows.clone().zip(rows.clone().skip(1)) {
            row.iter().zip(below).for_each(|(&a, &b)| add(a, b));
        }
        for row in rows {
            row.windows(2).for_each(|pair| add(pair[0], pair[1]));
        }
    }

    pub(super) fn join(&mut self, other: &Self) {
        let both = self.pairs.iter_mut().zip(&other.pairs);
        both.for_each(|(sum, n)| *sum += n);
    }

    /// The fewest bins that keep the information of the levels, or else the best `MOST`. `None` where levels hold none.
    fn bins(&self) -> Option<Bins> {
        let counts = PairCounts::new(&self.pairs);
        let levels = counts.information(&(0..LEVELS).collect::<Vec<_>>())?;
        let cuts = counts.segments();
        let information: Vec<f64> = (cuts.iter())
            .map(|starts| counts.information(starts).unwrap_or(0.0))
            .collect();
        // With few images, few bins may hold more than all levels once the bias is taken off.
        let most = information.iter().copied().fold(levels, f64::max);
        let bins = cuts
            .into_iter()
            .zip(information)
            .map(|(starts, information)| Bins {
                starts,
                kept: information / most,
            });
        bins.reduce(|fewer, more| if fewer.kept >= KEPT { fewer } else { more })
    }
}

/// Levels joined into bins.
#[derive(Clone, Debug, PartialEq)]
struct Bins {
    /// The first level of each.
    starts: Vec<usize>,
    /// Share of the information of the levels that they keep.
    kept: f64,
}

impl Bins {
    fn names(&self) -> String {
        let ends = (self.starts.iter().skip(1)).chain(std::iter::once(&LEVELS));
        let names: Vec<String> = (self.starts.iter().zip(ends))
            .map(|(start, end)| match end - 1 {
                last if last == *start => start.to_string(),
                last => format!("{start}-{last}"),
            })
            .collect();
        match names.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
            _ => names.join(""),
        }
    }
}

/// How often levels stand beside groups of neighbours, cumulated over the levels below each.
struct PairCounts {
    below: Vec<[f64; NEIGHBOURS]>,
    /// Pairs of pixels.
    pairs: f64,
}

impl PairCounts {
    fn new(pairs: &[u64]) -> Self {
        let beside = |a: usize, b: usize| (pairs[a * LEVELS + b] + pairs[b * LEVELS + a]) as f64;
        let all: f64 = pairs.iter().sum::<u64>() as f64;
        let mut groups = [0; LEVELS];
        let mut before = 0.0;
        for (level, group) in groups.iter_mut().enumerate() {
            *group = ((before / (2.0 * all) * NEIGHBOURS as f64) as usize).min(NEIGHBOURS - 1);
            before += (0..LEVELS).map(|other| beside(level, other)).sum::<f64>();
        }
        let mut below = vec![[0.0; NEIGHBOURS]; LEVELS + 1];
        for level in 0..LEVELS {
            below[level + 1] = below[level];
            for other in 0..LEVELS {
                below[level + 1][groups[other]] += beside(level, other);
            }
        }
        Self { below, pairs: all }
    }

    /// Neighbours of the levels from `start` to before `end`.
    fn bin(&self, start: usize, end: usize) -> [f64; NEIGHBOURS] {
        let mut counts = self.below[end];
        let less = self.below[start];
        counts.iter_mut().zip(less).for_each(|(n, less)| *n -= less);
        counts
    }

    /// Log likelihood of the neighbours of a bin by its own shares of them.
    fn likelihood(&self, start: usize, end: usize) -> f64 {
        let counts = self.bin(start, end);
        counts.into_iter().map(entropic).sum::<f64>() - entropic(counts.iter().sum())
    }

    /// Mutual information of the bins and the pixels beside them, in nats a pair, less its bias. `None` where it is no
    /// more than the bias.
    fn information(&self, starts: &[usize]) -> Option<f64> {
        let ends = (starts.iter().skip(1).copied()).chain(std::iter::once(LEVELS));
        let bins = starts.iter().copied().zip(ends);
        let nonzero = |counts: &[f64]| counts.iter().filter(|n| **n > 0.0).count();
        let (mut information, mut used) = (-self.likelihood(0, LEVELS), 0);
        for (start, end) in bins {
            information += self.likelihood(start, end);
            used += usize::from(nonzero(&self.bin(start, end)) > 0);
        }
        let groups = nonzero(&self.below[LEVELS]);
        let free = (used.max(1) - 1) * (groups.max(1) - 1);
        // Each pair is counted from both sides.
        let (information, chance) = (
            information / (2.0 * self.pairs),
            free as f64 / (2.0 * self.pairs),
        );
        (information > 2.0 * chance).then_some(information - chance)
    }

    /// The edges that keep most information, for 1 to `MOST` bins.
    fn segments(&self) -> Vec<Vec<usize>> {
        let of = |end: usize| (0..end).map(move |start| self.likelihood(start, end));
        let likelihood: Vec<Vec<f64>> = (0..=LEVELS).map(|end| of(end).collect()).collect();
        // Likelihood of the levels below each end in so many bins, and where the last bin begins.
        let mut best: Vec<f64> = (0..=LEVELS)
            .map(|end| if end == 0 { 0.0 } else { f64::NEG_INFINITY })
            .collect();
        let mut last: Vec<Vec<usize>> = Vec::new();
        for _ in 0..MOST {
            let choose = |end: usize| {
                let sums = (0..end).map(|start| (best[start] + likelihood[end][start], start));
                sums.fold((f64::NEG_INFINITY, 0), |most, sum| {
                    if sum.0 > most.0 { sum } else { most }
                })
            };
            let chosen: Vec<(f64, usize)> = (0..=LEVELS).map(choose).collect();
            best = chosen.iter().map(|(sum, _)| *sum).collect();
            last.push(chosen.into_iter().map(|(_, start)| start).collect());
        }
        let starts = |bins: usize| {
            let mut end = LEVELS;
            let mut starts: Vec<usize> = (last[..bins].iter().rev())
                .map(|last| {
                    end = last[end];
                    end
                })
                .collect();
            starts.reverse();
            starts
        };
        (1..=MOST).map(starts).collect()
    }
}

/// `n ln n`.
fn entropic(n: f64) -> f64 {
    if n > 0.0 { n * n.ln() } else { 0.0 }
}

/// Whether grey levels are noise within a few bins.
pub(super) fn finding(inputs: &Inputs<'_>) -> Finding {
    const CHECK: &str = "grey levels";
    let Some(Fingerprints { levels, .. }) = inputs.fingerprints else {
        return Finding::skipped(CHECK, "there are no images to read");
    };
    if levels.pairs.is_empty() {
        return Finding::skipped(CHECK, "only those of grey images are checked");
    }
    let Some(bins) = levels.bins() else {
        return Finding::fine(
            CHECK,
            "pixels say next to nothing about the pixels beside them",
        );
    };
    let kept = 100.0 * bins.kept;
    if bins.kept < KEPT {
        return Finding::fine(
            CHECK,
            format!(
                "they are a scale: {MOST} bins would keep {kept:.0} % of what they say about the pixels beside them"
            ),
        );
    }
    Finding {
        advice: Some(format!(
            "transforms=[{{kind='quantize', edges={:?}}}, {{kind='normalize', mean=[0.5], std=[0.5]}}] shows a network the \
             bins without the noise",
            bins.starts
        )),
        ..Finding::fine(
            CHECK,
            format!(
                "all that they say about the pixels beside them ({kept:.1} %) is their bin: {}",
                bins.names()
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Pairs of levels drawn by a rule of no meaning, so that every level has other neighbours.
    fn odd_pairs(levels: &[usize]) -> Vec<u64> {
        let mut pairs = vec![0; LEVELS * LEVELS];
        for (i, &a) in levels.iter().enumerate() {
            for (j, &b) in levels.iter().enumerate() {
                pairs[a * LEVELS + b] =
                    1000 + ((i * 7919 + j * 104_729 + i * i * j * 31) % 997) as u64 * 9;
            }
        }
        pairs
    }

    #[test]
    fn bins_are_the_best_of_all() {
        let levels = [0, 9, 60, 61, 130, 199, 255];
        let counts = PairCounts::new(&odd_pairs(&levels));
        let likelihood = |starts: &[usize]| {
            let ends = starts.iter().skip(1).copied().chain([LEVELS]);
            let bins = starts.iter().copied().zip(ends);
            bins.map(|(start, end)| counts.likelihood(start, end))
                .sum::<f64>()
        };
        let found = counts.segments();
        let mut best = [f64::NEG_INFINITY; MOST];
        // Bins begin at any of the levels that there are but the first.
        for chosen in 0..1_u32 << (levels.len() - 1) {
            let mut starts = vec![0];
            starts.extend(
                (1..levels.len())
                    .filter(|i| chosen >> (i - 1) & 1 == 1)
                    .map(|i| levels[i]),
            );
            let best = &mut best[starts.len() - 1];
            *best = best.max(likelihood(&starts));
        }
        for (bins, best) in best.iter().enumerate().take(levels.len()) {
            let found = likelihood(&found[bins]);
            assert!(
                (found - best).abs() <= 1e-9 * best.abs(),
                "{bins}: {found} {best}"
            );
        }
    }

    #[test]
    fn information_is_that_of_the_definition() {
        // Two levels that always stand beside themselves hold all of each other's information: ln 2 nats, less 1 in 2n by chance.
        let mut pairs = vec![0; LEVELS * LEVELS];
        pairs[10 * LEVELS + 10] = 500;
        pairs[90 * LEVELS + 90] = 500;
        let information = PairCounts::new(&pairs).information(&[0, 50]).unwrap();
        assert!(
            (information - (2f64.ln() - 1.0 / 2000.0)).abs() < 1e-12,
            "{information}"
        );
        let same = PairCounts::new(&vec![3; LEVELS * LEVELS]);
        assert_eq!(same.information(&[0, 50]), None);
        assert_eq!(
            Levels {
                pairs: vec![0; LEVELS * LEVELS]
            }
            .bins(),
            None
        );
    }
}
