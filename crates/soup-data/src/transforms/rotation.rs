//! Rotation around the centre, or around a given point.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::rot90::quarter_turns;
use super::{Apply, Fill, Interpolation, Places, Span, parameters, warp};

/// torchvision `RandomRotation`: by an angle drawn uniformly, anticlockwise, the size kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// `[low, high]` in degrees, or `d` for `[-d, d]`.
    pub degrees: Span,
    /// How values between pixels are read.
    #[serde(default)]
    pub interpolation: Interpolation,
    /// Must be false: an image that grows with its angle fits into no batch.
    #[serde(default)]
    pub expand: bool,
    /// Point that stays where it is, `[x, y]` in pixels from the upper left corner; the centre of
    /// the image unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub center: Option<[f64; 2]>,
    /// What stands where there was no image.
    #[serde(default)]
    pub fill: Fill,
}

/// Degrees beyond which an angle is taken for a mistake.
pub(super) const MAXIMUM_DEGREES: f64 = 36_000.0;

impl Apply for Rotation {
    const KIND: &'static str = "rotation";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        Places::Moves
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        let bounds = [-MAXIMUM_DEGREES, MAXIMUM_DEGREES];
        self.degrees.check("degrees", bounds)?;
        self.fill.check("fill", before.shape.channels)?;
        check_center(self.center)?;
        if self.expand {
            return Err(
                "`expand = true` would give every image its own size; pad before it instead".into(),
            );
        }
        Ok(before)
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, workspace: &mut Workspace) {
        let angle = parameters::draw(draws, self.degrees.around_zero());
        rotate(
            image,
            angle,
            self.interpolation,
            self.center,
            &self.fill,
            workspace,
        );
    }
}

/// Checks a point.
pub(super) fn check_center(center: Option<[f64; 2]>) -> Result<(), String> {
    match center {
        Some([x, y]) if !(x.is_finite() && y.is_finite()) => {
            Err("`center` must be two finite numbers, [x, y]".into())
        }
        _ => Ok(()),
    }
}

/// A point measured from the centre of the image.
pub(super) fn from_centre(image: &Image, center: Option<[f64; 2]>) -> [f64; 2] {
    center.map_or([0.0, 0.0], |[x, y]| {
        [x - image.width as f64 * 0.5, y - image.height as f64 * 0.5]
    })
}

/// torchvision's `rotate`: anticlockwise by `angle` degrees.
pub(super) fn rotate(
    image: &mut Image,
    angle: f64,
    interpolation: Interpolation,
    center: Option<[f64; 2]>,
    fill: &Fill,
    workspace: &mut Workspace,
) {
    let angle = angle.rem_euclid(360.0);
    if center.is_none() {
        let square = image.width == image.height;
        let turns = match angle {
            0.0 | 360.0 => Some(0),
            90.0 if square => Some(1),
            180.0 => Some(2),
            270.0 if square => Some(3),
            _ => None,
        };
        if let Some(turns) = turns {
            return quarter_turns(image, turns, workspace);
        }
    }
    let centre = from_centre(image, center);
    let matrix = warp::inverse_matrix(centre, -angle, [0.0; 2], 1.0, [0.0; 2]);
    warp::warp(image, matrix, interpolation, fill, workspace);
}
