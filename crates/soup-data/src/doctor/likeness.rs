//! Images that are there twice, whole or nearly.

use std::collections::BTreeMap;
use std::thread;

use super::fingerprints::{Fingerprint, Fingerprints};
use super::{Finding, Inputs, Verdict, counted};
use crate::dataset::UNKNOWN;

/// Most of the 240 difference bits that two similar images may have apart. Measured: of two million
/// pairs of handwritten letters none had fewer than 59 apart, of pairs of noisy images of the
/// founding task none fewer than 87; JPEG at quality 10 moves 19 bits of such an image, a shift by a
/// pixel 26.
const MOST_BITS: u32 = 48;
/// Least correlation of their thumbnails: the same pairs of letters reached .947, noisy images .57;
/// JPEG at quality 10 keeps .99, a shift by a pixel .985.
const LEAST_CORRELATION: f32 = 0.95;

/// Pairs of images that are equal or similar, by their places, the earlier one first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Likeness {
    /// Each image that is there again, with its first copy.
    pub equal: Vec<(usize, usize)>,
    /// Pairs of different images that look alike (recompressed, brightened, resized).
    pub similar: Vec<(usize, usize)>,
}

impl Likeness {
    /// Compares every image with every other: a second for 30,000 images, growing with the
    /// square.
    pub fn of(fingerprints: &Fingerprints) -> Self {
        let all = &fingerprints.images;
        let mut first: BTreeMap<u128, usize> = BTreeMap::new();
        let mut equal = Vec::new();
        for (place, fingerprint) in all.iter().enumerate() {
            match first.get(&fingerprint.pixels) {
                Some(earlier) => equal.push((*earlier, place)),
                None => {
                    first.insert(fingerprint.pixels, place);
                }
            }
        }
        // One copy of each is compared with the others.
        let mut places: Vec<usize> = first.into_values().collect();
        places.sort_unstable();
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let places = &places;
        let mut similar: Vec<(usize, usize)> = thread::scope(|scope| {
            let parts: Vec<_> = (0..threads)
                .map(|part| {
                    scope.spawn(move || {
                        let own = places.iter().enumerate().skip(part).step_by(threads);
                        own.flat_map(|(at, place)| {
                            let rest = places[at + 1..].iter();
                            let pairs = rest.map(move |other| (*place, *other));
                            pairs.filter(move |(a, b)| are_similar(&all[*a], &all[*b]))
                        })
                        .collect::<Vec<_>>()
                    })
                })
                .collect();
            // A part that panicked is a bug of ours, and stays one here.
            let join = |part: thread::ScopedJoinHandle<'_, Vec<_>>| {
                part.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            parts.into_iter().flat_map(join).collect()
        });
        similar.sort_unstable();
        Self { equal, similar }
    }
}

fn are_similar(a: &Fingerprint, b: &Fingerprint) -> bool {
    let apart: u32 = (a.differences.iter().zip(b.differences))
        .map(|(a, b)| (a ^ b).count_ones())
        .sum();
    if apart > MOST_BITS || a.thumbnail.is_empty() || b.thumbnail.is_empty() {
        return false;
    }
    let correlation: f32 = (a.thumbnail.iter().zip(&b.thumbnail))
        .map(|(a, b)| a * b)
        .sum();
    correlation >= LEAST_CORRELATION
}

/// For each of `images` the place of the first one that it is equal or similar to, directly or
/// through others: groups that belong in one fold.
pub fn groups(likeness: &Likeness, images: usize) -> Vec<usize> {
    let mut parents: Vec<usize> = (0..images).collect();
    fn root(parents: &mut [usize], mut place: usize) -> usize {
        while parents[place] != place {
            parents[place] = parents[parents[place]];
            place = parents[place];
        }
        place
    }
    for (a, b) in likeness.equal.iter().chain(&likeness.similar) {
        let [a, b] = [*a, *b].map(|place| root(&mut parents, place));
        // The earlier one stays the first.
        parents[a.max(b)] = a.min(b);
    }
    (0..images).map(|place| root(&mut parents, place)).collect()
}

/// Equal images, similar ones, those of them in several folds, and those with other labels.
pub(super) fn findings(inputs: &Inputs<'_>, likeness: Option<&Likeness>) -> Vec<Finding> {
    const EQUAL: &str = "equal images";
    const SIMILAR: &str = "similar images";
    const CONTRADICTIONS: &str = "contradicting images";
    let Some(likeness) = likeness else {
        let why = "there are no images, only their table";
        return [EQUAL, SIMILAR, CONTRADICTIONS]
            .map(|check| Finding::skipped(check, why))
            .to_vec();
    };
    let table = inputs.table;
    let name = |(a, b): &(usize, usize)| format!("`{}` and `{}`", table.ids()[*a], table.ids()[*b]);
    let apart = |pair: &&(usize, usize)| {
        (inputs.folds).is_some_and(|folds| folds.of_rows()[pair.0] != folds.of_rows()[pair.1])
    };
    let kind = |check, pairs: &[(usize, usize)], what: &str| {
        if pairs.is_empty() {
            return Finding::fine(check, format!("no two images {what}"));
        }
        let leaks: Vec<_> = pairs.iter().filter(apart).collect();
        let found = counted(pairs.len(), "pair");
        let advice = "keep them together: soup doctor --groups groups.csv writes which belong together, \
                      soup folds --kind group --group group --groups groups.csv cuts folds so";
        if inputs.folds.is_some() && leaks.is_empty() {
            return Finding::fine(
                check,
                format!("{found} of images {what}, none of them parted by the folds"),
            );
        }
        if leaks.is_empty() {
            let message = format!("{found} of images {what}: folds by image would part them");
            return Finding::bad(
                check,
                Verdict::Warning,
                message,
                advice,
                pairs.iter().map(name),
            );
        }
        let message = format!(
            "{found} of images {what}, {} of them parted by the folds: the held-out one was \
             trained on",
            leaks.len()
        );
        Finding::bad(
            check,
            Verdict::Problem,
            message,
            advice,
            leaks.into_iter().map(name),
        )
    };
    // What nobody knows contradicts nothing.
    let differ = |one: usize, other: usize, label: usize| {
        let of = |row| table.labels(row).map_or(UNKNOWN, |labels| labels[label]);
        let (one, other) = (of(one), of(other));
        one != other && one != UNKNOWN && other != UNKNOWN
    };
    let labels = table.label_names().len();
    let contradictions: Vec<_> = (likeness.equal.iter())
        .filter(|(a, b)| (0..labels).any(|label| differ(*a, *b, label)))
        .collect();
    let contradiction = if contradictions.is_empty() {
        Finding::fine(CONTRADICTIONS, "equal images have equal labels")
    } else {
        Finding::bad(
            CONTRADICTIONS,
            Verdict::Problem,
            format!(
                "{} of equal images have other labels: one of the two is wrong",
                counted(contradictions.len(), "pair")
            ),
            "check them and correct the table of labels, or leave both out",
            contradictions.into_iter().map(|(a, b)| {
                let differing = (table.label_names().iter().enumerate())
                    .filter(|(label, _)| differ(*a, *b, *label))
                    .map(|(_, name)| name.as_str());
                let differing: Vec<_> = differing.take(3).collect();
                format!("{}: {}", name(&(*a, *b)), differing.join(", "))
            }),
        )
    };
    vec![
        kind(EQUAL, &likeness.equal, "are equal, pixel by pixel"),
        kind(SIMILAR, &likeness.similar, "look alike"),
        contradiction,
    ]
}
