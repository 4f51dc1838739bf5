//! EfficientNet-Lite 0 to 4 (Liu, "Higher accuracy on vision models with EfficientNet-Lite", TensorFlow blog 2020), as timm's
//! `tf_efficientnet_lite0` to `tf_efficientnet_lite4`: EfficientNet without squeeze-excite and with ReLU6, for processors
//! that like neither gates nor exponentials. TensorFlow's padding and batch norm.

use super::{Dialect, Variant, v1};

const fn variant(name: &'static str, width: f64, depth: f64, side: usize) -> Variant {
    Variant {
        name,
        side,
        width,
        depth,
        stem: 32,
        stages: &v1::STAGES,
        features: 1280,
        dialect: Dialect::Lite,
        tensorflow: true,
    }
}

/// Sides are those of the public weights.
pub(crate) static VARIANTS: [Variant; 5] = [
    variant("tf_efficientnet_lite0", 1.0, 1.0, 224),
    variant("tf_efficientnet_lite1", 1.0, 1.1, 240),
    variant("tf_efficientnet_lite2", 1.1, 1.2, 260),
    variant("tf_efficientnet_lite3", 1.2, 1.4, 300),
    variant("tf_efficientnet_lite4", 1.4, 1.8, 380),
];
