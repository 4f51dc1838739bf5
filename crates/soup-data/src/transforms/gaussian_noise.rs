//! Normal noise on every value.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::{Apply, Places};

/// torchvision `GaussianNoise`: adds a normal draw to every value. `mean` and `sigma` are on the
/// 0..1 scale whichever scale the image is on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianNoise {
    /// Mean of the noise.
    #[serde(default)]
    pub mean: f64,
    /// Standard deviation of the noise.
    #[serde(default = "default_sigma")]
    pub sigma: f64,
    /// Whether values are cut off at the ends of the scale afterwards.
    #[serde(default = "yes")]
    pub clip: bool,
}

fn default_sigma() -> f64 {
    0.1
}

fn yes() -> bool {
    true
}

/// Noise beyond this many times the scale is taken for a mistake.
const MAXIMUM: f64 = 1000.0;

impl Apply for GaussianNoise {
    const KIND: &'static str = "gaussian_noise";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        Places::Keeps
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        before.maximum()?;
        if !(0.0..=MAXIMUM).contains(&self.sigma) {
            return Err(format!("`sigma` is {}; it must be at least 0", self.sigma));
        }
        if !(-MAXIMUM..=MAXIMUM).contains(&self.mean) {
            return Err(format!("`mean` is {}; give a number in 0..1", self.mean));
        }
        Ok(before)
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, _: &mut Workspace) {
        let maximum = image.scale.maximum().unwrap_or(1.0);
        let (mean, sigma) = (self.mean as f32 * maximum, self.sigma as f32 * maximum);
        for value in &mut image.values {
            *value += mean + draws.normal() * sigma;
            if self.clip {
                *value = value.clamp(0.0, maximum);
            }
        }
    }
}
