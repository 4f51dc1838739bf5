//! The settings of a network.

use serde::{Deserialize, Serialize};
use soup_graph::{Activation, Own};

use crate::{
    ZooError,
    heads::{self, Layers},
};

/// What turns the backbone's feature map into one logit a label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// Mean over the map, linear layer; as timm has it.
    #[default]
    Linear,
    /// The backbone's own 1000-way classifier, the activation, linear layer.
    Founders,
    /// One map a label, smooth maximum over it.
    LabelMap,
    /// One map a label; its mean, and what attention over its own places finds, weighted.
    ResidualAttention,
    /// Two maps a label: attention scores and logits.
    LabelQuery,
    /// Layers of a program's own.
    Own(Own<dyn Layers>),
}

/// How the head `label_map` makes one logit of a label's map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MapPool {
    /// Smooth maximum of fixed sharpness, `ln(mean(exp(s x))) / s`.
    #[default]
    LogSumExp,
    /// The largest value.
    Max,
    /// The same smooth maximum, its sharpness learned from `sharpness` on: the generalised mean of
    /// the odds.
    Gem,
}

/// A network to build. Every key has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// One of the names in [`crate::models()`].
    pub name: String,
    /// Channels of the images: 1 for grey, 3 for colour, or any number.
    pub channels: usize,
    /// Rows of the images.
    pub height: usize,
    /// Columns of the images.
    pub width: usize,
    /// Number of labels, one logit each.
    pub labels: usize,
    /// What turns the feature map into logits.
    pub head: Head,
    /// How the label map becomes logits. Other heads ignore it.
    pub pool: MapPool,
    /// Sharpness of the label map's smooth maximum: 0 is the mean, infinity the maximum. `gem`
    /// learns from there on; `max` and other heads ignore it.
    pub sharpness: f32,
    /// Branches of the heads `residual_attention` (1, 2, 4, 6 or 8) and `label_query`, their logits
    /// added. Other heads ignore it.
    pub attention_heads: usize,
    /// Weight of what `residual_attention` attends to, beside the mean. Other heads ignore it.
    pub attention_weight: f32,
    /// Whether a linear layer over all labels' smooth maxima gives the logits of the label map: it sets scale and
    /// offset, and lets one label speak for or against another. Other heads ignore it.
    pub context: bool,
    /// In place of the backbone's own activation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// Share of features dropped before the last layer, in `[0, 1)`. timm advises 0.2 (B0, B1) to
    /// 0.5 (B6 to B8).
    pub dropout: f32,
    /// Share of images for which the last residual branch is dropped, in `[0, 1)`; it rises from
    /// 0 along the blocks. timm advises 0.2 for EfficientNet.
    pub drop_path: f32,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            name: "efficientnet_b0".to_owned(),
            channels: 3,
            height: 256,
            width: 256,
            labels: 26,
            head: Head::Linear,
            pool: MapPool::LogSumExp,
            sharpness: 4.0,
            attention_heads: 1,
            attention_weight: 0.1,
            context: false,
            activation: None,
            dropout: 0.0,
            drop_path: 0.0,
        }
    }
}

impl ModelConfig {
    /// Refuses settings out of their ranges.
    pub(crate) fn check(&self) -> Result<(), ZooError> {
        let counts = [
            ("channels", self.channels),
            ("height", self.height),
            ("width", self.width),
            ("labels", self.labels),
        ];
        for (setting, value) in counts {
            // The bound keeps every product of sides far from overflow.
            refuse_unless((1..=1 << 16).contains(&value), setting, value, "1 to 65536")?;
        }
        for (setting, value) in [("dropout", self.dropout), ("drop_path", self.drop_path)] {
            let range = "at least 0 and below 1";
            refuse_unless((0.0..1.0).contains(&value), setting, value, range)?;
        }
        let range = "a number of at least 0";
        refuse_unless(self.sharpness >= 0.0, "sharpness", self.sharpness, range)?;
        let learned = self.head == Head::LabelMap && self.pool == MapPool::Gem;
        refuse_unless(
            !learned || self.sharpness.is_finite(),
            "sharpness",
            self.sharpness,
            "finite where pool is gem, which learns from it on",
        )?;
        let weight = self.attention_weight;
        let good = weight >= 0.0 && weight.is_finite();
        refuse_unless(good, "attention_weight", weight, range)?;
        let heads = self.attention_heads;
        match self.head {
            Head::ResidualAttention => refuse_unless(
                heads::residual_attention::temperatures(heads).is_some(),
                "attention_heads",
                heads,
                "1, 2, 4, 6 or 8",
            ),
            _ => refuse_unless(
                (1..=64).contains(&heads),
                "attention_heads",
                heads,
                "1 to 64",
            ),
        }
    }
}

fn refuse_unless(
    good: bool,
    setting: &'static str,
    value: impl ToString,
    range: &'static str,
) -> Result<(), ZooError> {
    if good {
        return Ok(());
    }
    Err(ZooError::Setting {
        setting,
        value: value.to_string(),
        range,
    })
}
