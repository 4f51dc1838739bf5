//! A mixture of sources with a schedule: rows on disk, and composed images beside them, of which the first epochs may
//! be dense.

use soup_random::{Purpose, Stream};

use crate::{Annotation, Error, ImageShape, Source, dataset::Reading};

/// Marks the index of a composed image; the rest is its index in its own source.
const COMPOSED: u64 = 1 << 63;
/// Marks one of the dense source.
const DENSE: u64 = 1 << 62;

/// Composed images of a fold are numbered from `fold << FOLD_BITS`, so that no two folds and no
/// two epochs of a fold see the same one.
const FOLD_BITS: u32 = 40;

/// What a fold is trained on.
pub struct Mixture<'a> {
    label_names: &'a [String],
    rows: Option<(&'a dyn Source, Vec<u64>)>,
    composed: Option<(&'a dyn Source, u64)>,
    dense: Option<Dense<'a>>,
    fold: usize,
    limit: usize,
    /// Epochs, and a part of one, whose composed images are dense.
    dense_epochs: f64,
}

/// Images that hold more than their kind, for the start of a training.
pub struct Dense<'a> {
    /// Where they come from.
    pub source: &'a dyn Source,
    /// Share of all epochs.
    pub share: f64,
    /// Whether their labels teach beside their boxes.
    pub labels_teach: bool,
}

