//! Brightness, contrast, saturation and hue.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::to_grey::grey;
use super::{Apply, Places, Span, parameters};

/// torchvision `ColorJitter`: brightness, contrast and saturation changed by random factors and hue by a random turn, in
/// random order. Grey images have no saturation and no hue to change.
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
    /// Share of the circle of colours by which hue turns: in `[low, high]`, or `d` for `[-d, d]`; -0.5 to 0.5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hue: Option<Span>,
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

    fn places(&self) -> Places {
        Places::Keeps
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        before.in_colours()?;
        if let Some(hue) = self.hue {
            hue.check("hue", [-0.5, 0.5])?;
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
        // Without a hue there are three: what a configuration draws stays what it was before there was one.
        let mut order = [0, 1, 2, 3];
        let properties = if self.hue.is_some() { 4 } else { 3 };
        draws.shuffle(&mut order[..properties]);
        let factor = [self.brightness, self.contrast, self.saturation]
            .map(|span| span.map(|span| parameters::draw(draws, factors(span)) as f32));
        let turn = self
            .hue
            .map(|span| parameters::draw(draws, span.around_zero()) as f32);
        let [brightness, contrast, saturation] = factor;
        for property in order {
            match (property, [brightness, contrast, saturation, turn][property]) {
                (0, Some(factor)) => adjust_brightness(image, factor),
                (1, Some(factor)) => adjust_contrast(image, factor),
                (2, Some(factor)) => adjust_saturation(image, factor),
                (_, Some(turn)) => adjust_hue(image, turn),
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

/// torchvision's `adjust_hue`: turns the hue by this share of the circle, by way of hue, saturation and value.
pub(super) fn adjust_hue(image: &mut Image, turn: f32) {
    if image.channels != 3 {
        return;
    }
    for pixel in image.values.as_chunks_mut::<3>().0 {
        *pixel = turned(*pixel, turn);
    }
}

/// A pixel whose hue is turned. Written without branches, so that a compiler makes vectors of it.
#[inline(always)]
fn turned([red, green, blue]: [f32; 3], turn: f32) -> [f32; 3] {
    let high = red.max(green).max(blue);
    let low = red.min(green).min(blue);
    let range = high - low;
    let inverse = if range > 0.0 { 1.0 / range } else { 0.0 };
    // Sixths of the circle from red.
    let of_red = (green - blue) * inverse;
    let of_green = 2.0 + (blue - red) * inverse;
    let of_blue = 4.0 + (red - green) * inverse;
    let sixths = if red == high {
        of_red
    } else if green == high {
        of_green
    } else {
        of_blue
    };
    // Above 0 for every turn of at most a half.
    let sixths = sixths + 6.0 * turn + 6.0;
    // How far a colour is from the two where this channel is highest: Smith's hexcone without its cases.
    let channel = |offset: f32| {
        let at = sixths + offset;
        // No call to `floor`, which older processors do not have: it is above 0.
        let at = at - 6.0 * ((at * (1.0 / 6.0)) as i32 as f32);
        let share = ((at - 3.0).abs() - 1.0).clamp(0.0, 1.0);
        low + range * share
    };
    [channel(0.0), channel(4.0), channel(2.0)]
}
