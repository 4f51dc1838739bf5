//! Brightness, contrast and saturation.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::to_grey::grey;
use super::{Apply, Span, parameters};

/// torchvision `ColorJitter` without `hue`: brightness, contrast and saturation changed by random
/// factors, in random order. Grey images have no saturation to change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColorJitter {
    /// Factor in `[low, high]`, or `d` for `[max(0, 1 - d), 1 + d]`. 0 is black, 1 leaves as is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brightness: Option<Span>,
    /// Likewise. 0 is all grey, 1 leaves as is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contrast: Option<Span>,
    /// Likewise. 0 is a grey image, 1 leaves as is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saturation: Option<Span>,
}

/// Factors beyond this are taken for mistakes.
const MAXIMUM_FACTOR: f64 = 1000.0;

fn factors(span: Span) -> [f64; 2] {
    match span {
        Span::One(spread) => [(1.0 - spread).max(0.0), 1.0 + spread],
        Span::LowHigh(pair) => pair,
    }
}

impl Apply for ColorJitter {
    const KIND: &'static str = "color_jitter";
    const RANDOM: bool = true;

    fn check(&self, before: Form) -> Result<Form, String> {
        before.maximum()?;
        if !matches!(before.shape.channels, 1 | 3) {
            return Err(format!(
                "the image has {} channels here; give it 1 or 3 with `to_grey` or `to_rgb`",
                before.shape.channels
            ));
        }
        for (name, span) in [
            ("brightness", self.brightness),
            ("contrast", self.contrast),
            ("saturation", self.saturation),
        ] {
            if let Some(span) = span {
                span.check(name, [0.0, MAXIMUM_FACTOR])?;
            }
        }
        Ok(before)
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, _: &mut Workspace) {
        let mut order = [0, 1, 2];
        draws.shuffle(&mut order);
        let factor = [self.brightness, self.contrast, self.saturation]
            .map(|span| span.map(|span| parameters::draw(draws, factors(span)) as f32));
        for property in order {
            match (property, factor[property]) {
                (0, Some(factor)) => adjust_brightness(image, factor),
                (1, Some(factor)) => adjust_contrast(image, factor),
                (_, Some(factor)) => adjust_saturation(image, factor),
                (_, None) => {}
            }
        }
    }
}

/// torchvision's `adjust_brightness`.
pub(super) fn adjust_brightness(image: &mut Image, factor: f32) {
    let maximum = image.scale.maximum().unwrap_or(f32::MAX);
    for value in &mut image.values {
        *value = (*value * factor).clamp(0.0, maximum);
    }
}

/// torchvision's `adjust_contrast`: away from the mean grey value.
pub(super) fn adjust_contrast(image: &mut Image, factor: f32) {
    let maximum = image.scale.maximum().unwrap_or(f32::MAX);
    let pixels = image.height * image.width;
    let sum: f64 = image
        .values
        .chunks_exact(image.channels)
        .map(|pixel| f64::from(grey(pixel)))
        .sum();
    let rest = (1.0 - factor) * (sum / pixels as f64) as f32;
    for value in &mut image.values {
        *value = (*value * factor + rest).clamp(0.0, maximum);
    }
}

/// torchvision's `adjust_saturation`: away from the grey image.
pub(super) fn adjust_saturation(image: &mut Image, factor: f32) {
    if image.channels != 3 {
        return;
    }
    let maximum = image.scale.maximum().unwrap_or(f32::MAX);
    for pixel in image.values.chunks_exact_mut(3) {
        let rest = (1.0 - factor) * grey(pixel);
        for value in pixel {
            *value = (*value * factor + rest).clamp(0.0, maximum);
        }
    }
}
