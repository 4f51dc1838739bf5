//! Fewer levels.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::{Apply, Places, parameters};

/// torchvision `RandomPosterize`: with probability `p`, only the highest bits of every level stay. What that is to bytes
/// is done on either scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Posterize {
    /// Bits that stay, 0 to 8.
    pub bits: u32,
    /// Probability.
    #[serde(default = "parameters::half")]
    pub p: f64,
}

impl Apply for Posterize {
    const KIND: &'static str = "posterize";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        Places::Keeps
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        parameters::check_probability(self.p)?;
        before.maximum()?;
        if self.bits > 8 {
            return Err(format!("`bits` is {}; give 0 to 8", self.bits));
        }
        Ok(before)
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, _: &mut Workspace) {
        if parameters::chance(draws, self.p) {
            posterize(image, self.bits);
        }
    }
}

/// torchvision's `posterize` of bytes.
pub(super) fn posterize(image: &mut Image, bits: u32) {
    let to_bytes = 255.0 / image.scale.maximum().unwrap_or(255.0);
    let step = (256 >> bits) as f32;
    if bits >= 8 {
        return;
    }
    // A byte that came through the 0..1 scale may lie a rounding below itself.
    let (factor, slack) = (to_bytes / step, 1e-3 / step);
    let back = step / to_bytes;
    for value in &mut image.values {
        // What is added to this number is rounded to a whole one, in vectors.
        let rounded = (*value * factor + (slack - 0.5)) + ROUND;
        *value = (rounded - ROUND) * back;
    }
}

/// 1.5 times 2^23, whose last digit is 1.
const ROUND: f32 = 12_582_912.0;
