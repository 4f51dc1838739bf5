//! Light for dark.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::{Apply, Places, parameters};

/// torchvision `RandomInvert`: with probability `p`, light for dark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invert {
    /// Probability.
    #[serde(default = "parameters::half")]
    pub p: f64,
}

impl Apply for Invert {
    const KIND: &'static str = "invert";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        Places::Keeps
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        parameters::check_probability(self.p)?;
        before.maximum()?;
        Ok(before)
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, _: &mut Workspace) {
        if parameters::chance(draws, self.p) {
            invert(image);
        }
    }
}

/// torchvision's `invert`.
fn invert(image: &mut Image) {
    let most = image.scale.maximum().unwrap_or(1.0);
    image
        .values
        .iter_mut()
        .for_each(|value| *value = most - *value);
}
