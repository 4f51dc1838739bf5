//! Several transforms in random order.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::{Apply, Places, Transform, composite};

/// torchvision `RandomOrder`: all of several transforms, in random order. Left out in evaluation with all that is in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomOrder {
    /// The transforms, a list of tables of their own. None of them may change the shape or the scale of the image.
    pub transforms: Vec<Transform>,
}

impl Apply for RandomOrder {
    const KIND: &'static str = "random_order";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        composite::places(&self.transforms)
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        composite::check(&self.transforms, before)
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, workspace: &mut Workspace) {
        let mut order: Vec<&Transform> = self.transforms.iter().collect();
        draws.shuffle(&mut order);
        for transform in order {
            transform.apply(image, draws, workspace);
        }
    }
}
