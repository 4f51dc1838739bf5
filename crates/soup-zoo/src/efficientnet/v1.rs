//! EfficientNet B0 to B8 (Tan and Le, "EfficientNet: rethinking model scaling for convolutional
//! neural networks", ICML 2019), as timm's `efficientnet_b0` to `efficientnet_b8`: PyTorch's
//! padding and batch norm; and as `tf_efficientnet_b0` to `tf_efficientnet_b8`: TensorFlow's.

use super::{Dialect, Kind, Stage, Variant};

const fn variant(name: &'static str, width: f64, depth: f64, side: usize) -> Variant {
    Variant {
        name,
        side,
        width,
        depth,
        stem: 32,
        stages: &STAGES,
        features: 1280,
        dialect: Dialect::Plain,
        tensorflow: false,
    }
}

const fn tensorflow(name: &'static str, width: f64, depth: f64, side: usize) -> Variant {
    Variant {
        tensorflow: true,
        ..variant(name, width, depth, side)
    }
}

/// Sides are those of timm's weights.
pub(crate) static VARIANTS: [Variant; 18] = [
    variant("efficientnet_b0", 1.0, 1.0, 224),
    variant("efficientnet_b1", 1.0, 1.1, 240),
    variant("efficientnet_b2", 1.1, 1.2, 256),
    variant("efficientnet_b3", 1.2, 1.4, 288),
    variant("efficientnet_b4", 1.4, 1.8, 320),
    variant("efficientnet_b5", 1.6, 2.2, 448),
    variant("efficientnet_b6", 1.8, 2.6, 528),
    variant("efficientnet_b7", 2.0, 3.1, 600),
    variant("efficientnet_b8", 2.2, 3.6, 672),
    tensorflow("tf_efficientnet_b0", 1.0, 1.0, 224),
    tensorflow("tf_efficientnet_b1", 1.0, 1.1, 240),
    tensorflow("tf_efficientnet_b2", 1.1, 1.2, 260),
    tensorflow("tf_efficientnet_b3", 1.2, 1.4, 300),
    tensorflow("tf_efficientnet_b4", 1.4, 1.8, 380),
    tensorflow("tf_efficientnet_b5", 1.6, 2.2, 456),
    tensorflow("tf_efficientnet_b6", 1.8, 2.6, 528),
    tensorflow("tf_efficientnet_b7", 2.0, 3.1, 600),
    tensorflow("tf_efficientnet_b8", 2.2, 3.6, 672),
];

/// A stage of B0.
const fn stage(
    blocks: usize,
    kernel: usize,
    stride: usize,
    expansion: usize,
    channels: usize,
) -> Stage {
    Stage {
        kind: Kind::Inverted,
        blocks,
        kernel,
        stride,
        expansion,
        channels,
    }
}

pub(super) static STAGES: [Stage; 7] = [
    stage(1, 3, 1, 1, 16),
    stage(2, 3, 2, 6, 24),
    stage(2, 5, 2, 6, 40),
    stage(3, 3, 2, 6, 80),
    stage(3, 5, 1, 6, 112),
    stage(4, 5, 2, 6, 192),
    stage(1, 3, 1, 6, 320),
];
