//! The one door through which pictures and labels reach training: a pack, a folder, composed
//! pictures.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::compose::LabelBox;

/// Size of a picture: 8 bits a channel, height x width x channels in this order in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PictureShape {
    /// Rows of pixels.
    pub height: usize,
    /// Pixels a row.
    pub width: usize,
    /// 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGB and alpha).
    pub channels: usize,
}

impl PictureShape {
    /// Bytes of one picture: `height * width * channels`.
    pub const fn len(self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether a picture of this shape has no pixels.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl std::fmt::Display for PictureShape {
    /// `256x256 grey`, `640x480 RGB` and so on, **width first**, as picture viewers print it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}x{} ", self.width, self.height)?;
        match self.channels {
            1 => formatter.write_str("grey"),
            2 => formatter.write_str("grey with alpha"),
            3 => formatter.write_str("RGB"),
            4 => formatter.write_str("RGB with alpha"),
            channels => write!(formatter, "with {channels} channels"),
        }
    }
}

/// A numbered set of pictures of one shape with 0/1 labels.
///
/// An example is a function of its index: loading the same index twice, from any thread and in any
/// order, gives the same bytes.
pub trait Examples: Sync {
    /// Number of examples. An endless source (composed pictures) says `u64::MAX`.
    fn len(&self) -> u64;

    /// Whether there is no example at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape that every picture has.
    fn shape(&self) -> PictureShape;

    /// Names of the labels in the order in which [`load`](Self::load) writes them; empty where the
    /// pictures carry no labels (a test set).
    fn label_names(&self) -> &[String];

    /// The sample of pictures with 16 bits a channel that was made 255, where one was named: whoever
    /// reads more pictures for the same network must do the same.
    fn max_value(&self) -> Option<u16> {
        None
    }

    /// Writes example `index`: its picture into `pixels` (`shape().len()` bytes, row by row, the
    /// channels of a pixel beside each other) and its labels into `labels` (`label_names().len()`
    /// values, each 0.0 or 1.0).
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an index past the end, [`Error::Buffer`] for a slice of another
    /// length, and whatever reading or composing the picture reports.
    fn load(&self, index: u64, pixels: &mut [u8], labels: &mut [f32]) -> Result<(), Error>;

    /// Writes the labels of example `index` alone; quick where they lie apart from the pictures.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    fn load_labels(&self, index: u64, labels: &mut [f32]) -> Result<(), Error> {
        self.load(index, &mut vec![0; self.shape().len()], labels)
    }

    /// As [`load`](Self::load), and says where the labels are, for sources that know it.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    fn load_with_boxes(
        &self,
        index: u64,
        pixels: &mut [u8],
        labels: &mut [f32],
    ) -> Result<Option<Vec<LabelBox>>, Error> {
        self.load(index, pixels, labels)?;
        Ok(None)
    }
}
