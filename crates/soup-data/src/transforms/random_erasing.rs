//! A random rectangle wiped out.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::{Apply, Fill, Places, parameters};

/// torchvision `RandomErasing`: with probability `p`, a rectangle of random area, aspect and place
/// wiped out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomErasing {
    /// Probability.
    #[serde(default = "parameters::half")]
    pub p: f64,
    /// Share of the image's area, `[low, high]`.
    #[serde(default = "default_scale")]
    pub scale: [f64; 2],
    /// Height over width, `[low, high]`; drawn uniformly in its logarithm.
    #[serde(default = "default_ratio")]
    pub ratio: [f64; 2],
    /// What stands in the rectangle.
    #[serde(default)]
    pub value: EraseValue,
}

/// What stands in an erased rectangle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a value must be a number, a list of numbers, one a channel, or \"random\""
)]
pub enum EraseValue {
    /// These values, on the image's scale at that place in the pipeline.
    Fill(Fill),
    /// `"random"`: a standard normal draw for every value; meant for after a normalisation.
    Random(RandomWord),
}

impl Default for EraseValue {
    fn default() -> Self {
        Self::Fill(Fill::default())
    }
}

/// The word `random`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RandomWord {
    /// `"random"`.
    Random,
}

fn default_scale() -> [f64; 2] {
    [0.02, 0.33]
}

fn default_ratio() -> [f64; 2] {
    [0.3, 3.3]
}

/// Draws until a rectangle fits.
const TRIES: usize = 10;
/// Bounds of the aspect.
const RATIOS: [f64; 2] = [1e-3, 1e3];

impl Apply for RandomErasing {
    const KIND: &'static str = "random_erasing";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        Places::Keeps
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        parameters::check_probability(self.p)?;
        parameters::check_pair("scale", self.scale, [0.0, 1.0])?;
        parameters::check_pair("ratio", self.ratio, RATIOS)?;
        if let EraseValue::Fill(fill) = &self.value {
            fill.check("value", before.shape.channels)?;
        }
        Ok(before)
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, _: &mut Workspace) {
        if parameters::chance(draws, self.p)
            && let Some(place) = self.draw(image.height, image.width, draws)
        {
            match &self.value {
                EraseValue::Fill(fill) => erase(image, place, |channel| fill.of(channel)),
                EraseValue::Random(_) => erase(image, place, |_| draws.normal()),
            }
        }
    }
}

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rectangle {
    pub top: usize,
    pub left: usize,
    pub height: usize,
    pub width: usize,
}

impl RandomErasing {
    /// A rectangle smaller than the image both ways, if one of ten draws gives one.
    pub(super) fn draw(
        &self,
        height: usize,
        width: usize,
        draws: &mut Stream,
    ) -> Option<Rectangle> {
        let area = height as f64 * width as f64;
        (0..TRIES).find_map(|_| {
            let erased = area * parameters::draw(draws, self.scale);
            let ratio = parameters::draw(draws, self.ratio.map(f64::ln)).exp();
            let side = |square: f64| square.sqrt().round_ties_even() as usize;
            let (high, wide) = (side(erased * ratio), side(erased / ratio));
            (high < height && wide < width).then(|| Rectangle {
                top: draws.below((height - high + 1) as u32) as usize,
                left: draws.below((width - wide + 1) as u32) as usize,
                height: high,
                width: wide,
            })
        })
    }
}

/// Sets every value of a rectangle within the image; `value` gets the channel.
pub(super) fn erase(image: &mut Image, place: Rectangle, mut value: impl FnMut(usize) -> f32) {
    let channels = image.channels;
    let rows = image.values.chunks_exact_mut(image.width * channels);
    for row in rows.skip(place.top).take(place.height) {
        let pixels = &mut row[place.left * channels..(place.left + place.width) * channels];
        for pixel in pixels.chunks_exact_mut(channels) {
            for (channel, to) in pixel.iter_mut().enumerate() {
                *to = value(channel);
            }
        }
    }
}
