//! Stripes of the image made wider and narrower.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::elastic::bilinear;
use super::image::{Form, Image, Workspace};
use super::{Apply, Fill, Interpolation, Places, Span, parameters, warp};

/// Grid distortion, as albumentations' `GridDistortion` with `normalized=True`: a grid of equal cells
/// is laid over the image, its columns and its rows get widths of their own, and all of it is
/// stretched back to the image's size, so that nothing leaves the image. albumentations counts in
/// whole pixels and leaves a remainder out; cells here are exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GridDistortion {
    /// Probability.
    #[serde(default = "parameters::half")]
    pub p: f64,
    /// Cells along each side.
    #[serde(default = "default_steps")]
    pub num_steps: usize,
    /// A width is multiplied by 1 + a draw in `[low, high]`, or in `[-d, d]` for one number; above
    /// -1 and at most 1.
    #[serde(default = "default_limit")]
    pub distort_limit: Span,
    /// How values between pixels are read.
    #[serde(default = "bilinear")]
    pub interpolation: Interpolation,
}

fn default_steps() -> usize {
    5
}

fn default_limit() -> Span {
    Span::One(0.3)
}

/// Most cells along a side.
const MAXIMUM_STEPS: usize = 100;
/// The least limit: cells keep a width.
const LIMITS: [f64; 2] = [-0.99, 1.0];

impl Apply for GridDistortion {
    const KIND: &'static str = "grid_distortion";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        Places::Loses
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        parameters::check_probability(self.p)?;
        if !(1..=MAXIMUM_STEPS).contains(&self.num_steps) {
            return Err(format!(
                "`num_steps` is {}; give 1 to {MAXIMUM_STEPS}",
                self.num_steps
            ));
        }
        // One number has to serve downwards too.
        let [low, high] = self.distort_limit.around_zero();
        parameters::check_pair("distort_limit", [low, high], LIMITS)?;
        Ok(before)
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, workspace: &mut Workspace) {
        if !parameters::chance(draws, self.p) {
            return;
        }
        let mut fields = std::mem::take(&mut workspace.fields);
        let limit = self.distort_limit.around_zero();
        for widths in &mut fields[..2] {
            widths.clear();
            widths.extend((0..self.num_steps).map(|_| 1.0 + parameters::draw(draws, limit)));
        }
        distort(
            image,
            [&fields[0], &fields[1]],
            self.interpolation,
            workspace,
        );
        workspace.fields = fields;
    }
}

/// Reads equal columns and rows from ones of these widths (any unit, above 0).
pub(super) fn distort(
    image: &mut Image,
    [columns, rows]: [&[f64]; 2],
    interpolation: Interpolation,
    workspace: &mut Workspace,
) {
    let (height, width) = (image.height, image.width);
    let source =
        |row: usize, column: usize| [place(column, columns, width), place(row, rows, height)];
    warp::remap(image, source, interpolation, &Fill::default(), workspace);
}

/// Where the centre of pixel `at` of a side of `side` pixels is read; the border is repeated.
fn place(at: usize, widths: &[f64], side: usize) -> f64 {
    let cells = (at as f64 + 0.5) / side as f64 * widths.len() as f64;
    let cell = (cells as usize).min(widths.len() - 1);
    let before: f64 = widths[..cell].iter().sum();
    let total: f64 = widths.iter().sum();
    let share = (before + (cells - cell as f64) * widths[cell]) / total;
    (share * side as f64 - 0.5).clamp(0.0, side as f64 - 1.0)
}
