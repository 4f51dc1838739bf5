//! Normalisation, and the pass that ends a pipeline.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, ValueScale, Workspace};
use super::{Apply, Places, Transform};

/// torchvision `Normalize` (after scaling to 0..1): `(value - mean) / std` for every channel, with
/// mean and standard deviation on the 0..1 scale whichever scale the image is on. Either a
/// `preset` or both `mean` and `std`, with one value for all channels or one a channel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalize {
    /// Known means and deviations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<NormalizePreset>,
    /// Means on the 0..1 scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<Vec<f64>>,
    /// Standard deviations on the 0..1 scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub std: Option<Vec<f64>>,
}

/// Known means and deviations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormalizePreset {
    /// What torchvision's and most of timm's weights expect: mean .485 .456 .406, deviation .229
    /// .224 .225. Three channels.
    Imagenet,
    /// CIFAR-10's training set: mean .4914 .4822 .4465, deviation .2470 .2435 .2616. Three channels.
    Cifar,
    /// Scaling to 0..1 only. Any number of channels.
    None,
    /// What the public weights that `model.weights` names were trained with (see `soup models --weights`), ImageNet's where
    /// none are given. A run begins with the numbers in its place.
    Weights,
}

impl Normalize {
    /// A preset.
    pub fn preset(preset: NormalizePreset) -> Self {
        Self {
            preset: Some(preset),
            ..Self::default()
        }
    }

    /// Means and standard deviations on the 0..1 scale.
    pub fn new(mean: Vec<f64>, std: Vec<f64>) -> Self {
        Self {
            preset: None,
            mean: Some(mean),
            std: Some(std),
        }
    }

    /// Means and deviations, where exactly one way of giving them was used.
    pub fn constants(&self) -> Option<(&[f64], &[f64])> {
        match (self.preset, &self.mean, &self.std) {
            (Some(NormalizePreset::Imagenet), None, None) => {
                Some((&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225]))
            }
            (Some(NormalizePreset::Cifar), None, None) => {
                Some((&[0.4914, 0.4822, 0.4465], &[0.2470, 0.2435, 0.2616]))
            }
            (Some(NormalizePreset::None), None, None) => Some((&[0.0], &[1.0])),
            (None, Some(mean), Some(std)) => Some((mean, std)),
            _ => None,
        }
    }
}

impl Apply for Normalize {
    const KIND: &'static str = "normalize";
    const RANDOM: bool = false;

    fn places(&self) -> Places {
        Places::Keeps
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        if self.preset == Some(NormalizePreset::Weights) {
            return Err("the preset `weights` is known only to a training".to_owned());
        }
        let (mean, std) = self.constants().ok_or(
            "give either `preset` (imagenet, cifar, none, weights) or both `mean` and `std`",
        )?;
        before
            .maximum()
            .map_err(|_| "the image is normalised already; keep one of the two")?;
        let channels = before.shape.channels;
        for (name, values) in [("mean", mean), ("std", std)] {
            if values.len() != 1 && values.len() != channels {
                return Err(format!(
                    "`{name}` has {} values, but the image has {channels} channels here; give \
                     one value a channel, or one for all, or put `to_rgb` before it",
                    values.len()
                ));
            }
            if !values.iter().all(|value| value.abs() < 1e6) {
                return Err(format!("`{name}` must be finite and below a million"));
            }
        }
        if !std.iter().all(|&value| value >= 1e-6) {
            return Err("`std` must be above zero (at least 1e-6)".into());
        }
        Ok(Form {
            scale: ValueScale::Normalized,
            ..before
        })
    }

    fn apply(&self, image: &mut Image, _: &mut Stream, _: &mut Workspace) {
        if let Some((mean, std)) = self.constants() {
            scale_and_shift(image, ValueScale::Normalized, mean, std);
        }
    }
}

/// Factor and summand of `(value / maximum - mean) / std` for a channel.
pub(super) fn coefficients(
    scale: ValueScale,
    mean: &[f64],
    std: &[f64],
    channel: usize,
) -> (f64, f64) {
    let of = |values: &[f64]| values[if values.len() == 1 { 0 } else { channel }];
    let maximum = f64::from(scale.maximum().unwrap_or(1.0));
    (1.0 / (maximum * of(std)), -of(mean) / of(std))
}

