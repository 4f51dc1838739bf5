//! Sharper or softer.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::{Apply, Places, parameters};

/// torchvision `RandomAdjustSharpness`: with probability `p`, away from a slightly blurred image or towards it. The border
/// stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sharpness {
    /// 0 is the blurred image, 1 leaves as is, 2 doubles the difference.
    pub sharpness_factor: f32,
    /// Probability.
    #[serde(default = "parameters::half")]
    pub p: f64,
}

impl Apply for Sharpness {
    const KIND: &'static str = "sharpness";
    const RANDOM: bool = true;

    fn places(&self) -> Places {
        Places::Keeps
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        parameters::check_probability(self.p)?;
        if !(0.0..=MAXIMUM_FACTOR).contains(&self.sharpness_factor) {
            return Err(format!(
                "`sharpness_factor` is {}; it must lie in 0 to {MAXIMUM_FACTOR}",
                self.sharpness_factor
            ));
        }
        before.in_colours()
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, workspace: &mut Workspace) {
        if parameters::chance(draws, self.p) {
            adjust_sharpness(image, self.sharpness_factor, workspace);
        }
    }
}

/// Factors beyond this are taken for mistakes.
const MAXIMUM_FACTOR: f32 = 1000.0;

/// torchvision's `adjust_sharpness`: the blur is the mean of a pixel, five times, and the eight around it.
pub(super) fn adjust_sharpness(image: &mut Image, factor: f32, workspace: &mut Workspace) {
    if image.height <= 2 || image.width <= 2 {
        return;
    }
    let most = image.scale.maximum().unwrap_or(f32::MAX);
    let (channels, stride) = (image.channels, image.width * image.channels);
    let (own, around) = (
        1.0 + (factor - 1.0) * (8.0 / 13.0),
        (1.0 - factor) * (1.0 / 13.0),
    );
    let sums = workspace.spare(image.values.len() + stride);
    let (to, sums) = sums.split_at_mut(image.values.len());
    to[..stride].copy_from_slice(&image.values[..stride]);
    let last = image.values.len() - stride;
    to[last..].copy_from_slice(&image.values[last..]);
    for row in 1..image.height - 1 {
        let rows = &image.values[(row - 1) * stride..(row + 2) * stride];
        let (above, rest) = rows.split_at(stride);
        let (here, below) = rest.split_at(stride);
        for (sum, ((above, here), below)) in sums.iter_mut().zip(above.iter().zip(here).zip(below))
        {
            *sum = above + here + below;
        }
        let to = &mut to[row * stride..(row + 1) * stride];
        let inner = stride - 2 * channels;
        to[..channels].copy_from_slice(&here[..channels]);
        to[channels + inner..].copy_from_slice(&here[channels + inner..]);
        let columns = [0, channels, 2 * channels].map(|first| &sums[first..first + inner]);
        let here = &here[channels..channels + inner];
        for (at, to) in to[channels..channels + inner].iter_mut().enumerate() {
            let eight = columns[0][at] + columns[1][at] + columns[2][at] - here[at];
            *to = (here[at] * own + eight * around).clamp(0.0, most);
        }
    }
    // torchvision cuts all of the image off at the ends of the scale, and these rows lie within.
    workspace.spare.truncate(image.values.len());
    std::mem::swap(&mut image.values, &mut workspace.spare);
}
