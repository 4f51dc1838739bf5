//! Rotation, translation, scaling and shear at once.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::rotation::{MAXIMUM_DEGREES, check_center, from_centre};
use super::{Apply, Fill, Interpolation, Places, Span, parameters, warp};

/// torchvision `RandomAffine`: rotation, translation, scaling and shear around the centre, each
/// drawn uniformly, in one reading of the image. Angles turn clockwise, as torchvision's do here
/// (its rotation turns anticlockwise).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Affine {
    /// `[low, high]` in degrees, or `d` for `[-d, d]`.
    pub degrees: Span,
    /// Largest shift as shares of width and height, `[a, b]`: whole pixels in `[-a w, a w]` and
    /// `[-b h, b h]`. None unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub translate: Option<[f64; 2]>,
    /// `[low, high]` of the scale; 1 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<[f64; 2]>,
    /// Shear in degrees: `s` for `[-s, s]` along x, `[low, high]` along x, or
    /// `[x low, x high, y low, y high]`. None unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shear: Option<Shear>,
    /// How values between pixels are read.
    #[serde(default)]
    pub interpolation: Interpolation,
    /// What stands where there was no image.
    #[serde(default)]
    pub fill: Fill,
    /// Point that stays where it is, `[x, y]` in pixels from the upper left corner; the centre of
    /// the image unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub center: Option<[f64; 2]>,
}

/// Shear along x, or along both axes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "shear must be a number, [low, high] or [x low, x high, y low, y high]"
)]
pub enum Shear {
    /// Along x only.
    X(Span),
    /// `[x low, x high, y low, y high]`.
    Both([f64; 4]),
}

/// One draw of an [`Affine`]: what `torchvision.transforms.v2.functional.affine` takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AffineDraw {
    /// Degrees, clockwise.
    pub angle: f64,
    /// Pixels to the right and down.
    pub translate: [f64; 2],
    /// Above 1 enlarges.
    pub scale: f64,
    /// Degrees along x and y.
    pub shear: [f64; 2],
}

impl Affine {
    /// Draws angle, shift, scale and shear, in torchvision's order.
    pub(super) fn draw(&self, image: &Image, draws: &mut Stream) -> AffineDraw {
        let angle = parameters::draw(draws, self.degrees.around_zero());
        let translate = self.translate.map_or([0.0; 2], |[a, b]| {
            [a * image.width as f64, b * image.height as f64].map(|most| {
                // Ties to even, as Python's `round`.
                parameters::draw(draws, [-most, most]).round_ties_even()
            })
        });
        let scale = self.scale.map_or(1.0, |span| parameters::draw(draws, span));
        let shear = match self.shear {
            None => [0.0; 2],
            Some(Shear::X(span)) => [parameters::draw(draws, span.around_zero()), 0.0],
            Some(Shear::Both([x0, x1, y0, y1])) => [
                parameters::draw(draws, [x0, x1]),
                parameters::draw(draws, [y0, y1]),
            ],
        };
        AffineDraw {
            angle,
            translate,
            scale,
            shear,
        }
    }
}

/// A shear of 90 degrees flattens the image to a line.
const MAXIMUM_SHEAR: f64 = 89.0;
/// Bounds of the scale.
const SCALES: [f64; 2] = [1e-3, 1e3];

impl Apply for Affine {
    const KIND: &'static str = "affine";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        Places::Moves
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        self.degrees
            .check("degrees", [-MAXIMUM_DEGREES, MAXIMUM_DEGREES])?;
        if let Some([x, y]) = self.translate
            && !((0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y))
        {
            return Err(format!(
                "`translate` is [{x}, {y}]; both are shares of the image, in 0 to 1"
            ));
        }
        if let Some(scale) = self.scale {
            parameters::check_pair("scale", scale, SCALES)?;
        }
        let bounds = [-MAXIMUM_SHEAR, MAXIMUM_SHEAR];
        match self.shear {
            None => {}
            Some(Shear::X(span)) => span.check("shear", bounds)?,
            Some(Shear::Both([x0, x1, y0, y1])) => {
                parameters::check_pair("shear", [x0, x1], bounds)?;
                parameters::check_pair("shear", [y0, y1], bounds)?;
            }
        }
        self.fill.check("fill", before.shape.channels)?;
        check_center(self.center)?;
        Ok(before)
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, workspace: &mut Workspace) {
        let draw = self.draw(image, draws);
        affine(
            image,
            draw,
            self.interpolation,
            self.center,
            &self.fill,
            workspace,
        );
    }
}

/// torchvision's `affine`.
pub(super) fn affine(
    image: &mut Image,
    draw: AffineDraw,
    interpolation: Interpolation,
    center: Option<[f64; 2]>,
    fill: &Fill,
    workspace: &mut Workspace,
) {
    let centre = from_centre(image, center);
    let matrix = warp::inverse_matrix(centre, draw.angle, draw.translate, draw.scale, draw.shear);
    warp::warp(image, matrix, interpolation, fill, workspace);
}
