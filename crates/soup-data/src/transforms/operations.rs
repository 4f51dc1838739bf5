//! The operations that RandAugment, TrivialAugment and AugMix draw from, with their magnitudes.

use soup_random::Stream;

use super::affine::{AffineDraw, affine};
use super::autocontrast::autocontrast;
use super::color_jitter::{adjust_brightness, adjust_contrast, adjust_saturation};
use super::equalize::equalize;
use super::image::{Image, Workspace};
use super::posterize::posterize;
use super::rotation::rotate;
use super::sharpness::adjust_sharpness;
use super::solarize::solarize;
use super::{Fill, Interpolation, parameters};

/// One operation, by torchvision's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(super) enum Operation {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
}

/// How large an operation's magnitudes are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Magnitudes {
    /// It has none.
    None,
    /// From 0 to this, with a random sign.
    Signed(f32),
    /// From 0 to this share of the image's width, with a random sign.
    OfWidth(f64),
    /// The same of its height.
    OfHeight(f64),
    /// Bits that stay: from this number, and how many fewer at most.
    Bits(f32, f32),
    /// From 1 to 0: the share of the scale from which on is inverted.
    Falling,
}

/// Operations to draw from.
pub(super) type Space = [(Operation, Magnitudes)];

/// `torch.linspace(first, last, bins)[bin]`, by its own arithmetic, fused products and all.
fn linspace(first: f32, last: f32, bins: usize, bin: usize) -> f32 {
    let step = (last - first) / (bins - 1) as f32;
    if bin < bins / 2 {
        step.mul_add(bin as f32, first)
    } else {
        (-step).mul_add((bins - 1 - bin) as f32, last)
    }
}

impl Magnitudes {
    /// The magnitude of a bin of `bins`, at least 2, without its sign, for an image of `[height, width]`.
    pub fn of(self, bin: usize, bins: usize, [height, width]: [usize; 2]) -> f64 {
        let rising = |most: f32| f64::from(linspace(0.0, most, bins, bin));
        match self {
            Self::None => 0.0,
            Self::Signed(most) => rising(most),
            Self::OfWidth(share) => rising((share * width as f64) as f32),
            Self::OfHeight(share) => rising((share * height as f64) as f32),
            Self::Bits(from, fewer) => {
                let bits = from - bin as f32 / ((bins - 1) as f64 / f64::from(fewer)) as f32;
                f64::from(bits.round_ties_even())
            }
            Self::Falling => f64::from(linspace(1.0, 0.0, bins, bin)),
        }
    }

    /// Whether its sign is drawn.
    pub fn is_signed(self) -> bool {
        matches!(self, Self::Signed(_) | Self::OfWidth(_) | Self::OfHeight(_))
    }
}

/// Draws an operation, then its bin by `bin`, then its sign.
pub(super) fn draw(
    space: &Space,
    bins: usize,
    size: [usize; 2],
    bin: impl FnOnce(&mut Stream) -> usize,
    draws: &mut Stream,
) -> (Operation, f64) {
    let (operation, magnitudes) = space[draws.below(space.len() as u32) as usize];
    if matches!(magnitudes, Magnitudes::None) {
        return (operation, 0.0);
    }
    let magnitude = magnitudes.of(bin(draws), bins, size);
    let negative = magnitudes.is_signed() && parameters::chance(draws, 0.5);
    (operation, if negative { -magnitude } else { magnitude })
}

impl Operation {
    /// torchvision's `_apply_image_or_video_transform`, with a fill.
    pub fn apply(
        self,
        magnitude: f64,
        image: &mut Image,
        interpolation: Interpolation,
        fill: &Fill,
        workspace: &mut Workspace,
    ) {
        let factor = (1.0 + magnitude) as f32;
        let mut moved = |translate: [f64; 2], shear: [f64; 2], center: Option<[f64; 2]>| {
            let draw = AffineDraw {
                angle: 0.0,
                translate,
                scale: 1.0,
                shear,
            };
            affine(image, draw, interpolation, center, fill, workspace);
        };
        let degrees = magnitude.atan().to_degrees();
        match self {
            Self::Identity => {}
            Self::ShearX => moved([0.0; 2], [degrees, 0.0], Some([0.0; 2])),
            Self::ShearY => moved([0.0; 2], [0.0, degrees], Some([0.0; 2])),
            Self::TranslateX => moved([magnitude.trunc(), 0.0], [0.0; 2], None),
            Self::TranslateY => moved([0.0, magnitude.trunc()], [0.0; 2], None),
            Self::Rotate => rotate(image, magnitude, interpolation, None, fill, workspace),
            Self::Brightness => adjust_brightness(image, factor),
            Self::Color => adjust_saturation(image, factor),
            Self::Contrast => adjust_contrast(image, factor),
            Self::Sharpness => adjust_sharpness(image, factor, workspace),
            Self::Posterize => posterize(image, magnitude.clamp(0.0, 8.0) as u32),
            Self::Solarize => solarize(image, magnitude as f32),
            Self::AutoContrast => autocontrast(image),
            Self::Equalize => equalize(image),
        }
    }
}
