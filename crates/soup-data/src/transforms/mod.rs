//! What happens to an image between the pack and the network, as data.
//!
//! A [`Pipeline`] is a list of [`Transform`]s that a configuration writes down, a checkpoint and an
//! export carry, and the server obeys. Each transform is a table with a `kind` and the parameters
//! of its counterpart in `torchvision.transforms.v2`, with the same names and defaults:
//!
//! ```
//! use soup_data::transforms::Pipeline;
//!
//! let pipeline: Pipeline = serde_json::from_str(
//!     r#"[
//!         {"kind": "resize", "size": 331},
//!         {"kind": "horizontal_flip", "p": 0.6},
//!         {"kind": "rotation", "degrees": 40, "interpolation": "bilinear"},
//!         {"kind": "to_rgb"},
//!         {"kind": "normalize", "preset": "imagenet"}
//!     ]"#,
//! )?;
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! **Semantics.** Pixels are converted to `f32` first and nothing is rounded back to bytes between
//! two transforms: the results are those of torchvision on *float* tensors. Coordinates and
//! weights are computed to better than 1e-7 of a pixel, so a result lies closer to torchvision's on
//! `float64` tensors than torchvision's own on `float32` ones.
//!
//! **One's own.** A program that uses the library has its [`Step`]s stand in the list too, under a name.
//!
//! **Boxes.** Where things are in an image follows geometry: [`Places`] says for each transform whether it keeps places,
//! moves boxes, or loses them.
//!
//! **Randomness.** A transform draws its parameters from torchvision's distributions and hands
//! them to a deterministic core, which is what the tests compare with torchvision.

mod affine;
mod aug_mix;
mod autocontrast;
mod bilateral;
mod center_crop;
mod color_jitter;
mod composite;
mod cutout;
mod elastic;
mod equalize;
mod error;
mod gaussian_blur;
mod gaussian_noise;
mod grid_distortion;
mod horizontal_flip;
mod image;
mod invert;
mod median;
mod normalize;
mod operations;
mod otsu;
mod own;
mod pad;
mod parameters;
mod pipeline;
mod places;
mod plain;
mod posterize;
mod quantize;
mod rand_augment;
mod random_apply;
mod random_choice;
mod random_crop;
mod random_erasing;
mod random_grayscale;
mod random_order;
mod random_resized_crop;
mod recipes;
mod resize;
mod rot90;
mod rotation;
mod sharpness;
mod solarize;
mod stretch;
mod to_grey;
mod to_rgb;
mod to_unit;
mod trivial_augment_wide;
mod vertical_flip;
mod view;
mod warp;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use affine::{Affine, AffineDraw, Shear};
pub use aug_mix::AugMix;
pub use autocontrast::Autocontrast;
pub use bilateral::Bilateral;
pub use center_crop::CenterCrop;
pub use color_jitter::ColorJitter;
pub use cutout::Cutout;
pub use elastic::Elastic;
pub use equalize::Equalize;
pub use error::TransformError;
pub use gaussian_blur::{GaussianBlur, KernelSize};
pub use gaussian_noise::GaussianNoise;
pub use grid_distortion::GridDistortion;
pub use horizontal_flip::HorizontalFlip;
pub use image::{Form, Image, Scratch, ValueScale};
pub use invert::Invert;
pub use median::Median;
pub use normalize::{Normalize, NormalizePreset};
pub use otsu::Otsu;
pub use own::{OwnStep, Step};
pub use pad::{Pad, Padding, PaddingMode};
pub use parameters::{ByAxis, Fill, Interpolation, Resampling, Size, Span};
pub use pipeline::Pipeline;
pub use places::Places;
pub use plain::Plain;
pub use posterize::Posterize;
pub use quantize::Quantize;
pub use rand_augment::RandAugment;
pub use random_apply::RandomApply;
pub use random_choice::RandomChoice;
pub use random_crop::RandomCrop;
pub use random_erasing::{EraseValue, RandomErasing, RandomWord};
pub use random_grayscale::RandomGrayscale;
pub use random_order::RandomOrder;
pub use random_resized_crop::RandomResizedCrop;
pub use resize::Resize;
pub use rot90::Rot90;
pub use rotation::Rotation;
pub use sharpness::Sharpness;
pub use solarize::Solarize;
pub use stretch::Stretch;
pub use to_grey::ToGrey;
pub use to_rgb::ToRgb;
pub use to_unit::ToUnit;
pub use trivial_augment_wide::TrivialAugmentWide;
pub use vertical_flip::VerticalFlip;
pub use view::{View, ViewError};

use image::Workspace;
use soup_random::Stream;

