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
//! **Randomness.** A transform draws its parameters from torchvision's distributions and hands
//! them to a deterministic core, which is what the tests compare with torchvision.

mod affine;
mod bilateral;
mod center_crop;
mod color_jitter;
mod cutout;
mod elastic;
mod error;
mod gaussian_noise;
mod grid_distortion;
mod horizontal_flip;
mod image;
mod median;
mod normalize;
mod otsu;
mod own;
mod pad;
mod parameters;
mod pipeline;
mod plain;
mod quantize;
mod random_erasing;
mod recipes;
mod resize;
mod rot90;
mod rotation;
mod stretch;
mod to_grey;
mod to_rgb;
mod to_unit;
mod vertical_flip;
mod view;
mod warp;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use affine::{Affine, AffineDraw, Shear};
pub use bilateral::Bilateral;
pub use center_crop::CenterCrop;
pub use color_jitter::ColorJitter;
pub use cutout::Cutout;
pub use elastic::Elastic;
pub use error::TransformError;
pub use gaussian_noise::GaussianNoise;
pub use grid_distortion::GridDistortion;
pub use horizontal_flip::HorizontalFlip;
pub use image::{Form, Image, Scratch, ValueScale};
pub use median::Median;
pub use normalize::{Normalize, NormalizePreset};
pub use otsu::Otsu;
pub use own::{OwnStep, Step};
pub use pad::{Pad, Padding, PaddingMode};
pub use parameters::{ByAxis, Fill, Interpolation, Size, Span};
pub use pipeline::Pipeline;
pub use plain::Plain;
pub use quantize::Quantize;
pub use random_erasing::{EraseValue, RandomErasing, RandomWord};
pub use resize::Resize;
pub use rot90::Rot90;
pub use rotation::Rotation;
pub use stretch::Stretch;
pub use to_grey::ToGrey;
pub use to_rgb::ToRgb;
pub use to_unit::ToUnit;
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
    Own(OwnStep<false>),
    OwnRandom(OwnStep<true>),
}

/// What every transform is: a check that needs no image, and the work.
trait Apply {
    /// The word after `kind`.
    const KIND: &'static str;
    /// Whether it augments: such a step is left out in evaluation.
    const RANDOM: bool;
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

    /// Whether what is at a share of the image's height and width stays there; of a program's own nobody knows.
    pub fn keeps_places(&self) -> bool {
        !matches!(
            self,
            Self::CenterCrop(_)
                | Self::Pad(_)
                | Self::HorizontalFlip(_)
                | Self::VerticalFlip(_)
                | Self::Rotation(_)
                | Self::Rot90(_)
                | Self::Affine(_)
                | Self::Elastic(_)
                | Self::GridDistortion(_)
                | Self::Own(_)
                | Self::OwnRandom(_)
        )
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
