//! The middle of a picture.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::pad::{PaddingMode, pad};
use super::picture::{Form, Picture, Workspace};
use super::{Fill, Size, Step};
use crate::PictureShape;

/// torchvision `CenterCrop`: the middle of the picture; where the picture is smaller, zeros around
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

impl Step for CenterCrop {
    const KIND: &'static str = "center_crop";
    const RANDOM: bool = false;

    fn check(&self, before: Form) -> Result<Form, String> {
        self.size.check()?;
        let [height, width] = self.target();
        Ok(before.sized(height, width))
    }

    fn apply(&self, picture: &mut Picture, _: &mut Stream, workspace: &mut Workspace) {
        let [height, width] = self.target();
        center_crop(picture, height, width, workspace);
    }
}

/// The frame of zeros (left, top, right, bottom) that a picture smaller than its crop gets first.
pub(super) fn frame(picture: PictureShape, [height, width]: [usize; 2]) -> [usize; 4] {
    let rows = height.saturating_sub(picture.height);
    let columns = width.saturating_sub(picture.width);
    let [left, top] = [columns / 2, rows / 2];
    [left, top, columns - left, rows - top]
}

/// The rows and columns that are kept of a picture at least as large as its crop.
pub(super) fn kept(picture: [usize; 2], crop: [usize; 2]) -> [std::ops::Range<usize>; 2] {
    std::array::from_fn(|axis| {
        // Half of the rest, ties to even, as Python's `round`.
        let rest = picture[axis].saturating_sub(crop[axis]);
        let first = (rest as f64 * 0.5).round_ties_even() as usize;
        first..first + crop[axis]
    })
}

/// torchvision's `center_crop`.
pub(super) fn center_crop(
    picture: &mut Picture,
    height: usize,
    width: usize,
    workspace: &mut Workspace,
) {
    let frame = frame(picture.shape(), [height, width]);
    if frame != [0; 4] {
        pad(
            picture,
            frame,
            &Fill::One(0.0),
            PaddingMode::Constant,
            workspace,
        );
    }
    let [rows, columns] = kept([picture.height, picture.width], [height, width]);
    let channels = picture.channels;
    for (to, row) in rows.enumerate() {
        let from = (row * picture.width + columns.start) * channels;
        let to = to * width * channels;
        picture
            .values
            .copy_within(from..from + width * channels, to);
    }
    picture.values.truncate(height * width * channels);
    picture.height = height;
    picture.width = width;
}
