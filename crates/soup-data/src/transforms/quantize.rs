//! Grey levels as one-hot channels.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, ValueScale, Workspace};
use super::{Apply, Places};

/// Quantizes grey levels into bins, one channel a bin: 1 in the bin of the pixel's level, 0 in the
/// others. torchvision has no counterpart; it is `torch.bucketize` and `one_hot`.
///
/// `edges` are the lower edges of the bins on the 0..255 scale: `[0, 100, 200, 255]` makes four
/// channels, for 0-99, 100-199, 200-254 and 255. The image is on the 0..1 scale afterwards. Put it
/// first: interpolation mixes levels of different bins.
///
/// Older files name its `kind` `bands`, which is still read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantize {
    /// Lower edges of the bins, rising, the first one 0.
    pub edges: Vec<f32>,
}

impl Quantize {
    /// All channels of a pixel at once, for few bins: two comparisons each.
    fn cut<const BINS: usize>(&self, values: &[f32], to: &mut [f32]) {
        let mut ends = [[f32::NEG_INFINITY, f32::INFINITY]; BINS];
        for (bin, &edge) in self.edges.iter().enumerate().skip(1) {
            ends[bin][0] = edge;
            ends[bin - 1][1] = edge;
        }
        for (to, &value) in to.as_chunks_mut::<BINS>().0.iter_mut().zip(values) {
            for (to, [low, high]) in to.iter_mut().zip(ends) {
                *to = f32::from(u8::from(low <= value && value < high));
            }
        }
    }
}

/// Most bins: one a grey level.
const MAXIMUM_BINS: usize = 256;

impl Apply for Quantize {
    const KIND: &'static str = "quantize";
    const RANDOM: bool = false;

    fn places(&self) -> Places {
        Places::Keeps
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        if before.scale != ValueScale::Bytes {
            return Err("works on values in 0..255; put it first".into());
        }
        if before.shape.channels != 1 {
            return Err(format!(
                "the image has {} channels here; bins are of grey levels, put \
                 `to_grey` before it",
                before.shape.channels
            ));
        }
        let rising = self.edges.is_sorted_by(|low, high| low < high);
        let bounded = self.edges.iter().all(|edge| (0.0..=255.0).contains(edge));
        let count = self.edges.len();
        if !rising || !bounded || self.edges.first() != Some(&0.0) || count > MAXIMUM_BINS {
            return Err(
                "`edges` must start with 0 and rise to at most 255, with at most 256 of them, \
                 such as [0, 100, 200, 255]"
                    .into(),
            );
        }
        Ok(Form {
            scale: ValueScale::Unit,
            ..before.with_channels(count)
        })
    }

    fn apply(&self, image: &mut Image, _: &mut Stream, workspace: &mut Workspace) {
        let bins = self.edges.len();
        let to = workspace.spare(image.values.len() * bins);
        match bins {
            2 => self.cut::<2>(&image.values, to),
            3 => self.cut::<3>(&image.values, to),
            4 => self.cut::<4>(&image.values, to),
            _ => {
                to.fill(0.0);
                for (to, &value) in to.chunks_exact_mut(bins).zip(&image.values) {
                    let above = self.edges.iter().filter(|&&edge| edge <= value).count();
                    to[above.saturating_sub(1)] = 1.0;
                }
            }
        }
        std::mem::swap(&mut image.values, &mut workspace.spare);
        image.channels = bins;
        image.scale = ValueScale::Unit;
    }
}
