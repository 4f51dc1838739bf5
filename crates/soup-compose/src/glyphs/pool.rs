//! Pools: which glyphs may be drawn.

use std::sync::Arc;

use soup_data::{Error, Result};
use soup_random::{Purpose, Stream};

use super::{Glyph, GlyphId, GlyphSource};

/// A choice of glyphs from one or more sources.
///
/// Labels of the same name are one label of the pool; labels are sorted by name.
#[derive(Clone, Debug)]
pub struct GlyphPool {
    label_names: Vec<String>,
    parts: Vec<Selection>,
}

/// The chosen glyphs of one source.
#[derive(Clone, Debug)]
struct Selection {
    number: u32,
    source: Arc<dyn GlyphSource>,
    /// By label of the pool.
    members: Vec<Members>,
}

/// Glyphs of one label in one source.
#[derive(Clone, Debug)]
enum Members {
    /// Their indices, ascending.
    Listed(Vec<u64>),
    /// Every `stride`-th index from `first` on, `count` of them.
    Regular { first: u64, stride: u64, count: u64 },
}

impl Members {
    fn len(&self) -> u64 {
        match self {
            Self::Listed(indices) => indices.len() as u64,
            Self::Regular { count, .. } => *count,
        }
    }

    fn is_endless(&self) -> bool {
        matches!(self, Self::Regular { .. })
    }

    fn get(&self, at: u64) -> u64 {
        match self {
            Self::Listed(indices) => indices[at as usize],
            Self::Regular { first, stride, .. } => first + at * stride,
        }
    }

    fn contains(&self, index: u64) -> bool {
        match self {
            Self::Listed(indices) => indices.binary_search(&index).is_ok(),
            Self::Regular {
                first,
                stride,
                count,
            } => {
                index >= *first
                    && (index - first).is_multiple_of(*stride)
                    && (index - first) / stride < *count
            }
        }
    }

    /// Disjoint parts of about these shares of the whole, in random order where listed.
    fn split(&self, bounds: &[f64], stream: &mut Stream) -> Vec<Self> {
        let cut = |share: f64| (share * self.len() as f64 + 0.5) as u64;
        let ranges = bounds.windows(2).map(|pair| cut(pair[0])..cut(pair[1]));
        match self {
            Self::Listed(indices) => {
                let mut order = indices.clone();
                stream.shuffle(&mut order);
                ranges
                    .map(|range| {
                        let mut part = order[range.start as usize..range.end as usize].to_vec();
                        part.sort_unstable();
                        Self::Listed(part)
                    })
                    .collect()
            }
            Self::Regular { first, stride, .. } => ranges
                .map(|range| Self::Regular {
                    first: first + range.start * stride,
                    stride: *stride,
                    count: range.end - range.start,
                })
                .collect(),
        }
    }
}

impl GlyphPool {
    /// All glyphs of a source.
    pub fn new(source: Arc<dyn GlyphSource>) -> Self {
        let end = source.len();
        Self::joined(vec![(source, 0..end)])
    }

    /// The glyphs of several sources, of each those with an index in a range. Ranges are cut at
    /// the sources' ends.
    pub fn joined(sources: Vec<(Arc<dyn GlyphSource>, std::ops::Range<u64>)>) -> Self {
        let mut label_names: Vec<String> = sources
            .iter()
            .flat_map(|(source, _)| source.label_names().iter().cloned())
            .collect();
        label_names.sort_unstable();
        label_names.dedup();
        let parts = sources
            .into_iter()
            .zip(0..)
            .map(|((source, range), number)| Selection {
                number,
                members: members(&*source, range, &label_names),
                source,
            })
            .collect();
        Self { label_names, parts }
    }

    /// Names of the labels, sorted.
    pub fn label_names(&self) -> &[String] {
        &self.label_names
    }

    /// Number of glyphs of a label, an index into [`label_names`](Self::label_names).
    pub fn count(&self, label: usize) -> u64 {
        self.parts
            .iter()
            .map(|part| part.members[label].len())
            .sum()
    }

    /// Number of glyphs of all labels.
    pub fn len(&self) -> u64 {
        (0..self.label_names.len())
            .map(|label| self.count(label))
            .sum()
    }

