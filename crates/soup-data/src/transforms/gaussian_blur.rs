//! Out of focus.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::pad::{PaddingMode, pad};
use super::resize::weighted_sum;
use super::{Apply, Fill, Places, parameters};

/// torchvision `GaussianBlur`: a Gaussian of a random deviation, the border mirrored. Always: `random_apply` around it blurs
/// some images only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianBlur {
    /// Pixels across which it reaches, odd: one number, or `[x, y]`. 1 to 255.
    pub kernel_size: KernelSize,
    /// Deviation in pixels, `[low, high]`.
    #[serde(default = "default_sigma")]
    pub sigma: [f64; 2],
}

/// The sides of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a kernel's size must be an odd number or [x, y] of them"
)]
pub enum KernelSize {
    /// As wide as high.
    Square(usize),
    /// `[x, y]`.
    Each([usize; 2]),
}

impl KernelSize {
    fn pair(self) -> [usize; 2] {
        match self {
            Self::Square(side) => [side; 2],
            Self::Each(sides) => sides,
        }
    }
}

fn default_sigma() -> [f64; 2] {
    [0.1, 2.0]
}

/// Largest side of a kernel.
const MAXIMUM: usize = 255;

impl Apply for GaussianBlur {
    const KIND: &'static str = "gaussian_blur";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        Places::Keeps
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        let fits = |side: &usize| side % 2 == 1 && *side <= MAXIMUM;
        if let Some(side) = self.kernel_size.pair().iter().find(|side| !fits(side)) {
            return Err(format!(
                "`kernel_size` is {side}; give an odd number of 1 to {MAXIMUM}"
            ));
        }
        parameters::check_pair("sigma", self.sigma, [1e-3, 1e3])?;
        Ok(before)
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, workspace: &mut Workspace) {
        let sigma = parameters::draw(draws, self.sigma);
        gaussian_blur(image, self.kernel_size.pair(), sigma, workspace);
    }
}

/// torchvision's `gaussian_blur`: down and then across.
pub(super) fn gaussian_blur(
    image: &mut Image,
    [wide, high]: [usize; 2],
    sigma: f64,
    workspace: &mut Workspace,
) {
    let [height, width] = image.size();
    let (x, y) = (wide / 2, high / 2);
    let frame = [x, y, x, y];
    pad(
        image,
        frame,
        &Fill::default(),
        PaddingMode::Reflect,
        workspace,
    );
    let channels = image.channels;
    let (line, row_len) = (image.width * channels, width * channels);
    let mut weights = [0.0; MAXIMUM];
    kernel(sigma, &mut weights[..high]);
    let between = workspace.spare(height * line);
    for (row, to) in between.chunks_exact_mut(line).enumerate() {
        weighted_sum(&image.values[row * line..], line, &weights[..high], to);
    }
    kernel(sigma, &mut weights[..wide]);
    image.values.resize(height * row_len, 0.0);
    let rows = image.values.chunks_exact_mut(row_len);
    for (to, from) in rows.zip(between.chunks_exact(line)) {
        weighted_sum(from, channels, &weights[..wide], to);
    }
    (image.height, image.width) = (height, width);
}

/// torchvision's weights: the Gaussian is read at places up to `(size - 1) / (2 sqrt 2)` so that its square needs no half.
fn kernel(sigma: f64, weights: &mut [f32]) {
    let middle = (weights.len() / 2) as f64;
    let value = |at: usize| (-0.5 * ((at as f64 - middle) / sigma).powi(2)).exp();
    let sum: f64 = (0..weights.len()).map(value).sum();
    for (at, weight) in weights.iter_mut().enumerate() {
        *weight = (value(at) / sum) as f32;
    }
}
