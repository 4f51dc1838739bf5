//! The middle of an image.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::pad::{self, PaddingMode};
use super::random_erasing::Rectangle;
use super::{Apply, Fill, Places, Size};
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

    fn places(&self) -> Places {
        Places::Moves
    }

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
        pad::frame(
            image,
            frame,
            &Fill::One(0.0),
            PaddingMode::Constant,
            workspace,
        );
    }
    let [rows, columns] = kept(image.size(), [height, width]);
    let part = Rectangle {
        top: rows.start,
        left: columns.start,
        height,
        width,
    };
    crop(image, part, workspace);
}

/// torchvision's `crop`, of a part that lies within the image; boxes move with it.
pub(super) fn crop(image: &mut Image, part: Rectangle, workspace: &mut Workspace) {
    moved_into(part, image.size(), workspace);
    cut(image, part);
}

/// Leaves a part of an image, which lies within it.
pub(super) fn cut(image: &mut Image, part: Rectangle) {
    let channels = image.channels;
    let row_len = part.width * channels;
    for row in 0..part.height {
        let from = ((part.top + row) * image.width + part.left) * channels;
        let to = row * row_len;
        image.values.copy_within(from..from + row_len, to);
    }
    image.values.truncate(part.height * row_len);
    (image.height, image.width) = (part.height, part.width);
}

/// Moves boxes as a crop moves what is in an image of `[height, width]`.
pub(super) fn moved_into(part: Rectangle, size: [usize; 2], workspace: &mut Workspace) {
    let (left, top) = (part.left as f64, part.top as f64);
    workspace
        .boxes
        .moved(size, [part.height, part.width], |[x, y]| {
            [x - left, y - top]
        });
}
