//! A blur that stops at edges.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::pad::filter;
use super::{Apply, PaddingMode, Places};

/// OpenCV `bilateralFilter` (Tomasi and Manduchi, ICCV 1998): every pixel becomes a mean of those
/// around it, weighted down by how far away they are and by how much they differ (the sum over the
/// channels). The border is mirrored, itself not repeated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bilateral {
    /// Diameter of the neighbourhood in pixels; an even one counts as the next odd one.
    /// 2 to 63.
    #[serde(default = "default_diameter")]
    pub d: usize,
    /// Standard deviation of the weight by difference, on the 0..255 scale whichever scale the
    /// image is on.
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
/// Pixels that are worked on together.
const LANES: usize = 16;
/// Bounds of the deviations.
const SIGMAS: std::ops::RangeInclusive<f64> = 1e-3..=1e5;

impl Apply for Bilateral {
    const KIND: &'static str = "bilateral";
    const RANDOM: bool = false;

    fn places(&self) -> Places {
        Places::Keeps
    }

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

    fn apply(&self, image: &mut Image, _: &mut Stream, workspace: &mut Workspace) {
        let (reach, channels) = ((self.d / 2) as isize, image.channels);
        let to_bytes = 255.0 / f64::from(image.scale.maximum().unwrap_or(255.0));
        let by_color = (-0.5 * (to_bytes / self.sigma_color).powi(2)) as f32;
        // A Gaussian of the distance is the product of one down and one across.
        let mut by_place = [0.0; MAXIMUM / 2 + 1];
        for (at, weight) in by_place.iter_mut().enumerate() {
            *weight = (-0.5 * (at as f64 / self.sigma_space).powi(2)).exp() as f32;
        }
        let square = (-reach..=reach).flat_map(|y| (-reach..=reach).map(move |x| (y, x)));
        let disc = square.filter(|(y, x)| y * y + x * x <= reach * reach);
        filter(
            image,
            self.d / 2,
            PaddingMode::Reflect,
            workspace,
            |around, to| {
                let len = to.len();
                let at = |y: isize, x: isize| {
                    &around.shifted((reach + y) as usize, (reach + x) as usize)[..len]
                };
                let others = disc.clone().map(|(y, x)| {
                    let near = by_place[y.unsigned_abs()] * by_place[x.unsigned_abs()];
                    (near, at(y, x))
                });
                match channels {
                    1 => blur(at(0, 0), others, 1, by_color, to),
                    _ => blur(at(0, 0), others, channels, by_color, to),
                }
            },
        );
    }
}

/// A row of the blurred image from its own one and those around it, each with its weight by distance.
#[inline(always)]
fn blur<'a>(
    own: &[f32],
    around: impl Iterator<Item = (f32, &'a [f32])> + Clone,
    channels: usize,
    by_color: f32,
    to: &mut [f32],
) {
    let pixels = own.len() / channels;
    let whole = pixels - pixels % LANES;
    for at in (0..whole).step_by(LANES) {
        blur_pixels::<LANES>(at, own, around.clone(), channels, by_color, to);
    }
    for at in whole..pixels {
        blur_pixels::<1>(at, own, around.clone(), channels, by_color, to);
    }
}

/// `N` pixels of it, from `at` on.
#[inline(always)]
fn blur_pixels<'a, const N: usize>(
    at: usize,
    own: &[f32],
    around: impl Iterator<Item = (f32, &'a [f32])>,
    channels: usize,
    by_color: f32,
    to: &mut [f32],
) {
    let (own, to) = (
        &own[at * channels..][..N * channels],
        &mut to[at * channels..][..N * channels],
    );
    to.fill(0.0);
    let mut total = [0.0; N];
    for (near, other) in around {
        let other = &other[at * channels..][..N * channels];
        let mut difference = [0.0f32; N];
        for (pixel, difference) in difference.iter_mut().enumerate() {
            for channel in pixel * channels..(pixel + 1) * channels {
                *difference += (own[channel] - other[channel]).abs();
            }
        }
        let weights = difference.map(|difference| near * exp(by_color * difference * difference));
        for (pixel, weight) in weights.into_iter().enumerate() {
            total[pixel] += weight;
            for channel in pixel * channels..(pixel + 1) * channels {
                to[channel] += weight * other[channel];
            }
        }
    }
    // The pixel itself weighs 1.
    for (pixel, total) in total.into_iter().enumerate() {
        let own = &mut to[pixel * channels..][..channels];
        own.iter_mut().for_each(|to| *to /= total);
    }
}

/// The exponential of what is at most 0, within 3e-7 of it: operations that a compiler makes vectors of, where the
/// library's is a call a value.
#[inline(always)]
fn exp(value: f32) -> f32 {
    /// 1.5 times 2^23: what is added to it is rounded to a whole number, which stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    /// `ln 2` in two parts, the first so short that its multiples are exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let value = value.max(-87.0);
    let whole = value * std::f32::consts::LOG2_E + ROUND;
    let rest = value - (whole - ROUND) * LN_2[0] - (whole - ROUND) * LN_2[1];
    let series = [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let series = series
        .into_iter()
        .fold(1.0 / 720.0, |sum, next| sum * rest + next);
    series * f32::from_bits((whole.to_bits() << 23).wrapping_add(1.0f32.to_bits()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_the_librarys() {
        for step in 0..=100_000 {
            let value = -87.0 * step as f32 / 100_000.0;
            let wanted = f64::from(value).exp();
            let error = (f64::from(exp(value)) - wanted).abs() / wanted;
            assert!(error < 3e-7, "{value}: {error}");
        }
        assert!(exp(-1e9) < 2e-38 && exp(0.0) == 1.0);
    }
}