    /// Whether there is no glyph.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the pool may draw this glyph.
    pub fn contains(&self, id: GlyphId) -> bool {
        self.parts
            .iter()
            .filter(|part| part.number == id.part)
            .any(|part| {
                part.members
                    .iter()
                    .any(|members| members.contains(id.index))
            })
    }

    /// A random glyph of a label; `None` where the pool has none.
    ///
    /// Every listed glyph is equally likely. An endless source counts as much as all listed
    /// glyphs together, or the few scanned glyphs would never be seen.
    pub fn draw(&self, label: usize, stream: &mut Stream) -> Option<Glyph> {
        let total = |endless: bool| -> u64 {
            self.parts
                .iter()
                .map(|part| part.members.get(label))
                .filter_map(|members| members.filter(|members| members.is_endless() == endless))
                .map(Members::len)
                .sum()
        };
        let endless = match (total(false), total(true)) {
            (0, 0) => return None,
            (0, _) => true,
            (_, 0) => false,
            _ => stream.chance(0.5),
        };
        // Bias is below 2^-20 for any number of glyphs that fits the multiplication.
        let mut ticket =
            ((u128::from(stream.next_u64()) * u128::from(total(endless))) >> 64) as u64;
        for part in &self.parts {
            let members = &part.members[label];
            if members.is_endless() != endless {
                continue;
            }
            if ticket < members.len() {
                let index = members.get(ticket);
                return Some(Glyph {
                    label,
                    id: GlyphId {
                        part: part.number,
                        index,
                    },
                    shape: part.source.shape(index),
                });
            }
            ticket -= members.len();
        }
        None
    }

    /// Splits the pool by glyph: pools of the given shares (which add up to at most 1), label by
    /// label, so that no glyph is in two of them.
    ///
    /// # Errors
    /// [`Error::Setting`] where a share is not between 0 and 1 or they add up to more than 1.
    pub fn split(&self, shares: &[f64], seed: u64) -> Result<Vec<Self>> {
        let mut bounds = vec![0.0];
        let mut sum = 0.0;
        for &share in shares {
            sum += share;
            if !(0.0..=1.0).contains(&share) || sum > 1.0 + 1e-9 {
                let problem = format!(
                    "{shares:?} are no shares of a pool; each must be between 0 and 1, and \
                     together they must be at most 1"
                );
                return Err(Error::setting("shares", problem));
            }
            bounds.push(sum.min(1.0));
        }
        let mut pools = vec![
            Self {
                label_names: self.label_names.clone(),
                parts: Vec::new(),
            };
            shares.len()
        ];
        for part in &self.parts {
            let mut shared = vec![Vec::new(); shares.len()];
            for (members, label) in part.members.iter().zip(0..) {
                let mut stream = Stream::new(seed, Purpose::Split, part.number, label);
                for (into, piece) in shared.iter_mut().zip(members.split(&bounds, &mut stream)) {
                    into.push(piece);
                }
            }
            for (pool, members) in pools.iter_mut().zip(shared) {
                pool.parts.push(Selection {
                    number: part.number,
                    source: Arc::clone(&part.source),
                    members,
                });
            }
        }
        Ok(pools)
    }
}

