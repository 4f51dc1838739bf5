//! Black and white by the grey levels of the image itself.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::{Apply, Places};

/// OpenCV `threshold` with `THRESH_BINARY | THRESH_OTSU` (Otsu, 1979, "A threshold selection method
/// from gray-level histograms"): values above the level that parts the image's own grey levels best
/// become white, the others black. Values count as the nearest of 256 levels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Otsu {}

impl Apply for Otsu {
    const KIND: &'static str = "otsu";
    const RANDOM: bool = false;

    fn places(&self) -> Places {
        Places::Keeps
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        before.maximum()?;
        match before.shape.channels {
            1 => Ok(before),
            channels => Err(format!(
                "the image has {channels} channels here; only grey ones are parted, put \
                 `to_grey` before it"
            )),
        }
    }

    fn apply(&self, image: &mut Image, _: &mut Stream, _: &mut Workspace) {
        let maximum = image.scale.maximum().unwrap_or(255.0);
        let level = |value: f32| (value * (255.0 / maximum)).round_ties_even() as u8;
        let mut counts = [0u64; 256];
        for &value in &image.values {
            counts[usize::from(level(value))] += 1;
        }
        let threshold = threshold(&counts);
        for value in &mut image.values {
            *value = f32::from(u8::from(level(*value) > threshold)) * maximum;
        }
    }
}

/// The level up to which pixels are dark: the one with the largest variance between the two classes,
/// the first of equals; 0 where all pixels have one level.
fn threshold(counts: &[u64; 256]) -> u8 {
    let pixels: u64 = counts.iter().sum();
    let share = |count: u64| count as f64 / pixels as f64;
    let levels = || counts.iter().enumerate();
    let mean: f64 = levels().map(|(level, &n)| level as f64 * share(n)).sum();
    let (mut dark, mut dark_sum) = (0.0, 0.0);
    let (mut best, mut most) = (0, 0.0);
    for (level, &count) in levels() {
        dark += share(count);
        dark_sum += level as f64 * share(count);
        let light = 1.0 - dark;
        if dark.min(light) < f64::from(f32::EPSILON) {
            continue;
        }
        let apart = dark_sum / dark - (mean - dark_sum) / light;
        let variance = dark * light * apart * apart;
        if variance > most {
            (best, most) = (level, variance);
        }
    }
    best as u8
}
