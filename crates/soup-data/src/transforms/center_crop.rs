//! The middle of a picture.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::pad::{PaddingMode, pad};
use super::picture::{Form, Picture, Workspace};
use super::{Fill, Size, Step};

/// torchvision `CenterCrop`: the middle of the picture; where the picture is smaller, zeros around
/// it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CenterCrop {
    /// `[height, width]`, or one number for a square.
    pub size: Size,
}

impl CenterCrop {
    fn target(&self) -> [usize; 2] {
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

/// torchvision's `center_crop`.
pub(super) fn center_crop(
    picture: &mut Picture,
    height: usize,
    width: usize,
    workspace: &mut Workspace,
) {
    let missing_rows = height.saturating_sub(picture.height);
    let missing_columns = width.saturating_sub(picture.width);
    if missing_rows > 0 || missing_columns > 0 {
        let [left, top] = [missing_columns / 2, missing_rows / 2];
        let padding = [left, top, missing_columns - left, missing_rows - top];
        pad(
            picture,
            padding,
            &Fill::One(0.0),
            PaddingMode::Constant,
            workspace,
        );
    }
    // Half of the rest, ties to even, as Python's `round`.
    let half = |rest: usize| (rest as f64 * 0.5).round_ties_even() as usize;
    let top = half(picture.height - height);
    let left = half(picture.width - width);
    let channels = picture.channels;
    for row in 0..height {
        let from = ((top + row) * picture.width + left) * channels;
        let to = row * width * channels;
        picture
            .values
            .copy_within(from..from + width * channels, to);
    }
    picture.values.truncate(height * width * channels);
    picture.height = height;
    picture.width = width;
}