impl<'a> Mixture<'a> {
    /// Epochs that see each of the rows once and so many new composed images, cut to the first `limit` places (0 does
    /// not cut) of their random order.
    pub fn new(
        label_names: &'a [String],
        rows: Option<(&'a dyn Source, Vec<u64>)>,
        composed: Option<(&'a dyn Source, u64)>,
        dense: Option<Dense<'a>>,
        fold: usize,
        limit: u64,
    ) -> Self {
        let count = rows.as_ref().map_or(0, |(_, rows)| rows.len());
        let composed_count = composed.as_ref().map_or(0, |(_, count)| *count);
        let whole = count.saturating_add(composed_count as usize);
        Self {
            label_names,
            rows,
            composed,
            dense,
            fold,
            limit: match limit {
                0 => whole,
                limit => whole.min(limit as usize),
            },
            dense_epochs: 0.0,
        }
    }

    /// Number of composed images that stand beside `rows` rows where a share of the epoch, below 1, is composed.
    pub fn composed_beside(rows: usize, share: f64) -> u64 {
        (rows as f64 * share / (1.0 - share)).round() as u64
    }

    /// The source that an index leads to, and the index there.
    fn find(&self, index: u64) -> Result<(&'a dyn Source, u64), Error> {
        let found = if index & COMPOSED == 0 {
            self.rows.as_ref().map(|(source, _)| *source)
        } else if index & DENSE == 0 {
            self.composed.as_ref().map(|(source, _)| *source)
        } else {
            self.dense.as_ref().map(|dense| dense.source)
        };
        let source = found.ok_or(Error::OutOfRange { index, len: 0 })?;
        Ok((source, index & !(COMPOSED | DENSE)))
    }
}

impl Source for Mixture<'_> {
    fn len(&self) -> u64 {
        match (&self.rows, &self.composed) {
            (Some((source, _)), None) => source.len(),
            (None, None) => 0,
            (_, Some(_)) => u64::MAX,
        }
    }

    fn shape(&self) -> ImageShape {
        let first = self.rows.as_ref().map(|(source, _)| *source);
        let first = first.or(self.composed.as_ref().map(|(source, _)| *source));
        first.map_or(
            ImageShape {
                height: 0,
                width: 0,
                channels: 0,
            },
            Source::shape,
        )
    }

    fn shape_of(&self, index: u64) -> ImageShape {
        match self.find(index) {
            Ok((source, index)) => source.shape_of(index),
            Err(_) => self.shape(),
        }
    }

    fn label_names(&self) -> &[String] {
        self.label_names
    }

    fn reading(&self) -> Reading {
        let rows = self.rows.as_ref();
        rows.map_or_else(Reading::default, |(source, _)| source.reading())
    }

    fn read(
        &self,
        index: u64,
        pixels: &mut [u8],
        labels: &mut [f32],
    ) -> Result<Option<Vec<Annotation>>, Error> {
        let (source, index) = self.find(index)?;
        source.read(index, pixels, labels)
    }

    fn read_labels(&self, index: u64, labels: &mut [f32]) -> Result<(), Error> {
        let (source, index) = self.find(index)?;
        source.read_labels(index, labels)
    }

    fn labels_teach(&self, index: u64) -> bool {
        let dense = index & COMPOSED != 0 && index & DENSE != 0;
        !dense || self.dense.as_ref().is_none_or(|dense| dense.labels_teach)
    }

    fn draws_of(&self, index: u64) -> u64 {
        if index & COMPOSED == 0 {
            index
        } else {
            index & !DENSE
        }
    }

    /// Dense images come first, for their share of all epochs; of an epoch that is dense in part, those that come
    /// first.
    fn plan(&mut self, epochs: f64) {
        self.dense_epochs = self
            .dense
            .as_ref()
            .map_or(0.0, |dense| dense.share * epochs);
    }

    fn epoch_len(&self) -> usize {
        self.limit
    }

    fn epoch(&self, seed: u64, epoch: u32) -> Vec<u64> {
        let composed = self.composed.as_ref().map_or(0, |(_, count)| *count);
        let first = ((self.fold as u64) << FOLD_BITS) + u64::from(epoch) * composed;
        let rows = self.rows.iter().flat_map(|(_, rows)| rows.iter().copied());
        let mut images: Vec<u64> = rows
            .chain((first..first + composed).map(|index| COMPOSED | index))
            .collect();
        Stream::new(seed, Purpose::Shuffle, epoch, self.fold as u64).shuffle(&mut images);
        images.truncate(self.limit);
        let dense = (self.dense_epochs - f64::from(epoch)).clamp(0.0, 1.0) * images.len() as f64;
        for index in &mut images[..dense.round() as usize] {
            if *index & COMPOSED != 0 {
                *index |= DENSE;
            }
        }
        images
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    struct Blank;

    impl Source for Blank {
        fn len(&self) -> u64 {
            u64::MAX
        }

        fn shape(&self) -> ImageShape {
            ImageShape {
                height: 1,
                width: 1,
                channels: 1,
            }
        }

        fn label_names(&self) -> &[String] {
            &[]
        }

        fn read(
            &self,
            index: u64,
            pixels: &mut [u8],
            _: &mut [f32],
        ) -> Result<Option<Vec<Annotation>>, Error> {
            pixels[0] = index as u8;
            Ok(None)
        }
    }

    fn mixture(
        fold: usize,
        rows: std::ops::Range<u64>,
        composed: u64,
        limit: u64,
    ) -> Mixture<'static> {
        let rows: Vec<u64> = rows.collect();
        let dense = Dense {
            source: &Blank,
            share: 1.0,
            labels_teach: false,
        };
        Mixture::new(
            &[],
            Some((&Blank, rows)),
            Some((&Blank, composed)),
            Some(dense),
            fold,
            limit,
        )
    }

    #[test]
    fn an_epoch_sees_every_row_once_and_new_composed_images() {
        let source = mixture(1, 10..40, 30, 0);
        let rows = |images: &[u64]| {
            let is_row = |index: &u64| index & COMPOSED == 0;
            let mut rows: Vec<u64> = images.iter().copied().filter(is_row).collect();
            rows.sort_unstable();
            rows
        };
        let (first, second) = (source.epoch(7, 0), source.epoch(7, 1));
        assert_eq!(first.len(), 60);
        assert_eq!(rows(&first), (10..40).collect::<Vec<_>>());
        assert_eq!(rows(&second), (10..40).collect::<Vec<_>>());
        assert_ne!(first, second);
        assert_eq!(first, source.epoch(7, 0));
        let other = mixture(2, 10..40, 30, 0);
        let composed = [first, second, other.epoch(7, 0)].concat().into_iter();
        let distinct: std::collections::BTreeSet<u64> =
            composed.filter(|index| index & COMPOSED != 0).collect();
        assert_eq!(distinct.len(), 90);
    }

    #[test]
    fn the_first_epochs_may_be_dense() {
        let plain = mixture(1, 0..0, 30, 0);
        let mut source = mixture(1, 0..0, 30, 0);
        source.plan(1.3);
        let dense = |epoch: u32| -> Vec<bool> {
            let images = source.epoch(7, epoch).into_iter();
            images.map(|index| index & DENSE != 0).collect()
        };
        assert_eq!(dense(0), [true; 30]);
        assert_eq!(dense(1), [[true; 9].as_slice(), &[false; 21]].concat());
        assert_eq!(source.epoch(7, 2), plain.epoch(7, 2));
        // The same composed image draws the same, dense or not; its labels may not teach.
        let (first, same) = (source.epoch(7, 0)[0], plain.epoch(7, 0)[0]);
        assert_eq!(source.draws_of(first), plain.draws_of(same));
        assert!(!source.labels_teach(first) && source.labels_teach(same));
        let mut pixels = [0];
        source.read(first, &mut pixels, &mut []).unwrap();
        assert_eq!(pixels[0], same as u8);

        let mut mixed = mixture(1, 0..5, 30, 0);
        mixed.plan(1.0);
        let rows = mixed.epoch(7, 0).into_iter();
        assert_eq!(rows.filter(|index| index & COMPOSED == 0).count(), 5);
    }

    #[test]
    fn a_limit_cuts_the_random_order() {
        let source = mixture(0, 0..1000, 0, 100);
        let images = source.epoch(7, 3);
        assert_eq!((images.len(), source.epoch_len()), (100, 100));
        let high = images.iter().filter(|row| **row >= 500).count();
        assert!((30..70).contains(&high), "{high}");
    }

    #[test]
    fn shares_become_counts() {
        assert_eq!(Mixture::composed_beside(1000, 0.0), 0);
        assert_eq!(Mixture::composed_beside(1000, 0.5), 1000);
        assert_eq!(Mixture::composed_beside(1000, 0.2), 250);
    }
}
