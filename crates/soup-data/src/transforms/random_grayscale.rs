//! Sometimes grey.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::to_grey::grey;
use super::{Apply, Places, parameters};

/// torchvision `RandomGrayscale`: with probability `p`, red, green and blue become the grey value, weighted as in `to_grey`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomGrayscale {
    /// Probability.
    #[serde(default = "tenth")]
    pub p: f64,
}

fn tenth() -> f64 {
    0.1
}

impl Apply for RandomGrayscale {
    const KIND: &'static str = "random_grayscale";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        Places::Keeps
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        parameters::check_probability(self.p)?;
        before.in_colours()
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, _: &mut Workspace) {
        if parameters::chance(draws, self.p) {
            grayscale(image);
        }
    }
}

/// torchvision's `rgb_to_grayscale` to as many channels as before.
pub(super) fn grayscale(image: &mut Image) {
    if image.channels == 3 {
        for pixel in image.values.as_chunks_mut::<3>().0 {
            *pixel = [grey(pixel); 3];
        }
    }
}
