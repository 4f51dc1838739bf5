//! Which pictures a batch holds, and how they get into it.
//!
//! The order of an epoch is a function of (seed, epoch) alone, and what augmentation draws for a
//! picture a function of (seed, epoch, picture): a resumed run needs no state of either.

use std::sync::{Mutex, PoisonError};

use soup_cpu::Pool;
use soup_data::{
    Examples,
    compose::LabelBox,
    transforms::{Pipeline, Scratch},
};
use soup_random::{Purpose, Stream};

use crate::Error;

/// One place in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// A row of the pack.
    Packed(u64),
    /// A composed picture.
    Composed(u64),
    /// A composed picture that holds more than its kind.
    Crowded(u64),
}

impl Slot {
    /// What tells the draws for this picture from those for others in an epoch.
    pub fn key(self) -> u64 {
        match self {
            Self::Packed(row) => row,
            Self::Composed(index) | Self::Crowded(index) => COMPOSED_DRAWS | index,
        }
    }
}

/// Composed pictures of a fold are numbered from `fold << FOLD_BITS`, so that no two folds and no
/// two epochs of a fold see the same one.
const FOLD_BITS: u32 = 40;
/// Keeps the draws for composed pictures apart from those for rows of the pack.
const COMPOSED_DRAWS: u64 = 1 << 63;

/// What the epochs of a fold are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampler {
    seed: u64,
    fold: usize,
    rows: Vec<u64>,
    composed: u64,
    limit: usize,
    /// Epochs, and a part of one, whose composed pictures are crowded.
    crowded: f64,
}

impl Sampler {
    /// Epochs that see each of `rows` once and `composed` new composed pictures, cut to the first
    /// `limit` places (0 does not cut) of their random order.
    pub fn new(seed: u64, fold: usize, rows: Vec<u64>, composed: u64, limit: u64) -> Self {
        let whole = rows.len().saturating_add(composed as usize);
        Self {
            seed,
            fold,
            rows,
            composed,
            limit: match limit {
                0 => whole,
                limit => whole.min(limit as usize),
            },
            crowded: 0.0,
        }
    }

    /// Makes the composed pictures of so many epochs, the first ones, crowded; of an epoch that is
    /// crowded in part, those that come first.
    pub fn crowd(&mut self, epochs: f64) {
        self.crowded = epochs;
    }

    /// Number of composed pictures that stand beside `rows` rows where a share of the epoch, below
    /// 1, is composed.
    pub fn composed_beside(rows: usize, share: f64) -> u64 {
        (rows as f64 * share / (1.0 - share)).round() as u64
    }

    /// Pictures in an epoch.
    pub fn len(&self) -> usize {
        self.limit
    }

    /// Whether an epoch holds no picture.
    pub fn is_empty(&self) -> bool {
        self.limit == 0
    }

    /// The places of one epoch, counted from 0, in order.
    pub fn epoch(&self, epoch: u32) -> Vec<Slot> {
        let first = ((self.fold as u64) << FOLD_BITS) + u64::from(epoch) * self.composed;
        let mut slots: Vec<Slot> = self
            .rows
            .iter()
            .map(|&row| Slot::Packed(row))
            .chain((first..first + self.composed).map(Slot::Composed))
            .collect();
        Stream::new(self.seed, Purpose::Shuffle, epoch, self.fold as u64).shuffle(&mut slots);
        slots.truncate(self.limit);
        let crowded = (self.crowded - f64::from(epoch)).clamp(0.0, 1.0) * slots.len() as f64;
        for slot in &mut slots[..crowded.round() as usize] {
            if let Slot::Composed(index) = *slot {
                *slot = Slot::Crowded(index);
            }
        }
        slots
    }
}

/// Where the pictures of slots come from and how they are changed.
pub struct Loader<'a> {
    packed: Option<&'a dyn Examples>,
    composed: Option<&'a dyn Examples>,
    crowded: Option<&'a dyn Examples>,
    transforms: &'a Pipeline,
    seed: u64,
    /// Values of a transformed picture.
    input_len: usize,
    labels: usize,
    pool: &'a Pool,
    /// Memory of each thread.
    scratch: Vec<Mutex<Thread>>,
}

#[derive(Default)]
struct Thread {
    pixels: Vec<u8>,
    scratch: Scratch,
}

impl<'a> Loader<'a> {
    /// A loader; `input_len` is the number of values that `transforms` gives for a picture,
    /// `labels` the number of labels.
    pub fn new(
        packed: Option<&'a dyn Examples>,
        composed: Option<&'a dyn Examples>,
        transforms: &'a Pipeline,
        seed: u64,
        input_len: usize,
        labels: usize,
        pool: &'a Pool,
    ) -> Self {
        Self {
            packed,
            composed,
            crowded: None,
            transforms,
            seed,
            input_len,
            labels,
            pool,
            scratch: (0..pool.threads()).map(|_| Mutex::default()).collect(),
        }
    }

    /// Takes crowded pictures from here.
    pub fn with_crowded(mut self, crowded: Option<&'a dyn Examples>) -> Self {
        self.crowded = crowded;
        self
    }

    /// Number of labels.
    pub fn labels(&self) -> usize {
        self.labels
    }

