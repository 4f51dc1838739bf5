//! Images read and decoded each time they are asked for; a pack is faster.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError, atomic::AtomicBool},
};

use super::{
    Channels, Dataset, Decoder, FileReader, Fit, Reading, SampleRange, formats, image_shape,
};
use crate::{Annotation, Error, ImageShape, Result, Source, problems::Problems};

/// A [`Dataset`] as [`Source`].
pub struct FolderSource<'a> {
    dataset: Cow<'a, Dataset>,
    reading: Reading,
    shape: ImageShape,
    /// Of the images loaded so far that have 16 bits a channel.
    samples: Mutex<Option<SampleRange>>,
    /// Idle readers: one a thread that loads.
    idle: Mutex<Vec<(FileReader, Decoder)>>,
}

impl<'a> FolderSource<'a> {
    pub(super) fn new(
        dataset: Dataset,
        mut reading: Reading,
        otherwise: Option<Fit>,
    ) -> Result<Self> {
        let stop = AtomicBool::new(false);
        let shapes = dataset.shapes(&stop)?;
        let stored: BTreeSet<usize> = (shapes.iter().flatten())
            .map(|shape| shape.channels)
            .collect();
        if reading.channels == Channels::AsStored && stored.len() > 1 {
            reading.channels = Channels::common(stored);
        }
        let mut sizes = shapes
            .iter()
            .flatten()
            .map(|shape| (shape.height, shape.width));
        let size = sizes.next();
        if reading.fit.is_none() && sizes.any(|other| Some(other) != size) {
            reading.fit = otherwise;
        }
        let first = shapes.iter().flatten().next().copied();
        let first = first.map(|shape| reading.of_shape(shape));
        let mut problems = BTreeMap::new();
        for (index, shape) in shapes.into_iter().enumerate() {
            let checked = shape.and_then(|shape| match first {
                Some(first) => dataset.check_shape(index, reading.of_shape(shape), first),
                None => Ok(()),
            });
            problems.extend(checked.err().map(|error| (index, error)));
        }
        if !problems.is_empty() {
            // Then what the headers do not say is checked too.
            problems.extend(dataset.faults(reading, &stop)?);
        }
        let mut all = Problems::default();
        all.extend(problems.into_values());
        all.check()?;
        match first {
            Some(shape) => Ok(Self::of(Cow::Owned(dataset), reading, shape)),
            None => Err(Error::Empty {
                path: dataset.images_path().into(),
                what: "images",
                hint: format!("files in the formats {} are looked for", formats()),
            }),
        }
    }

    pub(super) fn of(dataset: Cow<'a, Dataset>, reading: Reading, shape: ImageShape) -> Self {
        Self {
            dataset,
            reading,
            shape,
            samples: Mutex::default(),
            idle: Mutex::default(),
        }
    }

    /// The data set that is read.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The samples of those images loaded so far that have 16 bits a channel.
    pub fn samples(&self) -> Option<SampleRange> {
        *self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_image<T>(
        &self,
        index: usize,
        then: impl FnOnce(ImageShape, &[u8]) -> Result<T>,
    ) -> Result<(T, Option<Vec<Annotation>>)> {
        let lock = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = lock().pop();
        let (mut reader, mut decoder) =
            idle.unwrap_or_else(|| (FileReader::new(self.dataset.place()), Decoder::default()));
        let bytes = reader
            .read(&self.dataset.files()[index])
            .map_err(|fault| self.dataset.read_fault(index, fault))?;
        let boxes = match self.dataset.has_boxes() {
            true => {
                let stored = image_shape(bytes);
                let stored = stored.map_err(|problem| self.dataset.damaged(index, problem))?;
                self.dataset.boxes_of(index, stored, self.reading.fit)
            }
            false => None,
        };
        let (shape, pixels) = decoder
            .decode(bytes, self.reading)
            .map_err(|problem| self.dataset.damaged(index, problem))?;
        let result = then(shape, pixels)?;
        if let Some(samples) = decoder.samples() {
            let mut all = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
            *all = Some(all.map_or(samples, |all| all.joined(samples)));
        }
        lock().push((reader, decoder));
        Ok((result, boxes))
    }
}

impl Source for FolderSource<'_> {
    fn len(&self) -> u64 {
        self.dataset.len() as u64
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn label_names(&self) -> &[String] {
        self.dataset.table().label_names()
    }

    fn reading(&self) -> Reading {
        self.reading.without_channels()
    }

    fn read(
        &self,
        index: u64,
        pixels: &mut [u8],
        labels: &mut [f32],
    ) -> Result<Option<Vec<Annotation>>, Error> {
        let len = self.len();
        if index >= len {
            return Err(Error::OutOfRange { index, len });
        }
        let index = index as usize;
        self.dataset.table().load_labels(index, labels)?;
        let ((), boxes) = self.with_image(index, |shape, decoded| {
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
        })?;
        Ok(boxes)
    }
}
