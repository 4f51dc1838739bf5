//! One of several transforms.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::{Apply, Places, Transform, composite};

/// torchvision `RandomChoice`: one of several transforms. Left out in evaluation with all that is in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomChoice {
    /// The transforms, a list of tables of their own. None of them may change the shape or the scale of the image.
    pub transforms: Vec<Transform>,
    /// How likely each of them is, in proportion; equally likely unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<Vec<f64>>,
}

impl Apply for RandomChoice {
    const KIND: &'static str = "random_choice";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        composite::places(&self.transforms)
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        if let Some(p) = &self.p {
            if p.len() != self.transforms.len() {
                return Err(format!(
                    "`p` has {} numbers for {} transforms; give one each",
                    p.len(),
                    self.transforms.len()
                ));
            }
            let total: f64 = p.iter().sum();
            if !(p.iter().all(|&share| share >= 0.0) && total > 0.0 && total.is_finite()) {
                return Err("`p` must be numbers of at least 0, one of them above it".into());
            }
        }
        composite::check(&self.transforms, before)
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, workspace: &mut Workspace) {
        let Some(last) = self.transforms.len().checked_sub(1) else {
            return;
        };
        let chosen = match &self.p {
            None => draws.below(last as u32 + 1) as usize,
            Some(p) => {
                let drawn = f64::from(draws.uniform()) * p.iter().sum::<f64>();
                let mut below = 0.0;
                let found = p.iter().position(|share| {
                    below += share;
                    drawn < below
                });
                // Sums that round below the whole: the last one that may be chosen.
                found
                    .or_else(|| p.iter().rposition(|&share| share > 0.0))
                    .map_or(last, |found| found.min(last))
            }
        };
        self.transforms[chosen].apply(image, draws, workspace);
    }
}