    /// Fills a batch: `input` (a picture of `input_len` values a slot) and `targets` (`labels`
    /// values a slot), and gives the boxes of each picture whose source knows them; what lies beyond the
    /// slots is left alone. `epoch` is counted from 0 and steers the random transforms.
    ///
    /// # Errors
    /// [`Error::Data`]: the first picture, in the order of the slots, that cannot be had.
    pub fn fill(
        &self,
        slots: &[Slot],
        epoch: u32,
        input: &mut [f32],
        targets: &mut [f32],
    ) -> Result<Vec<Option<Vec<LabelBox>>>, Error> {
        let mut boxes = vec![None; slots.len()];
        // Sources without labels (a test set) still make batches.
        let mut no_targets: Vec<&mut [f32]> = Vec::new();
        let rows: Vec<&mut [f32]> = if self.labels == 0 {
            no_targets.resize_with(slots.len(), Default::default);
            no_targets
        } else {
            targets.chunks_exact_mut(self.labels).collect()
        };
        let pictures = input
            .chunks_exact_mut(self.input_len)
            .zip(rows)
            .zip(slots.iter().zip(&mut boxes).enumerate());
        let failure: Mutex<Option<(usize, Error)>> = Mutex::new(None);
        self.pool.each_with_worker(
            pictures,
            |((input, targets), (index, (&slot, boxes))), worker| {
                let thread = &mut lock(&self.scratch[worker]);
                match self.load(slot, epoch, input, targets, thread) {
                    Ok(found) => *boxes = found,
                    Err(error) => {
                        let mut failure = lock(&failure);
                        if failure.as_ref().is_none_or(|(first, _)| index < *first) {
                            *failure = Some((index, error));
                        }
                    }
                }
            },
        );
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some((_, error)) => Err(error),
            None => Ok(boxes),
        }
    }

    fn load(
        &self,
        slot: Slot,
        epoch: u32,
        input: &mut [f32],
        targets: &mut [f32],
        thread: &mut Thread,
    ) -> Result<Option<Vec<LabelBox>>, Error> {
        let (source, index) = match slot {
            Slot::Packed(row) => (self.packed, row),
            Slot::Composed(index) => (self.composed, index),
            Slot::Crowded(index) => (self.crowded, index),
        };
        let Some(source) = source else {
            return Err(Error::Mismatch(format!("there is no source for {slot:?}")));
        };
        let shape = source.shape();
        thread.pixels.resize(shape.len(), 0);
        let boxes = source.load_with_boxes(index, &mut thread.pixels, targets)?;
        let mut draws = Stream::new(self.seed, Purpose::Augment, epoch, slot.key());
        self.transforms
            .apply(
                &thread.pixels,
                shape,
                &mut draws,
                &mut thread.scratch,
                input,
            )
            .map_err(soup_data::Error::from)?;
        Ok(boxes)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn an_epoch_sees_every_row_once_and_new_composed_pictures() {
        let sampler = Sampler::new(7, 1, (10..40).collect(), 30, 0);
        let rows = |slots: &[Slot]| {
            let mut rows: Vec<u64> = slots
                .iter()
                .filter_map(|slot| match slot {
                    Slot::Packed(row) => Some(*row),
                    Slot::Composed(_) | Slot::Crowded(_) => None,
                })
                .collect();
            rows.sort_unstable();
            rows
        };
        let (first, second) = (sampler.epoch(0), sampler.epoch(1));
        assert_eq!(first.len(), 60);
        assert_eq!(rows(&first), (10..40).collect::<Vec<_>>());
        assert_eq!(rows(&second), (10..40).collect::<Vec<_>>());
        assert_ne!(first, second);
        assert_eq!(first, sampler.epoch(0));
        let other = Sampler::new(7, 2, (10..40).collect(), 30, 0);
        let composed: Vec<Slot> = [first, second, other.epoch(0)]
            .concat()
            .into_iter()
            .filter(|slot| matches!(slot, Slot::Composed(_)))
            .collect();
        let distinct: std::collections::BTreeSet<String> =
            composed.iter().map(|slot| format!("{slot:?}")).collect();
        assert_eq!(distinct.len(), 90);
    }

    #[test]
    fn the_first_epochs_may_be_crowded() {
        let plain = Sampler::new(7, 1, vec![], 30, 0);
        let mut sampler = plain.clone();
        sampler.crowd(1.3);
        let crowded = |epoch: u32| -> Vec<bool> {
            let slots = sampler.epoch(epoch);
            slots
                .iter()
                .map(|slot| matches!(slot, Slot::Crowded(_)))
                .collect()
        };
        assert_eq!(crowded(0), [true; 30]);
        assert_eq!(crowded(1), [[true; 9].as_slice(), &[false; 21]].concat());
        assert_eq!(sampler.epoch(2), plain.epoch(2));

        let mut mixed = Sampler::new(7, 1, (0..5).collect(), 30, 0);
        mixed.crowd(1.0);
        let packed = |slot: &&Slot| matches!(slot, Slot::Packed(_));
        assert_eq!(mixed.epoch(0).iter().filter(packed).count(), 5);
    }

    #[test]
    fn a_limit_cuts_the_random_order() {
        let sampler = Sampler::new(7, 0, (0..1000).collect(), 0, 100);
        let slots = sampler.epoch(3);
        assert_eq!((slots.len(), sampler.len()), (100, 100));
        let high = slots
            .iter()
            .filter(|slot| matches!(slot, Slot::Packed(row) if *row >= 500))
            .count();
        assert!((30..70).contains(&high), "{high}");
    }

    #[test]
    fn shares_become_counts() {
        assert_eq!(Sampler::composed_beside(1000, 0.0), 0);
        assert_eq!(Sampler::composed_beside(1000, 0.5), 1000);
        assert_eq!(Sampler::composed_beside(1000, 0.2), 250);
    }
}
