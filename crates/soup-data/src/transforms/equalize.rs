//! Levels spread evenly.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::{Apply, Places, parameters};

/// torchvision `RandomEqualize`: with probability `p`, the levels of every channel are spread so that each is as frequent as
/// the others, by the histogram of 256 levels. Values between two levels count as the nearer one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Equalize {
    /// Probability.
    #[serde(default = "parameters::half")]
    pub p: f64,
}

impl Apply for Equalize {
    const KIND: &'static str = "equalize";
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
            equalize(image);
        }
    }
}

/// torchvision's `equalize`.
pub(super) fn equalize(image: &mut Image) {
    match image.channels {
        1 => by_channel::<1>(image),
        _ => by_channel::<3>(image),
    }
}

/// Levels of a histogram.
const LEVELS: usize = 256;

fn by_channel<const CHANNELS: usize>(image: &mut Image) {
    let to_bytes = 255.0 / image.scale.maximum().unwrap_or(255.0);
    let level = |value: f32| (value * to_bytes + 0.5) as u8 as usize;
    let pixels = image.values.as_chunks_mut::<CHANNELS>().0;
    let mut histograms = [[0u32; LEVELS]; CHANNELS];
    for pixel in &*pixels {
        for (histogram, &value) in histograms.iter_mut().zip(pixel) {
            histogram[level(value)] += 1;
        }
    }
    let tables = histograms.map(|histogram| table(&histogram).map(|level| level / to_bytes));
    for pixel in pixels {
        for (table, value) in tables.iter().zip(pixel) {
            *value = table[level(*value)];
        }
    }
}

/// The level that each level becomes. Pillow's rule: the share of the pixels below it, of those below the lightest level.
fn table(histogram: &[u32; LEVELS]) -> [f32; LEVELS] {
    let lightest = histogram.iter().rposition(|&count| count > 0);
    let total: u32 = histogram.iter().sum();
    let step = (total - lightest.map_or(0, |level| histogram[level])) / 255;
    if step == 0 {
        return std::array::from_fn(|level| level as f32);
    }
    let mut below = step / 2;
    histogram.map(|count| {
        let level = (below / step).min(255);
        below += count;
        level as f32
    })
}
