//! To three channels.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::{Apply, Places};

/// torchvision `RGB`: a grey image three times. RGB stays as it is, and alpha is dropped.
/// Cheapest as late as possible in a pipeline: the transforms before it then see one channel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToRgb {}

impl Apply for ToRgb {
    const KIND: &'static str = "to_rgb";
    const RANDOM: bool = false;

    fn places(&self) -> Places {
        Places::Keeps
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        match before.shape.channels {
            1..=4 => Ok(before.with_channels(3)),
            channels => Err(format!(
                "the image has {channels} channels here; only grey and RGB, with or without \
                 alpha, can become RGB"
            )),
        }
    }

    fn apply(&self, image: &mut Image, _: &mut Stream, workspace: &mut Workspace) {
        to_rgb(image, workspace);
    }
}

/// To three channels.
pub(super) fn to_rgb(image: &mut Image, workspace: &mut Workspace) {
    let channels = image.channels;
    if channels == 3 {
        return;
    }
    let to = workspace.spare(image.height * image.width * 3);
    for (to, from) in to
        .chunks_exact_mut(3)
        .zip(image.values.chunks_exact(channels))
    {
        match from {
            [red, green, blue, ..] => to.copy_from_slice(&[*red, *green, *blue]),
            [grey, ..] => to.fill(*grey),
            [] => {}
        }
    }
    std::mem::swap(&mut image.values, &mut workspace.spare);
    image.channels = 3;
}
