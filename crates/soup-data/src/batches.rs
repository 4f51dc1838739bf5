//! How images get into a batch.
//!
//! What augmentation draws for an image is a function of (seed, epoch, image): a resumed run needs no state of it.

use std::sync::{Mutex, PoisonError};

use soup_random::{Purpose, Stream};
use soup_threads::Pool;

use crate::{
    Annotations, Error, Source,
    transforms::{Pipeline, Scratch},
};

/// Where images come from and how they are changed.
pub struct Loader<'a> {
    transforms: &'a Pipeline,
    seed: u64,
    /// Values of a transformed image.
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
    /// A loader; `input_len` is the number of values that `transforms` gives for an image, `labels` the number of
    /// labels.
    pub fn new(
        transforms: &'a Pipeline,
        seed: u64,
        input_len: usize,
        labels: usize,
        pool: &'a Pool,
    ) -> Self {
        Self {
            transforms,
            seed,
            input_len,
            labels,
            pool,
            scratch: (0..pool.threads()).map(|_| Mutex::default()).collect(),
        }
    }

    /// Number of labels.
    pub fn labels(&self) -> usize {
        self.labels
    }

    /// Fills a batch with images of `source`: `input` (`input_len` values an image) and `targets` (`labels` values an
    /// image), and gives the annotations of each image whose source knows them, as far as the transforms leave them; what lies beyond the images is left
    /// alone. `epoch` is counted from 0 and steers the random transforms.
    ///
    /// # Errors
    /// The first image, in their order, that cannot be had.
    pub fn fill(
        &self,
        source: &dyn Source,
        images: &[u64],
        epoch: u32,
        input: &mut [f32],
        targets: &mut [f32],
    ) -> Result<Vec<Option<Annotations>>, Error> {
        let mut annotations = vec![None; images.len()];
        // Sources without labels (a test set) still make batches.
        let mut no_targets: Vec<&mut [f32]> = Vec::new();
        let rows: Vec<&mut [f32]> = if self.labels == 0 {
            no_targets.resize_with(images.len(), Default::default);
            no_targets
        } else {
            targets.chunks_exact_mut(self.labels).collect()
        };
        let tasks = input
            .chunks_exact_mut(self.input_len)
            .zip(rows)
            .zip(images.iter().zip(&mut annotations).enumerate());
        let failure: Mutex<Option<(usize, Error)>> = Mutex::new(None);
        self.pool.each_with_worker(
            tasks,
            |((input, targets), (place, (&index, annotations))), worker| {
                let thread = &mut lock(&self.scratch[worker]);
                match self.load(source, index, epoch, input, targets, thread) {
                    Ok(found) => *annotations = found,
                    Err(error) => {
                        let mut failure = lock(&failure);
                        if failure.as_ref().is_none_or(|(first, _)| place < *first) {
                            *failure = Some((place, error));
                        }
                    }
                }
            },
        );
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some((_, error)) => Err(error),
            None => Ok(annotations),
        }
    }

    fn load(
        &self,
        source: &dyn Source,
        index: u64,
        epoch: u32,
        input: &mut [f32],
        targets: &mut [f32],
        thread: &mut Thread,
    ) -> Result<Option<Annotations>, Error> {
        let image = source.shape_of(index);
        thread.pixels.resize(image.len(), 0);
        let boxes = source.read(index, &mut thread.pixels, targets)?;
        let mut draws = Stream::new(self.seed, Purpose::Augment, epoch, source.draws_of(index));
        let (pixels, scratch) = (&thread.pixels, &mut thread.scratch);
        let (transforms, draws) = (self.transforms, &mut draws);
        let Some(boxes) = boxes else {
            transforms.apply(pixels, image, draws, scratch, input)?;
            return Ok(None);
        };
        let annotations = Annotations { image, boxes };
        Ok(transforms.apply_with_boxes(pixels, annotations, draws, scratch, input)?)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
