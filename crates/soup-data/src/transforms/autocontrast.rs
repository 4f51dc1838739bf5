//! Levels stretched to the whole scale.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::{Apply, Places, parameters};

/// torchvision `RandomAutocontrast`: with probability `p`, the darkest value of every channel becomes black and the lightest
/// white. A channel of one level stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Autocontrast {
    /// Probability.
    #[serde(default = "parameters::half")]
    pub p: f64,
}

impl Apply for Autocontrast {
    const KIND: &'static str = "autocontrast";
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
            autocontrast(image);
        }
    }
}

/// torchvision's `autocontrast`.
pub(super) fn autocontrast(image: &mut Image) {
    match image.channels {
        1 => by_channel::<8>(image),
        _ => by_channel::<24>(image),
    }
}

/// `BLOCK` values are worked on together: whole pixels of 1 or 3 channels, and whole vectors.
fn by_channel<const BLOCK: usize>(image: &mut Image) {
    let most = image.scale.maximum().unwrap_or(1.0);
    let channels = image.channels;
    let (blocks, rest) = image.values.as_chunks_mut::<BLOCK>();
    let mut ends = [[f32::MAX; BLOCK], [f32::MIN; BLOCK]];
    let mut see = |values: &[f32]| {
        let [low, high] = &mut ends;
        for ((low, high), &value) in low.iter_mut().zip(high).zip(values) {
            *low = if value < *low { value } else { *low };
            *high = if value > *high { value } else { *high };
        }
    };
    blocks.iter().for_each(|block| see(block));
    see(rest);
    let [low, high] = ends;
    let (mut lows, mut factors) = ([0.0; BLOCK], [1.0; BLOCK]);
    for at in 0..BLOCK {
        let own = (at % channels..BLOCK).step_by(channels);
        let low = own.clone().map(|at| low[at]).fold(f32::MAX, f32::min);
        let high = own.map(|at| high[at]).fold(f32::MIN, f32::max);
        if high > low {
            (lows[at], factors[at]) = (low, most / (high - low));
        }
    }
    let stretch = |values: &mut [f32]| {
        for ((value, low), factor) in values.iter_mut().zip(&lows).zip(&factors) {
            *value = ((*value - low) * factor).clamp(0.0, most);
        }
    };
    blocks.iter_mut().for_each(|block| stretch(block));
    stretch(rest);
}
