//! To one channel.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::{Apply, Places};

/// torchvision `Grayscale`: red, green and blue weighted .2989, .587 and .114. A grey image stays
/// as it is, and alpha is dropped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToGrey {}

impl Apply for ToGrey {
    const KIND: &'static str = "to_grey";
    const RANDOM: bool = false;

    fn places(&self) -> Places {
        Places::Keeps
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        match before.shape.channels {
            1..=4 => Ok(before.with_channels(1)),
            channels => Err(format!(
                "the image has {channels} channels here; only grey and RGB, with or without \
                 alpha, can become grey"
            )),
        }
    }

    fn apply(&self, image: &mut Image, _: &mut Stream, _: &mut Workspace) {
        to_grey(image);
    }
}

/// Weights of red, green and blue.
pub(super) const FACTORS: [f32; 3] = [0.2989, 0.587, 0.114];

/// Grey value of a pixel: weighted red, green and blue, or the first channel.
#[inline]
pub(super) fn grey(pixel: &[f32]) -> f32 {
    match pixel {
        [red, green, blue, ..] => red * FACTORS[0] + green * FACTORS[1] + blue * FACTORS[2],
        [grey, ..] => *grey,
        [] => 0.0,
    }
}

/// To one channel, in place.
pub(super) fn to_grey(image: &mut Image) {
    let channels = image.channels;
    if channels == 1 {
        return;
    }
    let pixels = image.height * image.width;
    for pixel in 0..pixels {
        let first = pixel * channels;
        image.values[pixel] = grey(&image.values[first..first + channels]);
    }
    image.values.truncate(pixels);
    image.channels = 1;
}
