//! What a model file says of itself, so that it needs nothing else to predict with.

use std::{collections::BTreeMap, path::Path};

use soup_data::{Examples, PictureShape, transforms::Pipeline};
use soup_graph::safetensors;
use toml::{Table, Value};

use crate::{
    Error,
    config::{Config, ModelConfig},
    runs::EpochRecord,
};

/// The notes in the metadata of `model.safetensors`.
#[derive(Clone, Debug, PartialEq)]
pub struct Notes {
    /// Which network.
    pub model: ModelConfig,
    /// What happens to a picture on its way to it; the random ones are of training only.
    pub transforms: Pipeline,
    /// Names of the labels, in the order of the logits.
    pub label_names: Vec<String>,
    /// Fold and epoch, counted from 0 and from 1.
    pub origin: [usize; 2],
    /// The pictures that it was trained on; files of earlier versions do not say.
    pub picture: Option<PictureShape>,
    /// The sample of pictures with 16 bits a channel that was made 255, where one was named.
    pub max_value: Option<u16>,
    /// Share of right cells on the fold's held-out pictures at threshold 0.5, where it is a number.
    pub valid_accuracy: Option<f64>,
}

impl Notes {
    /// The notes of weights that a run trained on pictures of `source`.
    pub(super) fn new(
        config: &Config,
        label_names: &[String],
        record: &EpochRecord,
        source: Option<&dyn Examples>,
    ) -> Self {
        Self {
            model: ModelConfig {
                weights: String::new(),
                ..config.model.clone()
            },
            transforms: config.transforms.clone(),
            label_names: label_names.to_vec(),
            origin: [record.fold, record.epoch],
            picture: source.map(Examples::shape),
            max_value: source.and_then(Examples::max_value),
            valid_accuracy: Some(record.valid_accuracy).filter(|value| value.is_finite()),
        }
    }

    /// As safetensors holds it.
    pub fn to_metadata(&self) -> BTreeMap<String, String> {
        let settings = Config {
            model: self.model.clone(),
            transforms: self.transforms.clone(),
            ..Config::default()
        };
        let mut settings = settings.to_table();
        settings.retain(|name, _| name == "model" || name == "transforms");
        let labels = self.label_names.iter().cloned().map(Value::String);
        settings.insert("labels".to_owned(), Value::Array(labels.collect()));
        let mut metadata = BTreeMap::from([
            ("soup".to_owned(), settings.to_string()),
            ("fold".to_owned(), self.origin[0].to_string()),
            ("epoch".to_owned(), self.origin[1].to_string()),
        ]);
        if let Some(accuracy) = self.valid_accuracy {
            metadata.insert("valid_accuracy".to_owned(), accuracy.to_string());
        }
        if let Some(PictureShape {
            height,
            width,
            channels,
        }) = self.picture
        {
            let sides = format!("{height} {width} {channels}");
            metadata.insert("picture".to_owned(), sides);
        }
        if let Some(most) = self.max_value {
            metadata.insert("max_value".to_owned(), most.to_string());
        }
        metadata
    }

    /// Reads the notes of a model file.
    ///
    /// # Errors
    /// [`Error::Format`] for a file without such notes, [`Error::Weights`] for one that is no
    /// safetensors file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::of(path, &safetensors::read_metadata(path)?)
    }

    /// The notes among the metadata of the file `path`.
    ///
    /// # Errors
    /// [`Error::Format`] where there are none.
    pub fn of(path: &Path, metadata: &BTreeMap<String, String>) -> Result<Self, Error> {
        let Some(text) = metadata.get("soup") else {
            return Err(Error::format(
                path,
                "it does not say which network and transforms it belongs to; take a model.safetensors \
                 that soup train wrote",
            ));
        };
        let mut settings: Table = text
            .parse()
            .map_err(|error| Error::format(path, format!("its notes are not TOML: {error}")))?;
        let labels = match settings.remove("labels") {
            Some(Value::Array(labels)) => labels,
            _ => return Err(Error::format(path, "its notes name no labels")),
        };
        let label_names = labels
            .into_iter()
            .filter_map(|label| label.as_str().map(str::to_owned))
            .collect();
        let config = Config::from_toml(&settings.to_string(), &path.display().to_string())?;
        let number = |name: &str| {
            metadata
                .get(name)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0)
        };
        Ok(Self {
            model: config.model,
            transforms: config.transforms,
            label_names,
            origin: [number("fold"), number("epoch")],
            picture: metadata.get("picture").and_then(|text| picture(text)),
            max_value: metadata.get("max_value").and_then(|text| text.parse().ok()),
            valid_accuracy: metadata
                .get("valid_accuracy")
                .and_then(|text| text.parse().ok()),
        })
    }
}

/// Height, width and channels, parted by spaces.
fn picture(text: &str) -> Option<PictureShape> {
    let sides: Option<Vec<usize>> = text.split(' ').map(|side| side.parse().ok()).collect();
    match sides?[..] {
        [height, width, channels] => Some(PictureShape {
            height,
            width,
            channels,
        }),
        _ => None,
    }
}
