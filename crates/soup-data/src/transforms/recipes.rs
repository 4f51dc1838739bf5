//! Pipelines with a name.

use super::{
    Fill, HorizontalFlip, Interpolation, Normalize, NormalizePreset, Pipeline, Resize, Rotation,
    Size, Span, ToRgb, Transform, VerticalFlip,
};

impl Pipeline {
    /// The founding recipe (preset `dacon12`): 331 px bilinear, both flips with probability .6,
    /// rotation by up to 40 degrees either way (nearest pixel and black corners, torchvision's
    /// defaults), three channels, ImageNet's normalisation.
    pub fn dacon12() -> Self {
        Self::new(vec![
            Transform::Resize(Resize::new(Size::One(331))),
            Transform::HorizontalFlip(HorizontalFlip { p: 0.6 }),
            Transform::VerticalFlip(VerticalFlip { p: 0.6 }),
            Transform::Rotation(Rotation {
                degrees: Span::One(40.0),
                interpolation: Interpolation::Nearest,
                expand: false,
                center: None,
                fill: Fill::One(0.0),
            }),
            Transform::ToRgb(ToRgb {}),
            Transform::Normalize(Normalize::preset(NormalizePreset::Imagenet)),
        ])
    }
}
