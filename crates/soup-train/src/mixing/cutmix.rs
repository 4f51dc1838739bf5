//! A rectangle of another image pasted in.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use soup_data::ImageShape;
use soup_random::Stream;

/// CutMix (Yun et al., "CutMix: Regularization strategy to train strong classifiers with localizable
/// features", ICCV 2019): a rectangle of the other image stands in the image, and labels count by area.
/// The rectangle has the image's aspect and the area that a draw from Beta(alpha, alpha) leaves; its
/// centre is drawn evenly and what would stand outside is cut off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cutmix {
    /// Parameter of the Beta distribution; 1 draws evenly.
    pub alpha: f64,
    /// Share of the images that are mixed, in `(0, 1]`.
    pub share: f64,
}

impl Default for Cutmix {
    fn default() -> Self {
        Self {
            alpha: 1.0,
            share: 0.5,
        }
    }
}

/// Rows and columns of a rectangle.
type Rectangle = [Range<usize>; 2];

/// Pastes a rectangle with a drawn centre; gives the share of the image that is still its own.
pub(super) fn paste(
    own: &mut [f32],
    other: &[f32],
    shape: ImageShape,
    own_share: f64,
    draws: &mut Stream,
) -> f64 {
    let x = draws.below(shape.width as u32) as usize;
    let y = draws.below(shape.height as u32) as usize;
    let place = rectangle(shape, own_share, [y, x]);
    paste_at(own, other, shape, &place)
}

/// torchvision's rectangle around `[row, column]`.
pub(super) fn rectangle(shape: ImageShape, own_share: f64, centre: [usize; 2]) -> Rectangle {
    let radius = 0.5 * (1.0 - own_share).sqrt();
    let side = |centre: usize, len: usize| {
        let half = (radius * len as f64) as usize;
        centre.saturating_sub(half)..(centre + half).min(len)
    };
    [side(centre[0], shape.height), side(centre[1], shape.width)]
}

/// Copies a rectangle; gives the share of the image outside of it.
pub(super) fn paste_at(
    own: &mut [f32],
    other: &[f32],
    shape: ImageShape,
    [rows, columns]: &Rectangle,
) -> f64 {
    let stride = shape.width * shape.channels;
    for row in rows.clone() {
        let line = row * stride + columns.start * shape.channels;
        let line = line..line + columns.len() * shape.channels;
        own[line.clone()].copy_from_slice(&other[line]);
    }
    let area = rows.len() * columns.len();
    1.0 - area as f64 / (shape.height * shape.width) as f64
}
