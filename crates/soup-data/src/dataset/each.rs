//! Every image of a data set read once, from all threads.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Dataset, Decoder, FileReader, Reading, image_shape};
use crate::problems::Problems;
use crate::{Error, ImageShape, Result};

/// Images that a thread takes at a time.
const BLOCK: usize = 32;

impl Dataset {
    /// The shape of every image as it is stored, by its header; of each that has none, what is
    /// wrong.
    ///
    /// # Errors
    /// [`Error::Interrupted`] once `stop` is true.
    pub fn shapes(&self, stop: &AtomicBool) -> Result<Vec<Result<ImageShape>>> {
        self.each(stop, |index, bytes, _| {
            image_shape(bytes).map_err(|problem| self.damaged(index, problem))
        })
    }

    /// What is wrong with each image that cannot be read or decoded, by its place.
    ///
    /// # Errors
    /// [`Error::Interrupted`] once `stop` is true.
    pub fn faults(&self, reading: Reading, stop: &AtomicBool) -> Result<Vec<(usize, Error)>> {
        let decoded = self.each(stop, |index, bytes, decoder| {
            let decoded = decoder.decode(bytes, reading);
            decoded
                .map(drop)
                .map_err(|problem| self.damaged(index, problem))
        })?;
        let faults = decoded.into_iter().enumerate();
        Ok(faults
            .filter_map(|(index, decoded)| Some((index, decoded.err()?)))
            .collect())
    }

    /// The data set without the images that cannot be read or decoded; they are left out, with their
    /// rows.
    ///
    /// # Errors
    /// [`Error::Interrupted`] once `stop` is true; [`Error::Several`] where none is whole.
    pub fn without_damaged(self, reading: Reading, stop: &AtomicBool) -> Result<Self> {
        let faults = self.faults(reading, stop)?;
        if faults.len() == self.len() {
            let mut problems = Problems::default();
            problems.extend(faults.into_iter().map(|(_, fault)| fault));
            problems.check()?;
            return Ok(self);
        }
        let damaged: HashSet<usize> = faults.into_iter().map(|(index, _)| index).collect();
        Ok(self.without(&damaged))
    }

    /// What `work` makes of the bytes of each image.
    fn each<T: Send>(
        &self,
        stop: &AtomicBool,
        work: impl Fn(usize, &[u8], &mut Decoder) -> Result<T> + Sync,
    ) -> Result<Vec<Result<T>>> {
        let next = AtomicUsize::new(0);
        let found = Mutex::new(Vec::new());
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        std::thread::scope(|scope| {
            for _ in 0..threads.min(self.len().div_ceil(BLOCK)) {
                scope.spawn(|| {
                    let (mut reader, mut decoder) =
                        (FileReader::new(self.place()), Decoder::default());
                    while !stop.load(Ordering::Relaxed) {
                        let first = next.fetch_add(BLOCK, Ordering::Relaxed);
                        if first >= self.len() {
                            break;
                        }
                        let block: Vec<Result<T>> = (first..(first + BLOCK).min(self.len()))
                            .map(|index| match reader.read(&self.files()[index]) {
                                Ok(bytes) => work(index, bytes, &mut decoder),
                                Err(fault) => Err(self.read_fault(index, fault)),
                            })
                            .collect();
                        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                        found.push((first, block));
                    }
                });
            }
        });
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.sort_by_key(|(first, _)| *first);
        Ok(found.into_iter().flat_map(|(_, block)| block).collect())
    }
}