/// Brings an image from its scale to 0..1, subtracts the means and divides by the deviations.
pub(super) fn scale_and_shift(image: &mut Image, to: ValueScale, mean: &[f64], std: &[f64]) {
    let channels = image.channels;
    for channel in 0..channels {
        let (factor, summand) = coefficients(image.scale, mean, std, channel);
        let (factor, summand) = (factor as f32, summand as f32);
        for pixel in image.values.chunks_exact_mut(channels) {
            pixel[channel] = pixel[channel] * factor + summand;
        }
    }
    image.scale = to;
}

/// A scaling and a shift for each channel that is written.
struct Pointwise {
    scale: ValueScale,
    channels: usize,
    /// Whether every channel that is written is the first one of the image.
    replicate: bool,
    factors: [f64; 4],
    summands: [f64; 4],
}

impl Pointwise {
    fn then(mut self, mean: &[f64], std: &[f64], scale: ValueScale) -> Self {
        for channel in 0..self.channels {
            let (factor, summand) = coefficients(self.scale, mean, std, channel);
            self.factors[channel] *= factor;
            self.summands[channel] = self.summands[channel] * factor + summand;
        }
        self.scale = scale;
        self
    }

    fn in_rgb(mut self) -> Self {
        if self.channels < 3 {
            self.replicate = true;
            self.factors = [self.factors[0]; 4];
            self.summands = [self.summands[0]; 4];
        }
        self.channels = 3;
        self
    }
}

/// Ends a pipeline: applies transforms that only copy channels, scale and shift, in one pass over
/// the image that writes `out`.
pub(super) fn write(transforms: &[Transform], image: &mut Image, out: &mut [f32]) {
    if image.channels > 4 {
        // `to_rgb` is not possible here, the others work in place.
        for transform in transforms {
            match transform {
                Transform::Normalize(normalize) => {
                    if let Some((mean, std)) = normalize.constants() {
                        scale_and_shift(image, ValueScale::Normalized, mean, std);
                    }
                }
                _ => scale_and_shift(image, ValueScale::Unit, &[0.0], &[1.0]),
            }
        }
        out.copy_from_slice(&image.values);
        return;
    }
    let start = Pointwise {
        scale: image.scale,
        channels: image.channels,
        replicate: false,
        factors: [1.0; 4],
        summands: [0.0; 4],
    };
    let pass = transforms
        .iter()
        .fold(start, |pass, transform| match transform {
            Transform::ToRgb(_) => pass.in_rgb(),
            Transform::ToUnit(_) => pass.then(&[0.0], &[1.0], ValueScale::Unit),
            Transform::Normalize(normalize) => match normalize.constants() {
                Some((mean, std)) => pass.then(mean, std, ValueScale::Normalized),
                None => pass,
            },
            _ => pass,
        });
    match (image.channels, pass.channels) {
        (1, 1) => write_pass::<1, 1>(&pass, &image.values, out),
        (1, 3) => write_pass::<1, 3>(&pass, &image.values, out),
        (2, 2) => write_pass::<2, 2>(&pass, &image.values, out),
        (2, 3) => write_pass::<2, 3>(&pass, &image.values, out),
        (3, 3) => write_pass::<3, 3>(&pass, &image.values, out),
        (4, 3) => write_pass::<4, 3>(&pass, &image.values, out),
        _ => write_pass::<4, 4>(&pass, &image.values, out),
    }
}

fn write_pass<const FROM: usize, const TO: usize>(
    pass: &Pointwise,
    values: &[f32],
    out: &mut [f32],
) {
    let factors: [f32; TO] = std::array::from_fn(|channel| pass.factors[channel] as f32);
    let summands: [f32; TO] = std::array::from_fn(|channel| pass.summands[channel] as f32);
    let values = values.as_chunks::<FROM>().0;
    let out = out.as_chunks_mut::<TO>().0;
    if pass.replicate {
        for (to, from) in out.iter_mut().zip(values) {
            *to = std::array::from_fn(|channel| from[0] * factors[channel] + summands[channel]);
        }
    } else {
        for (to, from) in out.iter_mut().zip(values) {
            *to = std::array::from_fn(|channel| {
                from[channel.min(FROM - 1)] * factors[channel] + summands[channel]
            });
        }
    }
}
