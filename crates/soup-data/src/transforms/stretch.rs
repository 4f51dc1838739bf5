//! A range of grey levels stretched over all of them.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, ValueScale, Workspace};
use super::{Apply, Places};

/// Linear stretch between two levels, as scikit-image's `rescale_intensity` with
/// `in_range=(low, high)`: `low` becomes black, `high` white, what lies beyond is cut off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stretch {
    /// The level that becomes black, on the 0..255 scale whichever scale the image is on.
    pub low: f32,
    /// The level that becomes white, likewise; above `low`.
    pub high: f32,
}

impl Stretch {
    /// Factor and summand for values on this scale.
    pub(super) fn coefficients(&self, scale: ValueScale) -> (f32, f32) {
        let maximum = f64::from(scale.maximum().unwrap_or(255.0));
        let (low, high) = (f64::from(self.low), f64::from(self.high));
        let factor = 255.0 / (high - low);
        (factor as f32, (-low / (high - low) * maximum) as f32)
    }
}

impl Apply for Stretch {
    const KIND: &'static str = "stretch";
    const RANDOM: bool = false;

    fn places(&self) -> Places {
        Places::Keeps
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        before.maximum()?;
        let ordered = self.high - self.low >= 1.0;
        if !ordered || self.low < 0.0 || self.high > 255.0 {
            return Err(format!(
                "`low` is {} and `high` {}; give 0 <= low < high <= 255, at least 1 apart",
                self.low, self.high
            ));
        }
        Ok(before)
    }

    fn apply(&self, image: &mut Image, _: &mut Stream, _: &mut Workspace) {
        let (factor, summand) = self.coefficients(image.scale);
        let maximum = image.scale.maximum().unwrap_or(255.0);
        for value in &mut image.values {
            *value = (*value * factor + summand).clamp(0.0, maximum);
        }
    }
}
