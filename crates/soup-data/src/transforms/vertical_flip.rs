//! Top for bottom.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::picture::{Form, Picture, Workspace};
use super::{Step, parameters};

/// torchvision `RandomVerticalFlip`: top for bottom with probability `p`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerticalFlip {
    /// Probability.
    #[serde(default = "parameters::half")]
    pub p: f64,
}

impl Step for VerticalFlip {
    const KIND: &'static str = "vertical_flip";
    const RANDOM: bool = true;

    fn check(&self, before: Form) -> Result<Form, String> {
        parameters::check_probability(self.p).map(|()| before)
    }

    fn apply(&self, picture: &mut Picture, draws: &mut Stream, _: &mut Workspace) {
        if parameters::chance(draws, self.p) {
            vertical_flip(picture);
        }
    }
}

/// Top for bottom.
pub(super) fn vertical_flip(picture: &mut Picture) {
    let stride = picture.width * picture.channels;
    let (upper, lower) = picture
        .values
        .split_at_mut(picture.height.div_ceil(2) * stride);
    // With an odd height the middle row stays: it is the last of `upper`, and has no partner.
    for (top, bottom) in upper
        .chunks_exact_mut(stride)
        .zip(lower.chunks_exact_mut(stride).rev())
    {
        top.swap_with_slice(bottom);
    }
}
