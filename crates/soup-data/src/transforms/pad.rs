//! A frame around an image.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::{Apply, Fill, Places};

/// torchvision `Pad`: a frame around the image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pad {
    /// Pixels: one number for all sides, `[left and right, top and bottom]`, or `[left, top, right,
    /// bottom]`.
    pub padding: Padding,
    /// What stands in the frame, for `constant`.
    #[serde(default)]
    pub fill: Fill,
    /// How the frame is filled.
    #[serde(default)]
    pub padding_mode: PaddingMode,
}

/// Width of the frame in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "padding must be a whole number, [left and right, top and bottom] or \
                 [left, top, right, bottom]"
)]
pub enum Padding {
    /// The same on all sides.
    All(usize),
    /// `[left and right, top and bottom]`.
    Sides([usize; 2]),
    /// `[left, top, right, bottom]`.
    Each([usize; 4]),
}

/// How a frame is filled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaddingMode {
    /// With `fill`.
    #[default]
    Constant,
    /// With the nearest pixel of the border.
    Edge,
    /// Mirrored at the border, the border not repeated: `3 2 | 1 2 3`.
    Reflect,
    /// Mirrored at the border, the border repeated: `2 1 | 1 2 3`.
    Symmetric,
}

impl PaddingMode {
    /// Where the value at `position` of an axis of `len` pixels comes from; `None` is the fill.
    pub(super) fn source(self, position: isize, len: usize) -> Option<usize> {
        let last = len as isize - 1;
        let source = match self {
            _ if (0..=last).contains(&position) => position,
            Self::Constant => return None,
            Self::Edge => position.clamp(0, last),
            Self::Reflect if last == 0 => 0,
            // As often as needed, for filters that reach further than a small image.
            Self::Reflect => {
                let at = position.rem_euclid(2 * last);
                at.min(2 * last - at)
            }
            Self::Symmetric if position < 0 => -position - 1,
            Self::Symmetric => 2 * last + 1 - position,
        };
        Some(source as usize)
    }
}

impl Padding {
    /// `[left, top, right, bottom]`.
    pub(super) fn sides(self) -> [usize; 4] {
        match self {
            Self::All(side) => [side; 4],
            Self::Sides([x, y]) => [x, y, x, y],
            Self::Each(sides) => sides,
        }
    }
}

impl Pad {
    /// `[left, top, right, bottom]`.
    pub(super) fn sides(&self) -> [usize; 4] {
        self.padding.sides()
    }
}

impl Apply for Pad {
    const KIND: &'static str = "pad";
    const RANDOM: bool = false;

    fn places(&self) -> Places {
        Places::Moves
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        let [left, top, right, bottom] = self.sides();
        let (height, width) = (before.shape.height, before.shape.width);
        let most = |across: usize, limit: usize, name: &str| {
            if across > limit {
                Err(format!(
                    "`padding` is {across} on one side; the image is {name} here, and \
                     `{:?}` allows at most {limit}",
                    self.padding_mode
                ))
            } else {
                Ok(())
            }
        };
        let shrink = match self.padding_mode {
            PaddingMode::Constant | PaddingMode::Edge => None,
            PaddingMode::Reflect => Some(1),
            PaddingMode::Symmetric => Some(0),
        };
        if let Some(shrink) = shrink {
            most(left.max(right), width - shrink, &format!("{width} wide"))?;
            most(top.max(bottom), height - shrink, &format!("{height} high"))?;
        }
        self.fill.check("fill", before.shape.channels)?;
        let sum = |low: usize, size: usize, high: usize| {
            low.checked_add(size)
                .and_then(|sum| sum.checked_add(high))
                .ok_or_else(|| String::from("`padding` is too large"))
        };
        Ok(before.sized(sum(top, height, bottom)?, sum(left, width, right)?))
    }

    fn apply(&self, image: &mut Image, _: &mut Stream, workspace: &mut Workspace) {
        frame(
            image,
            self.sides(),
            &self.fill,
            self.padding_mode,
            workspace,
        );
    }
}

/// Pads an image, and moves its boxes.
pub(super) fn frame(
    image: &mut Image,
    sides: [usize; 4],
    fill: &Fill,
    mode: PaddingMode,
    workspace: &mut Workspace,
) {
    let before = image.size();
    pad(image, sides, fill, mode, workspace);
    let (left, top) = (sides[0] as f64, sides[1] as f64);
    workspace
        .boxes
        .moved(before, image.size(), |[x, y]| [x + left, y + top]);
}

/// The rows that a row of a filtered image is made of, of an image with a frame.
pub(super) struct Around<'a> {
    values: &'a [f32],
    /// Values of a framed row.
    line: usize,
    channels: usize,
}

impl<'a> Around<'a> {
    /// So many framed rows, one after the other.
    #[cfg(test)]
    pub fn new(values: &'a [f32], line: usize, channels: usize) -> Self {
        Self {
            values,
            line,
            channels,
        }
    }

    /// The values of the row `down` rows and `across` pixels further, counted from the corner of the frame.
    #[inline(always)]
    pub fn shifted(&self, down: usize, across: usize) -> &'a [f32] {
        &self.values[down * self.line + across * self.channels..]
    }
}

/// Makes every row of an image anew from those within `reach` rows and pixels of it.
pub(super) fn filter(
    image: &mut Image,
    reach: usize,
    mode: PaddingMode,
    workspace: &mut Workspace,
    mut row: impl FnMut(&Around<'_>, &mut [f32]),
) {
    let (height, width, channels) = (image.height, image.width, image.channels);
    pad(image, [reach; 4], &Fill::default(), mode, workspace);
    let line = image.width * channels;
    let to = workspace.spare(height * width * channels);
    for (at, to) in to.chunks_exact_mut(width * channels).enumerate() {
        let values = &image.values[at * line..][..(2 * reach + 1) * line];
        let around = Around {
            values,
            line,
            channels,
        };
        row(&around, to);
    }
    (image.height, image.width) = (height, width);
    std::mem::swap(&mut image.values, &mut workspace.spare);
}

/// torchvision's `pad` by `[left, top, right, bottom]` pixels.
pub(super) fn pad(
    image: &mut Image,
    [left, top, right, bottom]: [usize; 4],
    fill: &Fill,
    mode: PaddingMode,
    workspace: &mut Workspace,
) {
    let channels = image.channels;
    let (height, width) = (image.height + top + bottom, image.width + left + right);
    let to = workspace.spare(height * width * channels);
    for (row, to) in to.chunks_exact_mut(width * channels).enumerate() {
        let Some(from) = mode.source(row as isize - top as isize, image.height) else {
            super::warp::fill_pixels(to, fill, channels);
            continue;
        };
        let stride = image.width * channels;
        let from = &image.values[from * stride..(from + 1) * stride];
        to[left * channels..left * channels + stride].copy_from_slice(from);
        for column in (0..left).chain(left + image.width..width) {
            let pixel = &mut to[column * channels..(column + 1) * channels];
            match mode.source(column as isize - left as isize, image.width) {
                Some(source) => {
                    pixel.copy_from_slice(&from[source * channels..(source + 1) * channels]);
                }
                None => super::warp::fill_pixels(pixel, fill, channels),
            }
        }
    }
    std::mem::swap(&mut image.values, &mut workspace.spare);
    image.height = height;
    image.width = width;
}
