//! Things bent as if drawn on rubber.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::{Apply, ByAxis, Fill, Interpolation, PaddingMode, Places, warp};

/// torchvision `ElasticTransform` (Simard, Steinkraus and Platt, ICDAR 2003): every pixel is read
/// from a place a little off its own. How far off is uniform noise, blurred so that neighbours move
/// together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elastic {
    /// Strength, one number or `[x, y]`: before the blur a pixel is read from up to half of this
    /// many pixels away; the blur leaves a twentieth of it.
    #[serde(default = "default_alpha")]
    pub alpha: ByAxis,
    /// Standard deviation of the blur in pixels, one number or `[x, y]`; 0 for both does not blur.
    #[serde(default = "default_sigma")]
    pub sigma: ByAxis,
    /// How values between pixels are read.
    #[serde(default = "bilinear")]
    pub interpolation: Interpolation,
    /// What stands where there was no image.
    #[serde(default)]
    pub fill: Fill,
}

fn default_alpha() -> ByAxis {
    ByAxis::Same(50.0)
}

fn default_sigma() -> ByAxis {
    ByAxis::Same(5.0)
}

pub(super) fn bilinear() -> Interpolation {
    Interpolation::Bilinear
}

/// Strengths and blurs beyond these are taken for mistakes.
const MAXIMUM_ALPHA: f64 = 10_000.0;
const MAXIMUM_SIGMA: f64 = 200.0;

impl Apply for Elastic {
    const KIND: &'static str = "elastic";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        Places::Loses
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        self.alpha.check("alpha", MAXIMUM_ALPHA)?;
        self.sigma.check("sigma", MAXIMUM_SIGMA)?;
        self.fill.check("fill", before.shape.channels)?;
        let [x, y] = self.sigma.pair();
        if (x == 0.0) != (y == 0.0) {
            return Err("`sigma` is 0 along one axis only; give two numbers above 0, or 0".into());
        }
        let reach = reach(x).max(reach(y));
        let side = before.shape.height.min(before.shape.width);
        if reach >= side {
            return Err(format!(
                "`sigma` makes a blur that reaches {reach} pixels far; the image has only {side} \
                 on its shorter side here"
            ));
        }
        Ok(before)
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, workspace: &mut Workspace) {
        let pixels = image.height * image.width;
        for field in &mut workspace.fields[..2] {
            field.clear();
            field.extend((0..pixels).map(|_| f64::from(draws.uniform()) * 2.0 - 1.0));
        }
        self.bend(image, workspace);
    }
}

impl Elastic {
    /// Bends by the noise in the first two fields of the workspace, in -1 to 1, one value a pixel:
    /// along x and along y.
    pub(super) fn bend(&self, image: &mut Image, workspace: &mut Workspace) {
        let (height, width) = (image.height, image.width);
        let (alpha, sigma) = (self.alpha.pair(), self.sigma.pair());
        let mut fields = std::mem::take(&mut workspace.fields);
        let [x, y, spare] = &mut fields;
        for (field, own) in [(&mut *x, sigma[0]), (&mut *y, sigma[1])] {
            if own > 0.0 {
                // torchvision's kernels are as long as the field's own deviation asks, both ways.
                let kernels = sigma.map(|sigma| kernel(sigma, reach(own)));
                blur(field, [height, width], &kernels, spare);
            }
        }
        // Half, as torchvision's coordinates run over 2 from border to border.
        let source = |row: usize, column: usize| {
            let at = row * width + column;
            [
                column as f64 + 0.5 * alpha[0] * x[at],
                row as f64 + 0.5 * alpha[1] * y[at],
            ]
        };
        warp::remap(image, source, self.interpolation, &self.fill, workspace);
        workspace.fields = fields;
    }
}

/// Pixels on either side that the blur of a deviation takes in: torchvision's `int(8 sigma + 1)`,
/// made odd, less its middle, by half.
fn reach(sigma: f64) -> usize {
    ((8.0 * sigma + 1.0) as usize | 1) / 2
}

/// Weights of a Gaussian blur that takes in `reach` pixels on either side.
fn kernel(sigma: f64, reach: usize) -> Vec<f64> {
    let weight = |at: usize| (-(at as f64 - reach as f64).powi(2) / (2.0 * sigma * sigma)).exp();
    let weights: Vec<f64> = (0..=2 * reach).map(weight).collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / total).collect()
}

/// torchvision's `gaussian_blur`: the border is mirrored, itself not repeated.
fn blur(
    field: &mut [f64],
    [height, width]: [usize; 2],
    kernels: &[Vec<f64>; 2],
    spare: &mut Vec<f64>,
) {
    let reach = kernels[0].len() / 2;
    let source = |at: usize, len: usize| {
        // Of a mirrored border every place comes from somewhere.
        let place = PaddingMode::Reflect.source(at as isize - reach as isize, len);
        place.unwrap_or_default()
    };
    let padded = width + 2 * reach;
    spare.clear();
    spare.resize(field.len().max(padded), 0.0);
    for row in field.chunks_exact_mut(width) {
        for (at, to) in spare[..padded].iter_mut().enumerate() {
            *to = row[source(at, width)];
        }
        row.fill(0.0);
        for (tap, weight) in kernels[0].iter().enumerate() {
            for (to, value) in row.iter_mut().zip(&spare[tap..]) {
                *to += weight * value;
            }
        }
    }
    for (row, to) in spare[..field.len()].chunks_exact_mut(width).enumerate() {
        to.fill(0.0);
        for (tap, weight) in kernels[1].iter().enumerate() {
            let from = source(row + tap, height) * width;
            for (to, value) in to.iter_mut().zip(&field[from..from + width]) {
                *to += weight * value;
            }
        }
    }
    field.copy_from_slice(&spare[..field.len()]);
}
