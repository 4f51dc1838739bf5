//! A random part of one size.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::center_crop::{crop, moved_into};
use super::image::{Form, Image, Workspace};
use super::pad::frame;
use super::random_erasing::Rectangle;
use super::{Apply, CenterCrop, Fill, Padding, PaddingMode, Places, Size, Transform};

/// torchvision `RandomCrop`: a part of one size from a random place, after a frame if there is one. In evaluation it is the
/// middle, as `center_crop`, without the frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomCrop {
    /// `[height, width]`, or one number for a square.
    pub size: Size,
    /// A frame before the crop, in pixels: one number for all sides, `[left and right, top and bottom]`, or `[left, top,
    /// right, bottom]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding: Option<Padding>,
    /// Whether a smaller image gets a frame on both sides, as wide as what it lacks. In evaluation it lies in the middle of
    /// black.
    #[serde(default)]
    pub pad_if_needed: bool,
    /// What stands in the frame, for `constant`.
    #[serde(default)]
    pub fill: Fill,
    /// How the frame is filled.
    #[serde(default)]
    pub padding_mode: PaddingMode,
}

impl RandomCrop {
    fn target(&self) -> [usize; 2] {
        match self.size {
            Size::One(side) => [side, side],
            Size::HeightWidth(target) => target,
        }
    }

    /// `[left, top, right, bottom]` of the frame around an image of `[height, width]`.
    fn sides(&self, [height, width]: [usize; 2]) -> [usize; 4] {
        let [left, top, right, bottom] = self.padding.map_or([0; 4], Padding::sides);
        let lack = |side: usize, low: usize, high: usize, target: usize| {
            let framed = side.saturating_add(low).saturating_add(high);
            match self.pad_if_needed {
                true => target.saturating_sub(framed),
                false => 0,
            }
        };
        let [high, wide] = self.target();
        let x = lack(width, left, right, wide);
        let y = lack(height, top, bottom, high);
        [
            left.saturating_add(x),
            top.saturating_add(y),
            right.saturating_add(x),
            bottom.saturating_add(y),
        ]
    }

    /// A part of an image with its frame, in which it lies.
    fn draw(&self, [high, wide]: [usize; 2], draws: &mut Stream) -> Rectangle {
        let [height, width] = self.target();
        // Nothing is drawn where there is no choice.
        let mut place = |side: usize, target: usize| match side - target {
            0 => 0,
            rest => draws.below(rest as u32 + 1) as usize,
        };
        Rectangle {
            top: place(high, height),
            left: place(wide, width),
            height,
            width,
        }
    }

    /// Does to the bytes of an image what `apply` does to an image, and takes no more of them than it needs.
    pub(super) fn load(
        &self,
        (pixels, shape): (&[u8], crate::ImageShape),
        image: &mut Image,
        draws: &mut Stream,
        workspace: &mut Workspace,
    ) {
        let size = [shape.height, shape.width];
        if self.sides(size) == [0; 4] {
            let part = self.draw(size, draws);
            moved_into(part, size, workspace);
            image.load_part(pixels, shape, part);
        } else {
            image.load(pixels, shape);
            self.apply(image, draws, workspace);
        }
    }

    /// What stands for it in evaluation.
    pub(super) fn evaluation(&self) -> Vec<Transform> {
        vec![Transform::CenterCrop(CenterCrop { size: self.size })]
    }
}

impl Apply for RandomCrop {
    const KIND: &'static str = "random_crop";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        Places::Moves
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        self.size.check()?;
        let shape = before.shape;
        let sides = self.sides([shape.height, shape.width]);
        let framed = super::Pad {
            padding: Padding::Each(sides),
            fill: self.fill.clone(),
            padding_mode: self.padding_mode,
        }
        .check(before)?;
        let [height, width] = self.target();
        if framed.shape.height < height || framed.shape.width < width {
            return Err(format!(
                "`size` is {height} rows of {width} pixels, but the image has {} of {} here; make it larger with \
                 `resize` or `padding`, or set `pad_if_needed = true`",
                framed.shape.height, framed.shape.width
            ));
        }
        Ok(before.sized(height, width))
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, workspace: &mut Workspace) {
        let sides = self.sides(image.size());
        if sides != [0; 4] {
            frame(image, sides, &self.fill, self.padding_mode, workspace);
        }
        let part = self.draw(image.size(), draws);
        crop(image, part, workspace);
    }
}
