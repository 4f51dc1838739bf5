//! The one door through which images and labels reach training: a pack, a folder, composed images, a mixture of them
//! with a schedule, or whatever else implements [`Source`].

use soup_graph::ImageShape;
use soup_random::{Purpose, Stream};

use crate::{Annotation, Error, dataset::Reading};

/// A numbered set of images with labels.
///
/// An image is a function of its index: reading the same index twice, from any thread and in any order, gives the same
/// bytes.
pub trait Source: Sync {
    /// Number of images. An endless source (composed images) says `u64::MAX`.
    fn len(&self) -> u64;

    /// Whether there is no image at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape that images have; see [`shape_of`](Self::shape_of) for sources of several shapes.
    fn shape(&self) -> ImageShape;

    /// The shape of one image.
    fn shape_of(&self, _index: u64) -> ImageShape {
        self.shape()
    }

    /// Names of the labels in the order in which [`read`](Self::read) writes them; empty where the images carry no
    /// labels (a test set).
    fn label_names(&self) -> &[String];

    /// How files became these images, channels aside: whoever reads more files for the same network must do the same.
    fn reading(&self) -> Reading {
        Reading::default()
    }

    /// Writes image `index` into `pixels` (`shape_of(index).len()` bytes, row by row, the channels of a pixel beside
    /// each other) and its labels into `labels` (`label_names().len()` values, each 0.0, 1.0 or, where nobody knows, NaN); says where the labels
    /// are, if it knows.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an index past the end, [`Error::Buffer`] for a slice of another length, and whatever
    /// reading or composing the image reports.
    fn read(
        &self,
        index: u64,
        pixels: &mut [u8],
        labels: &mut [f32],
    ) -> Result<Option<Vec<Annotation>>, Error>;

    /// Writes the labels of image `index` alone; quick where they lie apart from the images.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn read_labels(&self, index: u64, labels: &mut [f32]) -> Result<(), Error> {
        let mut pixels = vec![0; self.shape_of(index).len()];
        self.read(index, &mut pixels, labels).map(drop)
    }

    /// Whether the labels of an image teach; where they do not, only its annotations do.
    fn labels_teach(&self, _index: u64) -> bool {
        true
    }

    /// What tells the random draws for this image (augmentation, mixing) from those for others of an epoch.
    fn draws_of(&self, index: u64) -> u64 {
        index
    }

    /// Hears how many epochs there will be, before the first and when that changes: for sources with a curriculum.
    fn plan(&mut self, _epochs: f64) {}

    /// Number of images that an epoch sees.
    fn epoch_len(&self) -> usize {
        self.len() as usize
    }

    /// The images of one epoch, counted from 0, in the order in which they are seen: all of them, shuffled.
    fn epoch(&self, seed: u64, epoch: u32) -> Vec<u64> {
        let mut images: Vec<u64> = (0..self.len()).collect();
        Stream::new(seed, Purpose::Shuffle, epoch, 0).shuffle(&mut images);
        images
    }
}
