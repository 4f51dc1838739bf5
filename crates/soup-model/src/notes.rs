//! What a model file says of itself, so that it needs nothing else to predict with.

use std::{collections::BTreeMap, path::Path};

use soup_data::{ImageShape, Source, dataset::Reading, transforms::Pipeline};
use soup_graph::safetensors;

use serde::{Deserialize, Serialize};

use crate::{Error, ModelConfig, settings_table};

/// The notes in the metadata of `model.safetensors`.
#[derive(Clone, Debug, PartialEq)]
pub struct Notes {
    /// Which network.
    pub model: ModelConfig,
    /// What happens to an image on its way to it; the random ones are of training only.
    pub transforms: Pipeline,
    /// Names of the labels, in the order of the logits.
    pub label_names: Vec<String>,
    /// Fold and epoch, counted from 0 and from 1.
    pub origin: [usize; 2],
    /// The images that it was trained on; files of earlier versions do not say.
    pub image: Option<ImageShape>,
    /// How files became these images, channels aside.
    pub reading: Reading,
    /// Share of right cells on the fold's held-out images at threshold 0.5, where it is a number.
    pub valid_accuracy: Option<f64>,
}

/// The notes that are TOML, under the key `soup`.
#[derive(Serialize, Deserialize)]
struct Settings {
    model: ModelConfig,
    transforms: Pipeline,
    labels: Vec<String>,
}

impl Notes {
    /// The notes of weights that a run trained on images of `source`.
    pub fn new(
        (model, transforms): (&ModelConfig, &Pipeline),
        label_names: &[String],
        origin: [usize; 2],
        valid_accuracy: f64,
        source: Option<&dyn Source>,
    ) -> Self {
        Self {
            model: ModelConfig {
                weights: String::new(),
                weights_by_order: false,
                ..model.clone()
            },
            transforms: transforms.clone(),
            label_names: label_names.to_vec(),
            origin,
            image: source.map(Source::shape),
            reading: source.map(Source::reading).unwrap_or_default(),
            valid_accuracy: Some(valid_accuracy).filter(|value| value.is_finite()),
        }
    }

    /// As safetensors holds it.
    pub fn to_metadata(&self) -> BTreeMap<String, String> {
        let settings = settings_table(&Settings {
            model: self.model.clone(),
            transforms: self.transforms.clone(),
            labels: self.label_names.clone(),
        });
        let mut metadata = BTreeMap::from([
            ("soup".to_owned(), settings.to_string()),
            ("fold".to_owned(), self.origin[0].to_string()),
            ("epoch".to_owned(), self.origin[1].to_string()),
        ]);
        if let Some(accuracy) = self.valid_accuracy {
            metadata.insert("valid_accuracy".to_owned(), accuracy.to_string());
        }
        if let Some(ImageShape {
            height,
            width,
            channels,
        }) = self.image
        {
            let sides = format!("{height} {width} {channels}");
            metadata.insert("picture".to_owned(), sides);
        }
        let Reading { max_value, fit, .. } = self.reading;
        let notes = [
            ("max_value", max_value.map(|most| most.to_string())),
            ("fit", fit.map(|fit| fit.to_string())),
        ];
        metadata
            .extend((notes.into_iter()).filter_map(|(key, note)| Some((key.to_owned(), note?))));
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
        let settings: Settings = toml::from_str(text)
            .map_err(|error| Error::format(path, format!("its notes: {error}")))?;
        let number = |name: &str| {
            metadata
                .get(name)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0)
        };
        Ok(Self {
            model: settings.model,
            transforms: settings.transforms,
            label_names: settings.labels,
            origin: [number("fold"), number("epoch")],
            image: metadata.get("picture").and_then(|text| image(text)),
            reading: Reading {
                max_value: metadata.get("max_value").and_then(|text| text.parse().ok()),
                fit: metadata.get("fit").and_then(|text| text.parse().ok()),
                ..Reading::default()
            },
            valid_accuracy: metadata
                .get("valid_accuracy")
                .and_then(|text| text.parse().ok()),
        })
    }
}

/// Height, width and channels, parted by spaces.
fn image(text: &str) -> Option<ImageShape> {
    let sides: Option<Vec<usize>> = text.split(' ').map(|side| side.parse().ok()).collect();
    match sides?[..] {
        [height, width, channels] => Some(ImageShape {
            height,
            width,
            channels,
        }),
        _ => None,
    }
}
