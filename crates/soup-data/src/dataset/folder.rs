//! Pictures read and decoded each time they are asked for; a pack is faster.

use std::sync::{Mutex, PoisonError};

use super::{Channels, Dataset, Decoder, FileReader};
use crate::{Error, Examples, PictureShape, Result};

/// A [`Dataset`] as [`Examples`].
pub struct FolderExamples {
    dataset: Dataset,
    channels: Channels,
    shape: PictureShape,
    /// Idle readers: one a thread that loads.
    idle: Mutex<Vec<(FileReader, Decoder)>>,
}

impl FolderExamples {
    pub(super) fn new(dataset: Dataset, channels: Channels) -> Result<Self> {
        let mut examples = Self {
            dataset,
            channels,
            shape: PictureShape {
                height: 0,
                width: 0,
                channels: 0,
            },
            idle: Mutex::default(),
        };
        examples.shape = examples.with_picture(0, |shape, _| Ok(shape))?;
        Ok(examples)
    }

    /// The data set that is read.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    fn with_picture<T>(
        &self,
        index: usize,
        then: impl FnOnce(PictureShape, &[u8]) -> Result<T>,
    ) -> Result<T> {
        let lock = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = lock().pop();
        let (mut reader, mut decoder) =
            idle.unwrap_or_else(|| (FileReader::new(self.dataset.place()), Decoder::default()));
        let bytes = reader
            .read(&self.dataset.files()[index])
            .map_err(|fault| self.dataset.read_fault(index, fault))?;
        let (shape, pixels) = decoder
            .decode(bytes, self.channels)
            .map_err(|problem| self.dataset.damaged(index, problem))?;
        let result = then(shape, pixels)?;
        lock().push((reader, decoder));
        Ok(result)
    }
}

impl Examples for FolderExamples {
    fn len(&self) -> u64 {
        self.dataset.len() as u64
    }

    fn shape(&self) -> PictureShape {
        self.shape
    }

    fn label_names(&self) -> &[String] {
        self.dataset.table().label_names()
    }

    fn load(&self, index: u64, pixels: &mut [u8], labels: &mut [f32]) -> Result<(), Error> {
        let len = self.len();
        if index >= len {
            return Err(Error::OutOfRange { index, len });
        }
        let index = index as usize;
        self.dataset.table().load_labels(index, labels)?;
        self.with_picture(index, |shape, decoded| {
            self.dataset.check_shape(index, shape, self.shape)?;
            if pixels.len() != decoded.len() {
                return Err(Error::Buffer {
                    what: "pixels",
                    found: pixels.len(),
                    expected: decoded.len(),
                });
            }
            pixels.copy_from_slice(decoded);
            Ok(())
        })
    }
}