/// The members of a source within a range, by label of the pool.
fn members(
    source: &dyn GlyphSource,
    range: std::ops::Range<u64>,
    label_names: &[String],
) -> Vec<Members> {
    let names = source.label_names();
    let end = range.end.min(source.len());
    let to_pool: Vec<usize> = names
        .iter()
        .map(|name| label_names.partition_point(|other| other < name))
        .collect();
    let mut members = vec![Members::Listed(Vec::new()); label_names.len()];
    if source.is_endless() {
        let stride = names.len() as u64;
        for (label, &at) in (0..stride).zip(&to_pool) {
            let rounds = |end: u64| (end + stride - 1 - label) / stride;
            let skipped = rounds(range.start.min(end));
            members[at] = Members::Regular {
                first: label + skipped * stride,
                stride,
                count: rounds(end) - skipped,
            };
        }
    } else {
        for index in range.start..end {
            if let Members::Listed(indices) = &mut members[to_pool[source.label(index)]] {
                indices.push(index);
            }
        }
    }
    members
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::glyphs::{Ink, Shape, strokes::Strokes};

    /// Twelve glyphs of the labels `b`, `a`, `b`, `a`, ...
    #[derive(Debug)]
    struct Few(Vec<String>);

    impl GlyphSource for Few {
        fn len(&self) -> u64 {
            12
        }
        fn label_names(&self) -> &[String] {
            &self.0
        }
        fn label(&self, index: u64) -> usize {
            (index % 2) as usize
        }
        fn shape(&self, _: u64) -> Shape {
            Shape::Ink(Ink::new(1, &[255]))
        }
    }

    fn few() -> Arc<dyn GlyphSource> {
        Arc::new(Few(vec!["b".into(), "a".into()]))
    }

    #[test]
    fn pools_of_a_split_share_no_glyph_and_lose_none() {
        let strokes: Arc<dyn GlyphSource> = Arc::new(Strokes::new(0));
        let pool = GlyphPool::joined(vec![(few(), 0..12), (strokes, 0..26_000)]);
        let pools = pool.split(&[0.5, 0.25, 0.25], 7).unwrap();
        let mut seen = 0;
        for part in 0..2 {
            for index in 0..[12, 26_000][part as usize] {
                let id = GlyphId { part, index };
                assert_eq!(pools.iter().filter(|pool| pool.contains(id)).count(), 1);
                seen += 1;
            }
        }
        assert_eq!(pools.iter().map(GlyphPool::len).sum::<u64>(), seen);
        assert_eq!(pools[0].count(3), 500);
        // What is drawn from a pool is in it and in no other.
        let mut stream = Stream::new(1, Purpose::Compose, 0, 0);
        for at in 0..3 {
            for label in 0..26 {
                for _ in 0..20 {
                    let glyph = pools[at].draw(label, &mut stream).unwrap();
                    assert_eq!(glyph.label, label);
                    for (other, pool) in pools.iter().enumerate() {
                        assert_eq!(pool.contains(glyph.id), other == at, "{}", glyph.id);
                    }
                }
            }
        }
    }

    #[test]
    fn ranges_choose_glyphs_and_labels_are_merged_by_name() {
        let pool = GlyphPool::joined(vec![(few(), 3..8), (few(), 10..99)]);
        assert_eq!(pool.label_names(), ["a", "b"]);
        // Indices 3, 5, 7 and 11 are `a`; 4, 6 and 10 are `b`.
        assert_eq!((pool.count(0), pool.count(1)), (4, 3));
        assert!(pool.contains(GlyphId { part: 0, index: 7 }));
        assert!(!pool.contains(GlyphId { part: 0, index: 8 }));
        assert!(!pool.contains(GlyphId { part: 2, index: 5 }));

        let strokes: Arc<dyn GlyphSource> = Arc::new(Strokes::new(0));
        let pool = GlyphPool::joined(vec![(strokes, 30..83)]);
        for index in 0..200 {
            let inside = pool.contains(GlyphId { part: 0, index });
            assert_eq!(inside, (30..83).contains(&index), "{index}");
        }
        assert_eq!((pool.count(4), pool.count(3)), (3, 2));
    }

    #[test]
    fn an_endless_source_is_drawn_half_of_the_time() {
        let strokes: Arc<dyn GlyphSource> = Arc::new(Strokes::new(0));
        let pool = GlyphPool::joined(vec![(few(), 0..12), (strokes, 0..u64::MAX)]);
        let mut stream = Stream::new(1, Purpose::Compose, 0, 0);
        let listed = (0..1000).filter(|_| pool.draw(0, &mut stream).unwrap().id.part == 0);
        assert!((430..570).contains(&listed.count()));
        // The sources have no `z` but the strokes.
        assert_eq!(pool.draw(25, &mut stream).unwrap().id.part, 1);
        assert!(GlyphPool::new(few()).draw(2, &mut stream).is_none());
    }

    #[test]
    fn shares_above_the_whole_are_refused() {
        let pool = GlyphPool::new(few());
        for shares in [&[0.6, 0.6][..], &[-0.1], &[f64::NAN]] {
            let error = pool.split(shares, 0).unwrap_err().to_string();
            assert!(error.contains("at most 1"), "{error}");
        }
    }
}
