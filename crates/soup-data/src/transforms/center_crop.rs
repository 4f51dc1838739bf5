//! The middle of an image.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::pad::{PaddingMode, pad};
use super::{Apply, Fill, Size};
use crate::ImageShape;

/// torchvision `CenterCrop`: the middle of the image; where the image is smaller, zeros around
/// it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CenterCrop {
    /// `[height, width]`, or one number for a square.
    pub size: Size,
}

impl CenterCrop {
    pub(super) fn target(&self) -> [usize; 2] {
        match self.size {
            Size::One(side) => [side, side],
            Size::HeightWidth(target) => target,
        }
    }
}

impl Apply for CenterCrop {
    const KIND: &'static str = "center_crop";
    const RANDOM: bool = false;

    fn check(&self, before: Form) -> Result<Form, String> {
        self.size.check()?;
        let [height, width] = self.target();
        Ok(before.sized(height, width))
    }

    fn apply(&self, image: &mut Image, _: &mut Stream, workspace: &mut Workspace) {
        let [height, width] = self.target();
        center_crop(image, height, width, workspace);
    }
}

/// The frame of zeros (left, top, right, bottom) that an image smaller than its crop gets first.
pub(super) fn frame(image: ImageShape, [height, width]: [usize; 2]) -> [usize; 4] {
    let rows = height.saturating_sub(image.height);
    let columns = width.saturating_sub(image.width);
    let [left, top] = [columns / 2, rows / 2];
    [left, top, columns - left, rows - top]
}

/// The rows and columns that are kept of an image at least as large as its crop.
pub(super) fn kept(image: [usize; 2], crop: [usize; 2]) -> [std::ops::Range<usize>; 2] {
    std::array::from_fn(|axis| {
        // Half of the rest, ties to even, as Python's `round`.
        let rest = image[axis].saturating_sub(crop[axis]);
        let first = (rest as f64 * 0.5).round_ties_even() as usize;
        first..first + crop[axis]
    })
}

/// torchvision's `center_crop`.
pub(super) fn center_crop(
    image: &mut Image,
    height: usize,
    width: usize,
    workspace: &mut Workspace,
) {
    let frame = frame(image.shape(), [height, width]);
    if frame != [0; 4] {
        pad(
            image,
            frame,
            &Fill::One(0.0),
            PaddingMode::Constant,
            workspace,
        );
    }
    let [rows, columns] = kept([image.height, image.width], [height, width]);
    let channels = image.channels;
    for (to, row) in rows.enumerate() {
        let from = (row * image.width + columns.start) * channels;
        let to = to * width * channels;
        image.values.copy_within(from..from + width * channels, to);
    }
    image.values.truncate(height * width * channels);
    image.height = height;
    image.width = width;
}
