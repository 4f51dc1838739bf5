//! From 0..255 to 0..1.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, ValueScale, Workspace};
use super::{Apply, Places, normalize};

/// torchvision `ToDtype(torch.float32, scale=True)`: from 0..255 to 0..1. An image that is there
/// already stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToUnit {}

impl Apply for ToUnit {
    const KIND: &'static str = "to_unit";
    const RANDOM: bool = false;

    fn places(&self) -> Places {
        Places::Keeps
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        before.maximum()?;
        Ok(Form {
            scale: ValueScale::Unit,
            ..before
        })
    }

    fn apply(&self, image: &mut Image, _: &mut Stream, _: &mut Workspace) {
        normalize::scale_and_shift(image, ValueScale::Unit, &[0.0], &[1.0]);
    }
}
