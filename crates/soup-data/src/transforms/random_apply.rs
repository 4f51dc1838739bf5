//! All of several transforms, or none.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::{Apply, Places, Transform, composite, parameters};

/// torchvision `RandomApply`: with probability `p`, all of several transforms in their order. Left out in evaluation with all
/// that is in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomApply {
    /// The transforms, a list of tables of their own. None of them may change the shape or the scale of the image.
    pub transforms: Vec<Transform>,
    /// Probability.
    #[serde(default = "parameters::half")]
    pub p: f64,
}

impl Apply for RandomApply {
    const KIND: &'static str = "random_apply";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        composite::places(&self.transforms)
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        parameters::check_probability(self.p)?;
        composite::check(&self.transforms, before)
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, workspace: &mut Workspace) {
        if parameters::chance(draws, self.p) {
            for transform in &self.transforms {
                transform.apply(image, draws, workspace);
            }
        }
    }
}
