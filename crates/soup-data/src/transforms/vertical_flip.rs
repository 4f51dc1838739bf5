//! Top for bottom.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::{Apply, Places, parameters};

/// torchvision `RandomVerticalFlip`: top for bottom with probability `p`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerticalFlip {
    /// Probability.
    #[serde(default = "parameters::half")]
    pub p: f64,
}

impl Apply for VerticalFlip {
    const KIND: &'static str = "vertical_flip";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        Places::Moves
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        parameters::check_probability(self.p).map(|()| before)
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, workspace: &mut Workspace) {
        if parameters::chance(draws, self.p) {
            vertical_flip(image);
            let (size, height) = (image.size(), image.height as f64);
            workspace.boxes.moved(size, size, |[x, y]| [x, height - y]);
        }
    }
}

/// Top for bottom.
pub(super) fn vertical_flip(image: &mut Image) {
    let stride = image.width * image.channels;
    let (upper, lower) = image.values.split_at_mut(image.height.div_ceil(2) * stride);
    // With an odd height the middle row stays: it is the last of `upper`, and has no partner.
    for (top, bottom) in upper
        .chunks_exact_mut(stride)
        .zip(lower.chunks_exact_mut(stride).rev())
    {
        top.swap_with_slice(bottom);
    }
}
