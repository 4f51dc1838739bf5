//! Which network is trained, and from which weights.

use serde::{Deserialize, Serialize};
use soup_data::ImageShape;
use soup_graph::{Activation, Graph};
use soup_zoo::{Head, MapPool, ZooError};

use soup_engine::{
    Engine,
    setting::{InvalidSetting, require},
};

/// How activations and their gradients are stored and multiplied; parameters, statistics and sums are
/// single precision either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// bfloat16: half the memory, and faster where the processor multiplies it well (see `Auto`). Other processors run
    /// it too, slower than single precision.
    Bf16,
    /// Whichever is faster on the processor that a run begins on: `bf16` where it multiplies it well (AMD's AVX-512 with
    /// bfloat16, AMX), else `f32`. The run's settings say which it was.
    Auto,
}

/// Turns of an image that the network treats alike, by its weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Symmetry {
    /// None: filters are independent.
    #[default]
    None,
    /// Quarter turns (Cohen and Welling 2016): every filter is there at its four turns, for images in which things
    /// stand at any angle. The same cost an image, a quarter of the parameters to learn.
    P4,
}

impl Precision {
    /// As an engine knows it; `auto` is what is faster there.
    pub fn on(self, engine: &dyn Engine) -> soup_engine::Precision {
        match self {
            Self::F32 => soup_engine::Precision::F32,
            Self::Bf16 => soup_engine::Precision::Bf16,
            Self::Auto => engine.fastest_precision(),
        }
    }

    /// Whether it is single precision.
    pub fn is_single(&self) -> bool {
        *self == Self::F32
    }
}

impl From<soup_engine::Precision> for Precision {
    fn from(precision: soup_engine::Precision) -> Self {
        match precision {
            soup_engine::Precision::F32 => Self::F32,
            soup_engine::Precision::Bf16 => Self::Bf16,
        }
    }
}

/// The section `[model]`. The size and the channels of the input follow from `[[transforms]]`, the
/// number of labels from the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// The backbone by timm's name, e.g. `efficientnet_b0`.
    pub name: String,
    /// What stands between the backbone and the labels.
    pub head: Head,
    /// Activation; none takes the backbone's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// How the head `label_map` makes a logit of each map.
    pub pool: MapPool,
    /// Sharpness of the head `label_map`: 0 is the mean, infinity the maximum; the pool `gem` learns
    /// from there on.
    pub sharpness: f32,
    /// Whether the head `label_map` ends in a linear layer over all labels' smooth maxima.
    pub context: bool,
    /// Branches of the heads `residual_attention` (1, 2, 4, 6 or 8) and `label_query`.
    pub attention_heads: usize,
    /// Weight of what `residual_attention` attends to, beside the mean.
    pub attention_weight: f32,
    /// Share of features dropped before the last layer in training.
    pub dropout: f32,
    /// Share of images for which the last residual branch is dropped in training; earlier
    /// branches less.
    pub drop_path: f32,
    /// Turns of an image that the network treats alike.
    pub symmetry: Symmetry,
    /// How the engine stores and multiplies what it computes, in training and in prediction.
    pub precision: Precision,
    /// Weights to begin with: a file with timm's names (safetensors, PyTorch's `.pth` or `.bin`, ONNX); empty begins with
    /// random ones.
    pub weights: String,
    /// Whether the tensors of `weights` are matched by their order and shapes, for PyTorch files with other names than
    /// timm's.
    pub weights_by_order: bool,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            name: "efficientnet_b0".to_owned(),
            head: Head::Linear,
            activation: None,
            pool: MapPool::LogSumExp,
            sharpness: 4.0,
            context: false,
            attention_heads: 1,
            attention_weight: 0.1,
            dropout: 0.0,
            drop_path: 0.0,
            symmetry: Symmetry::None,
            precision: Precision::F32,
            weights: String::new(),
            weights_by_order: false,
        }
    }
}

impl ModelConfig {
    /// Puts what an engine decides in place of `auto`.
    pub fn settle(&mut self, engine: &dyn Engine) {
        self.precision = self.precision.on(engine).into();
    }

    /// Checks what can be without images.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        if let Err(error) = soup_zoo::find(&self.name) {
            return require(false, "model.name", &self.name, error);
        }
        for (key, rate) in [
            ("model.dropout", self.dropout),
            ("model.drop_path", self.drop_path),
        ] {
            require(
                (0.0..1.0).contains(&rate),
                key,
                rate,
                "must be at least 0 and less than 1",
            )?;
        }
        Ok(())
    }

    /// Builds the network for images of `shape` as the transforms give them.
    ///
    /// # Errors
    /// An unknown name, or images that are too small for it.
    pub fn build(&self, shape: ImageShape, labels: usize) -> Result<Graph, ZooError> {
        soup_zoo::build(&self.of_zoo(shape, labels))
    }

    /// The network up to its last feature map, by the same names.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn backbone(&self, shape: ImageShape) -> Result<Graph, ZooError> {
        soup_zoo::backbone(&self.of_zoo(shape, 1))
    }

    /// The network from its last feature map on, which has this shape and takes the images' place.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn head_on(&self, map: ImageShape, labels: usize) -> Result<Graph, ZooError> {
        soup_zoo::head(&self.of_zoo(map, labels), map)
    }

    fn of_zoo(&self, shape: ImageShape, labels: usize) -> soup_zoo::ModelConfig {
        soup_zoo::ModelConfig {
            name: self.name.clone(),
            channels: shape.channels,
            height: shape.height,
            width: shape.width,
            labels,
            head: self.head.clone(),
            pool: self.pool,
            sharpness: self.sharpness,
            attention_heads: self.attention_heads,
            attention_weight: self.attention_weight,
            context: self.context,
            activation: self.activation,
            dropout: self.dropout,
            drop_path: self.drop_path,
        }
    }
}
