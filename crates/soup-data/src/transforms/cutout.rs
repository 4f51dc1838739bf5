//! Random squares wiped out.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::random_erasing::{Rectangle, erase};
use super::{Apply, Fill, Places, parameters};

/// Cutout (DeVries and Taylor, 2017, "Improved regularization of convolutional neural networks with
/// cutout"): squares whose centres are drawn uniformly over the image, cut off at its border.
/// torchvision has none; names are those of the authors' code, with `p` as torchvision's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cutout {
    /// Probability.
    #[serde(default = "parameters::half")]
    pub p: f64,
    /// Number of squares.
    #[serde(default = "one")]
    pub n_holes: usize,
    /// Side of a square in pixels.
    pub length: usize,
    /// What stands in the squares.
    #[serde(default)]
    pub fill: Fill,
}

fn one() -> usize {
    1
}

/// More squares are taken for a mistake.
const MAXIMUM_HOLES: usize = 1000;

impl Apply for Cutout {
    const KIND: &'static str = "cutout";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        Places::Keeps
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        parameters::check_probability(self.p)?;
        if !(1..=MAXIMUM_HOLES).contains(&self.n_holes) {
            return Err(format!(
                "`n_holes` is {}; give 1 to {MAXIMUM_HOLES}",
                self.n_holes
            ));
        }
        let longest = before.shape.height.max(before.shape.width);
        if !(1..=2 * longest).contains(&self.length) {
            return Err(format!(
                "`length` is {}; give 1 to {}, twice the longer side",
                self.length,
                2 * longest
            ));
        }
        self.fill.check("fill", before.shape.channels)?;
        Ok(before)
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, _: &mut Workspace) {
        if !parameters::chance(draws, self.p) {
            return;
        }
        for _ in 0..self.n_holes {
            let row = draws.below(image.height as u32) as usize;
            let column = draws.below(image.width as u32) as usize;
            let (top, height) = self.extent(row, image.height);
            let (left, width) = self.extent(column, image.width);
            let place = Rectangle {
                top,
                left,
                height,
                width,
            };
            erase(image, place, |channel| self.fill.of(channel));
        }
    }
}

impl Cutout {
    /// First pixel and number of pixels of a square around `centre` along an axis of `len` pixels.
    fn extent(&self, centre: usize, len: usize) -> (usize, usize) {
        let first = centre.saturating_sub(self.length / 2);
        let end = (centre + self.length - self.length / 2).min(len);
        (first, end - first)
    }
}
