//! Light for dark where it is light.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::{Apply, Places, parameters};

/// torchvision `RandomSolarize`: with probability `p`, values of at least a threshold are inverted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Solarize {
    /// From this level on, on the 0..255 scale whichever scale the image is on; 0 to 255.
    pub threshold: f32,
    /// Probability.
    #[serde(default = "parameters::half")]
    pub p: f64,
}

impl Apply for Solarize {
    const KIND: &'static str = "solarize";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        Places::Keeps
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        parameters::check_probability(self.p)?;
        before.maximum()?;
        if !(0.0..=255.0).contains(&self.threshold) {
            return Err(format!(
                "`threshold` is {}; it must lie in 0 to 255",
                self.threshold
            ));
        }
        Ok(before)
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, _: &mut Workspace) {
        if parameters::chance(draws, self.p) {
            solarize(image, self.threshold / 255.0);
        }
    }
}

/// torchvision's `solarize`; the threshold is a share of the scale.
pub(super) fn solarize(image: &mut Image, threshold: f32) {
    let most = image.scale.maximum().unwrap_or(1.0);
    let threshold = threshold * most;
    for value in &mut image.values {
        *value = if *value >= threshold {
            most - *value
        } else {
            *value
        };
    }
}
