//! Left for right.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::picture::{Form, Picture, Workspace};
use super::{Step, parameters};

/// torchvision `RandomHorizontalFlip`: left for right with probability `p`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HorizontalFlip {
    /// Probability.
    #[serde(default = "parameters::half")]
    pub p: f64,
}

impl Step for HorizontalFlip {
    const KIND: &'static str = "horizontal_flip";
    const RANDOM: bool = true;

    fn check(&self, before: Form) -> Result<Form, String> {
        parameters::check_probability(self.p).map(|()| before)
    }

    fn apply(&self, picture: &mut Picture, draws: &mut Stream, _: &mut Workspace) {
        if parameters::chance(draws, self.p) {
            horizontal_flip(picture);
        }
    }
}

/// Left for right.
pub(super) fn horizontal_flip(picture: &mut Picture) {
    let channels = picture.channels;
    for row in picture.values.chunks_exact_mut(picture.width * channels) {
        row.reverse();
        // The channels of every pixel are now the wrong way round as well.
        if channels > 1 {
            row.chunks_exact_mut(channels).for_each(<[f32]>::reverse);
        }
    }
}
