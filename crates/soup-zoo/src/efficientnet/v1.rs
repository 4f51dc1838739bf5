//! EfficientNet B0 to B8 (Tan and Le, "EfficientNet: rethinking model scaling for convolutional
//! neural networks", ICML 2019), as timm's `efficientnet_b0` to `efficientnet_b8`: PyTorch's
//! padding and batch norm.

use soup_graph::{Activation, Builder, GraphError, NodeId};

use super::{Kind, Stage};
use crate::backbone::{Backbone, Classifier, Options};

/// B0 scaled: `width` multiplies channels, `depth` multiplies blocks.
#[derive(Debug)]
pub(crate) struct Variant {
    name: &'static str,
    width: f64,
    depth: f64,
    side: usize,
}

const fn variant(name: &'static str, width: f64, depth: f64, side: usize) -> Variant {
    Variant {
        name,
        width,
        depth,
        side,
    }
}

/// Sides are those of timm's weights.
pub(crate) static VARIANTS: [Variant; 9] = [
    variant("efficientnet_b0", 1.0, 1.0, 224),
    variant("efficientnet_b1", 1.0, 1.1, 240),
    variant("efficientnet_b2", 1.1, 1.2, 256),
    variant("efficientnet_b3", 1.2, 1.4, 288),
    variant("efficientnet_b4", 1.4, 1.8, 320),
    variant("efficientnet_b5", 1.6, 2.2, 448),
    variant("efficientnet_b6", 1.8, 2.6, 528),
    variant("efficientnet_b7", 2.0, 3.1, 600),
    variant("efficientnet_b8", 2.2, 3.6, 672),
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

const STAGES: [Stage; 7] = [
    stage(1, 3, 1, 1, 16),
    stage(2, 3, 2, 6, 24),
    stage(2, 5, 2, 6, 40),
    stage(3, 3, 2, 6, 80),
    stage(3, 5, 1, 6, 112),
    stage(4, 5, 2, 6, 192),
    stage(1, 3, 1, 6, 320),
];
const STEM: usize = 32;
const FEATURES: usize = 1280;
impl Variant {
    /// Channels times width, to a multiple of 8 that is not more than a tenth smaller.
    fn scale(&self, channels: usize) -> usize {
        let wanted = channels as f64 * self.width;
        let rounded = ((wanted + 4.0) as usize / 8 * 8).max(8);
        if (rounded as f64) < 0.9 * wanted {
            rounded + 8
        } else {
            rounded
        }
    }

    fn stages(&self) -> [Stage; 7] {
        STAGES.map(|stage| Stage {
            blocks: (stage.blocks as f64 * self.depth).ceil() as usize,
            channels: self.scale(stage.channels),
            ..stage
        })
    }
}

impl Backbone for Variant {
    fn name(&self) -> &'static str {
        self.name
    }

    fn side(&self) -> usize {
        self.side
    }

    fn activation(&self) -> Activation {
        Activation::Silu
    }

    fn classifier(&self) -> Classifier {
        super::classifier()
    }

    fn features(&self, net: &mut Builder, options: Options) -> Result<NodeId, GraphError> {
        let (stem, features) = (self.scale(STEM), self.scale(FEATURES));
        super::add(net, stem, &self.stages(), features, options)
    }
}
