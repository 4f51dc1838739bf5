//! Left for right.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::{Apply, Places, parameters};

/// torchvision `RandomHorizontalFlip`: left for right with probability `p`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HorizontalFlip {
    /// Probability.
    #[serde(default = "parameters::half")]
    pub p: f64,
}

impl Apply for HorizontalFlip {
    const KIND: &'static str = "horizontal_flip";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        Places::Moves
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        parameters::check_probability(self.p).map(|()| before)
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, workspace: &mut Workspace) {
        if parameters::chance(draws, self.p) {
            horizontal_flip(image);
            let (size, width) = (image.size(), image.width as f64);
            workspace.boxes.moved(size, size, |[x, y]| [width - x, y]);
        }
    }
}

/// Left for right.
pub(super) fn horizontal_flip(image: &mut Image) {
    let channels = image.channels;
    for row in image.values.chunks_exact_mut(image.width * channels) {
        row.reverse();
        // The channels of every pixel are now the wrong way round as well.
        if channels > 1 {
            row.chunks_exact_mut(channels).for_each(<[f32]>::reverse);
        }
    }
}