/// One step of a [`Pipeline`]. Serialised as a table with `kind` and the fields of the variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "every variant holds a documented type of its own name"
)]
pub enum Transform {
    Resize(Resize),
    CenterCrop(CenterCrop),
    Pad(Pad),
    HorizontalFlip(HorizontalFlip),
    VerticalFlip(VerticalFlip),
    Rotation(Rotation),
    Rot90(Rot90),
    Affine(Affine),
    RandomErasing(RandomErasing),
    Cutout(Cutout),
    ColorJitter(ColorJitter),
    GaussianNoise(GaussianNoise),
    ToGrey(ToGrey),
    ToRgb(ToRgb),
    ToUnit(ToUnit),
    Normalize(Normalize),
    #[serde(alias = "bands")]
    Quantize(Quantize),
    Elastic(Elastic),
    GridDistortion(GridDistortion),
    Median(Median),
    Bilateral(Bilateral),
    Otsu(Otsu),
    Stretch(Stretch),
    RandomResizedCrop(RandomResizedCrop),
    RandomCrop(RandomCrop),
    RandomGrayscale(RandomGrayscale),
    GaussianBlur(GaussianBlur),
    Solarize(Solarize),
    Posterize(Posterize),
    Equalize(Equalize),
    Autocontrast(Autocontrast),
    Sharpness(Sharpness),
    Invert(Invert),
    RandomApply(RandomApply),
    RandomChoice(RandomChoice),
    RandomOrder(RandomOrder),
    RandAugment(RandAugment),
    TrivialAugmentWide(TrivialAugmentWide),
    AugMix(AugMix),
    Own(OwnStep<false>),
    OwnRandom(OwnStep<true>),
}

/// What every transform is: a check that needs no image, and the work.
trait Apply {
    /// The word after `kind`.
    const KIND: &'static str;
    /// Whether it augments: such a step is left out in evaluation.
    const RANDOM: bool;
    /// Whether things stay where they are in the image. What says [`Places::Moves`] moves the workspace's boxes.
    fn places(&self) -> Places;
    /// Checks every parameter and says what comes out for what goes in, or what is wrong.
    fn check(&self, before: Form) -> Result<Form, String>;
    /// Transforms an image whose form has passed [`check`](Self::check).
    fn apply(&self, image: &mut Image, draws: &mut Stream, workspace: &mut Workspace);
}

macro_rules! every_transform {
    ($value:expr, $step:ident => $body:expr) => {
        match $value {
            Transform::Resize($step) => $body,
            Transform::CenterCrop($step) => $body,
            Transform::Pad($step) => $body,
            Transform::HorizontalFlip($step) => $body,
            Transform::VerticalFlip($step) => $body,
            Transform::Rotation($step) => $body,
            Transform::Rot90($step) => $body,
            Transform::Affine($step) => $body,
            Transform::RandomErasing($step) => $body,
            Transform::Cutout($step) => $body,
            Transform::ColorJitter($step) => $body,
            Transform::GaussianNoise($step) => $body,
            Transform::ToGrey($step) => $body,
            Transform::ToRgb($step) => $body,
            Transform::ToUnit($step) => $body,
            Transform::Normalize($step) => $body,
            Transform::Quantize($step) => $body,
            Transform::Elastic($step) => $body,
            Transform::GridDistortion($step) => $body,
            Transform::Median($step) => $body,
            Transform::Bilateral($step) => $body,
            Transform::Otsu($step) => $body,
            Transform::Stretch($step) => $body,
            Transform::RandomResizedCrop($step) => $body,
            Transform::RandomCrop($step) => $body,
            Transform::RandomGrayscale($step) => $body,
            Transform::GaussianBlur($step) => $body,
            Transform::Solarize($step) => $body,
            Transform::Posterize($step) => $body,
            Transform::Equalize($step) => $body,
            Transform::Autocontrast($step) => $body,
            Transform::Sharpness($step) => $body,
            Transform::Invert($step) => $body,
            Transform::RandomApply($step) => $body,
            Transform::RandomChoice($step) => $body,
            Transform::RandomOrder($step) => $body,
            Transform::RandAugment($step) => $body,
            Transform::TrivialAugmentWide($step) => $body,
            Transform::AugMix($step) => $body,
            Transform::Own($step) => $body,
            Transform::OwnRandom($step) => $body,
        }
    };
}

impl Transform {
    /// The word after `kind`: `resize`, `horizontal_flip`, ...
    pub fn kind(&self) -> &'static str {
        fn of<S: Apply>(_: &S) -> &'static str {
            S::KIND
        }
        every_transform!(self, step => of(step))
    }

    /// What becomes of the places of things in the image; of a program's own nobody knows.
    pub fn places(&self) -> Places {
        every_transform!(self, step => step.places())
    }

    /// What stands for it in evaluation and production: itself, nothing where it draws, and for a random crop the middle.
    pub fn evaluation(&self) -> Vec<Transform> {
        match self {
            Self::RandomResizedCrop(step) => step.evaluation(),
            Self::RandomCrop(step) => step.evaluation(),
            other if other.is_random() => Vec::new(),
            other => vec![other.clone()],
        }
    }

    /// Whether the transform draws at random, and so is left out in evaluation.
    pub fn is_random(&self) -> bool {
        fn of<S: Apply>(_: &S) -> bool {
            S::RANDOM
        }
        every_transform!(self, step => of(step))
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        every_transform!(self, step => step.check(before))
    }

    fn apply(&self, image: &mut Image, draws: &mut Stream, workspace: &mut Workspace) {
        every_transform!(self, step => step.apply(image, draws, workspace));
    }
}
