//! Grey levels as channels.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::Step;
use super::image::{Form, Image, ValueScale, Workspace};

/// Turns every grey pixel into one channel a band of grey levels: 1 in the band that the level
/// lies in, 0 in the others. No counterpart in torchvision; it is `torch.bucketize` and one-hot.
///
/// `edges` are the lower ends of the bands on the 0..255 scale: `[0, 100, 200, 255]` makes four
/// channels, for 0-99, 100-199, 200-254 and 255. The image is on the 0..1 scale afterwards. Put
/// it first: between interpolated values there are no bands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bands {
    /// Lower ends of the bands, rising, the first one 0.
    pub edges: Vec<f32>,
}

impl Bands {
    /// All channels of a pixel at once, where there are few: compared, not counted and looked up.
    fn cut<const BANDS: usize>(&self, values: &[f32], to: &mut [f32]) {
        let mut ends = [[f32::NEG_INFINITY, f32::INFINITY]; BANDS];
        for (band, &edge) in self.edges.iter().enumerate().skip(1) {
            ends[band][0] = edge;
            ends[band - 1][1] = edge;
        }
        for (to, &value) in to.as_chunks_mut::<BANDS>().0.iter_mut().zip(values) {
            for (to, [low, high]) in to.iter_mut().zip(ends) {
                *to = f32::from(u8::from(low <= value && value < high));
            }
        }
    }
}

/// Most bands: one a grey level.
const MAXIMUM_BANDS: usize = 256;

impl Step for Bands {
    const KIND: &'static str = "bands";
    const RANDOM: bool = false;

    fn check(&self, before: Form) -> Result<Form, String> {
        if before.scale != ValueScale::Bytes {
            return Err("works on values in 0..255; put it first".into());
        }
        if before.shape.channels != 1 {
            return Err(format!(
                "the image has {} channels here; bands are cut from grey images, put \
                 `to_grey` before it",
                before.shape.channels
            ));
        }
        let rising = self.edges.is_sorted_by(|low, high| low < high);
        let bounded = self.edges.iter().all(|edge| (0.0..=255.0).contains(edge));
        let count = self.edges.len();
        if !rising || !bounded || self.edges.first() != Some(&0.0) || count > MAXIMUM_BANDS {
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
        let bands = self.edges.len();
        let to = workspace.spare(image.values.len() * bands);
        match bands {
            2 => self.cut::<2>(&image.values, to),
            3 => self.cut::<3>(&image.values, to),
            4 => self.cut::<4>(&image.values, to),
            _ => {
                to.fill(0.0);
                for (to, &value) in to.chunks_exact_mut(bands).zip(&image.values) {
                    let above = self.edges.iter().filter(|&&edge| edge <= value).count();
                    to[above.saturating_sub(1)] = 1.0;
                }
            }
        }
        std::mem::swap(&mut image.values, &mut workspace.spare);
        image.channels = bands;
        image.scale = ValueScale::Unit;
    }
}
