//! EfficientNetV2 (Tan and Le, "EfficientNetV2: smaller models and faster training", ICML 2021) with PyTorch's padding and batch
//! norm, as timm has it: `efficientnetv2_s` to `efficientnetv2_xl` are the paper's; `efficientnetv2_rw_t`, `_s` and `_m` are timm's own,
//! made before the paper's code was out, and those of which timm has weights. `tf_efficientnetv2_s` to `_xl` and `_b0` to `_b3` have
//! TensorFlow's padding and batch norm. The first stages multiply whole 3x3 filters where
//! the first generation has depthwise ones.

use super::{Dialect, Kind, Stage, Variant};

const fn stage(
    kind: Kind,
    blocks: usize,
    stride: usize,
    expansion: usize,
    channels: usize,
) -> Stage {
    Stage {
        kind,
        blocks,
        kernel: 3,
        stride,
        expansion,
        channels,
    }
}

/// Blocks without expansion.
const fn plain(blocks: usize, stride: usize, channels: usize) -> Stage {
    stage(Kind::Plain, blocks, stride, 1, channels)
}

const fn fused(blocks: usize, stride: usize, expansion: usize, channels: usize) -> Stage {
    stage(Kind::Fused, blocks, stride, expansion, channels)
}

const fn inverted(blocks: usize, stride: usize, expansion: usize, channels: usize) -> Stage {
    stage(Kind::Inverted, blocks, stride, expansion, channels)
}

/// The paper's S.
static SMALL: [Stage; 6] = [
    plain(2, 1, 24),
    fused(4, 2, 4, 48),
    fused(4, 2, 4, 64),
    inverted(6, 2, 4, 128),
    inverted(9, 1, 6, 160),
    inverted(15, 2, 6, 256),
];

/// The paper's M.
static MEDIUM: [Stage; 7] = [
    plain(3, 1, 24),
    fused(5, 2, 4, 48),
    fused(5, 2, 4, 80),
    inverted(7, 2, 4, 160),
    inverted(14, 1, 6, 176),
    inverted(18, 2, 6, 304),
    inverted(5, 1, 6, 512),
];

/// The paper's L.
static LARGE: [Stage; 7] = [
    plain(4, 1, 32),
    fused(7, 2, 4, 64),
    fused(7, 2, 4, 96),
    inverted(10, 2, 4, 192),
    inverted(19, 1, 6, 224),
    inverted(25, 2, 6, 384),
    inverted(7, 1, 6, 640),
];

/// The paper's XL.
static EXTRA_LARGE: [Stage; 7] = [
    plain(4, 1, 32),
    fused(8, 2, 4, 64),
    fused(8, 2, 4, 96),
    inverted(16, 2, 4, 192),
    inverted(24, 1, 6, 256),
    inverted(32, 2, 6, 512),
    inverted(8, 1, 6, 640),
];

/// The smaller ones of TensorFlow, B0 to B3, which the paper's tables do not have.
static BASE: [Stage; 6] = [
    plain(1, 1, 16),
    fused(2, 2, 4, 32),
    fused(2, 2, 4, 48),
    inverted(3, 2, 4, 96),
    inverted(5, 1, 6, 112),
    inverted(8, 2, 6, 192),
];

const fn tensorflow(
    name: &'static str,
    side: usize,
    stem: usize,
    stages: &'static [Stage],
) -> Variant {
    Variant {
        name,
        side,
        width: 1.0,
        depth: 1.0,
        stem,
        features: 1280,
        stages,
        dialect: Dialect::Plain,
        tensorflow: true,
    }
}

const fn base(name: &'static str, width: f64, depth: f64, side: usize) -> Variant {
    Variant {
        width,
        depth,
        dialect: Dialect::Nearest,
        ..tensorflow(name, side, 32, &BASE)
    }
}

/// Sides are those that timm trains on. Stages are (blocks, stride, expansion, channels), plain ones without expansion.
pub(crate) static VARIANTS: [Variant; 15] = [
    Variant {
        name: "efficientnetv2_rw_t",
        side: 224,
        width: 0.8,
        depth: 0.9,
        stem: 24,
        features: 1280,
        stages: &SMALL,
        dialect: Dialect::Plain,
        tensorflow: false,
    },
    Variant {
        name: "efficientnetv2_rw_s",
        side: 288,
        width: 1.0,
        depth: 1.0,
        stem: 24,
        features: 1792,
        stages: &[
            fused(2, 1, 1, 24),
            fused(4, 2, 4, 48),
            fused(4, 2, 4, 64),
            inverted(6, 2, 4, 128),
            inverted(9, 1, 6, 160),
            inverted(15, 2, 6, 272),
        ],
        dialect: Dialect::Plain,
        tensorflow: false,
    },
    Variant {
        name: "efficientnetv2_rw_m",
        side: 320,
        width: 1.0,
        depth: 1.0,
        stem: 32,
        features: 2152,
        stages: &[
            fused(3, 1, 1, 32),
            fused(5, 2, 4, 56),
            fused(5, 2, 4, 80),
            inverted(8, 2, 4, 152),
            inverted(15, 1, 6, 192),
            inverted(24, 2, 6, 328),
        ],
        dialect: Dialect::Plain,
        tensorflow: false,
    },
    Variant {
        name: "efficientnetv2_s",
        side: 288,
        width: 1.0,
        depth: 1.0,
        stem: 24,
        features: 1280,
        stages: &SMALL,
        dialect: Dialect::Plain,
        tensorflow: false,
    },
    Variant {
        name: "efficientnetv2_m",
        side: 320,
        width: 1.0,
        depth: 1.0,
        stem: 24,
        features: 1280,
        stages: &MEDIUM,
        dialect: Dialect::Plain,
        tensorflow: false,
    },
    Variant {
        name: "efficientnetv2_l",
        side: 384,
        width: 1.0,
        depth: 1.0,
        stem: 32,
        features: 1280,
        stages: &LARGE,
        dialect: Dialect::Plain,
        tensorflow: false,
    },
    Variant {
        name: "efficientnetv2_xl",
        side: 384,
        width: 1.0,
        depth: 1.0,
        stem: 32,
        features: 1280,
        stages: &EXTRA_LARGE,
        dialect: Dialect::Plain,
        tensorflow: false,
    },
    tensorflow("tf_efficientnetv2_s", 300, 24, &SMALL),
    tensorflow("tf_efficientnetv2_m", 384, 24, &MEDIUM),
    tensorflow("tf_efficientnetv2_l", 384, 32, &LARGE),
    tensorflow("tf_efficientnetv2_xl", 384, 32, &EXTRA_LARGE),
    base("tf_efficientnetv2_b0", 1.0, 1.0, 192),
    base("tf_efficientnetv2_b1", 1.0, 1.1, 192),
    base("tf_efficientnetv2_b2", 1.1, 1.2, 208),
    base("tf_efficientnetv2_b3", 1.2, 1.4, 240),
];
