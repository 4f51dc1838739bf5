//! Small descriptions of images by which equal and similar ones are found.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use twox_hash::xxhash3_128::Hasher;

use super::levels::Levels;
use crate::{Error, ImageShape, Result, Source};

/// Side of the thumbnail that likeness is measured on.
pub(super) const SIDE: usize = 16;

/// One image.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fingerprint {
    /// Hash of the pixels, that of a pack's manifest.
    pub(super) pixels: u128,
    /// A difference hash (Krawetz, "Kind of like that", 2013) of the thumbnail: whether each cell is
    /// darker than its right neighbour.
    pub(super) differences: [u64; 4],
    /// The thumbnail, its mean 0 and its length 1; empty where the image is flat.
    pub(super) thumbnail: Vec<f32>,
}

/// Fingerprints of all images, in their order, and how grey levels stand beside each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Fingerprints {
    pub(super) images: Vec<Fingerprint>,
    pub(super) levels: Levels,
}

impl Fingerprints {
    /// Reads every image once, on all cores. `note` gets how many are done, from any thread.
    ///
    /// # Errors
    /// The first image, in their order, that cannot be read; [`Error::Interrupted`] where `stop`
    /// was raised.
    pub fn take(
        examples: &dyn Source,
        note: &(dyn Fn(u64) + Sync),
        stop: &AtomicBool,
    ) -> Result<Self> {
        let (count, shape) = (examples.len(), examples.shape());
        let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
        let failure: Mutex<Option<(u64, Error)>> = Mutex::new(None);
        let work = || {
            let (mut found, mut levels) = (Vec::new(), Levels::new(shape));
            let mut pixels = vec![0; shape.len()];
            let mut labels = vec![0.0; examples.label_names().len()];
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count || stop.load(Ordering::Relaxed) {
                    return (found, levels);
                }
                if let Err(error) = examples.read(index, &mut pixels, &mut labels) {
                    let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                    if failure.as_ref().is_none_or(|(first, _)| index < *first) {
                        *failure = Some((index, error));
                    }
                    return (found, levels);
                }
                found.push((index, Fingerprint::of(&pixels, shape)));
                if Levels::samples(index, count) {
                    levels.add(&pixels, shape);
                }
                note(done.fetch_add(1, Ordering::Relaxed) + 1);
            }
        };
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let kept = thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let kept: thread::Result<Vec<_>> =
                threads.into_iter().map(|thread| thread.join()).collect();
            kept.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        if let Some((_, error)) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let (mut all, mut levels) = (Vec::new(), Levels::new(shape));
        for (found, counts) in kept {
            all.extend(found);
            levels.join(&counts);
        }
        if all.len() as u64 != count {
            return Err(Error::Interrupted);
        }
        all.sort_unstable_by_key(|(index, _)| *index);
        Ok(Self {
            images: all.into_iter().map(|(_, found)| found).collect(),
            levels,
        })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }
}

impl Fingerprint {
    pub(super) fn of(pixels: &[u8], shape: ImageShape) -> Self {
        let cells = thumbnail(pixels, shape);
        let mut differences = [0; 4];
        for row in 0..SIDE {
            for column in 0..SIDE - 1 {
                let cell = row * SIDE + column;
                if cells[cell] < cells[cell + 1] {
                    differences[cell / 64] |= 1 << (cell % 64);
                }
            }
        }
        let mean = cells.iter().sum::<f64>() / cells.len() as f64;
        let length = (cells.iter().map(|cell| (cell - mean).powi(2)).sum::<f64>()).sqrt();
        Self {
            pixels: Hasher::oneshot(pixels),
            differences,
            thumbnail: if length > 1e-6 {
                (cells.iter().map(|cell| ((cell - mean) / length) as f32)).collect()
            } else {
                Vec::new()
            },
        }
    }
}

/// Means of the image's cells, all channels together.
fn thumbnail(pixels: &[u8], shape: ImageShape) -> Vec<f64> {
    let span = |cell: usize, side: usize| {
        let start = cell * side / SIDE;
        start..((cell + 1) * side / SIDE).max(start + 1)
    };
    let row_len = shape.width * shape.channels;
    let mut cells = Vec::with_capacity(SIDE * SIDE);
    for row in 0..SIDE {
        for column in 0..SIDE {
            let columns = span(column, shape.width);
            let (mut sum, mut count) = (0u64, 0u64);
            for line in span(row, shape.height) {
                let start = line * row_len + columns.start * shape.channels;
                let part = &pixels[start..line * row_len + columns.end * shape.channels];
                sum += part.iter().map(|value| u64::from(*value)).sum::<u64>();
                count += part.len() as u64;
            }
            cells.push(sum as f64 / count as f64);
        }
    }
    cells
}
