//! A blur that stops at edges.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::Step;
use super::picture::{Form, Picture, Workspace};

/// OpenCV `bilateralFilter` (Tomasi and Manduchi, ICCV 1998): every pixel becomes a mean of those
/// around it, weighted down by how far away they are and by how much they differ (the sum over the
/// channels). The border is mirrored, itself not repeated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bilateral {
    /// Diameter of the disc that is looked at, in pixels; an even one counts as the next odd one.
    /// 2 to 63.
    #[serde(default = "default_diameter")]
    pub d: usize,
    /// Standard deviation of the weight by difference, on the 0..255 scale whichever scale the
    /// picture is on.
    #[serde(default = "default_sigma")]
    pub sigma_color: f64,
    /// Standard deviation of the weight by distance, in pixels.
    #[serde(default = "default_sigma")]
    pub sigma_space: f64,
}

fn default_diameter() -> usize {
    5
}

fn default_sigma() -> f64 {
    50.0
}

/// Largest diameter.
const MAXIMUM: usize = 63;
/// Bounds of the deviations.
const SIGMAS: std::ops::RangeInclusive<f64> = 1e-3..=1e5;

impl Step for Bilateral {
    const KIND: &'static str = "bilateral";
    const RANDOM: bool = false;

    fn check(&self, before: Form) -> Result<Form, String> {
        before.maximum()?;
        if !(2..=MAXIMUM).contains(&self.d) {
            return Err(format!(
                "`d` is {}; give a diameter of 2 to {MAXIMUM}",
                self.d
            ));
        }
        for (name, sigma) in [
            ("sigma_color", self.sigma_color),
            ("sigma_space", self.sigma_space),
        ] {
            if !SIGMAS.contains(&sigma) {
                return Err(format!(
                    "`{name}` is {sigma}; it must lie in 0.001 to 100000"
                ));
            }
        }
        Ok(before)
    }

    fn apply(&self, picture: &mut Picture, _: &mut Stream, workspace: &mut Workspace) {
        let (height, width, channels) = (picture.height, picture.width, picture.channels);
        let reach = (self.d / 2) as isize;
        let to_bytes = 255.0 / f64::from(picture.scale.maximum().unwrap_or(255.0));
        let by_color = (-0.5 * (to_bytes / self.sigma_color).powi(2)) as f32;
        // A Gaussian of the distance is the product of one down and one across.
        let mut by_place = [0.0; MAXIMUM / 2 + 1];
        for (at, weight) in by_place.iter_mut().enumerate() {
            *weight = (-0.5 * (at as f64 / self.sigma_space).powi(2)).exp() as f32;
        }
        let square = || (-reach..=reach).flat_map(|y| (-reach..=reach).map(move |x| (y, x)));
        let disc = || square().filter(|(y, x)| y * y + x * x <= reach * reach);
        let values = &picture.values;
        let to = workspace.spare(values.len());
        for (index, to) in to.chunks_exact_mut(channels).enumerate() {
            let (row, column) = (index / width, index % width);
            let own = &values[index * channels..][..channels];
            to.fill(0.0);
            let mut total = 0.0;
            for (down, across) in disc() {
                let place = mirrored(row as isize + down, height) * width
                    + mirrored(column as isize + across, width);
                let other = &values[place * channels..][..channels];
                let differences = own.iter().zip(other).map(|(a, b)| (a - b).abs());
                let difference: f32 = differences.sum();
                let near = by_place[down.unsigned_abs()] * by_place[across.unsigned_abs()];
                let weight = near * (by_color * difference * difference).exp();
                total += weight;
                for (to, value) in to.iter_mut().zip(other) {
                    *to += weight * value;
                }
            }
            // The pixel itself weighs 1.
            to.iter_mut().for_each(|to| *to /= total);
        }
        std::mem::swap(&mut picture.values, &mut workspace.spare);
    }
}

/// A position on an axis that is mirrored at both ends as often as needed.
fn mirrored(position: isize, len: usize) -> usize {
    if len == 1 {
        return 0;
    }
    let last = len as isize - 1;
    let at = position.rem_euclid(2 * last);
    at.min(2 * last - at) as usize
}
