//! A model for production: everything between an image and its answers in one value.
//!
//! [`Predictor::model`](crate::Predictor::model) makes one of runs and model files.

use serde::{Deserialize, Serialize};
use soup_data::{
    ImageShape,
    dataset::{Reading, convert, decode},
    transforms::Pipeline,
};
use soup_engine::{Engine, InferenceSession};
use soup_graph::{Graph, NodeId, Shape, Weights, finite::all_finite, rewrite, safetensors};
use soup_zoo::heads::label_map;
use std::path::Path;

use soup_decide::views::Views;

use crate::{Error, Notes, Precision};

/// Networks that answer together (the mean of their probabilities), and how their answers are read.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Names of the labels, in the order of the probabilities.
    pub label_names: Vec<String>,
    /// The images that it was made for. Others are answered too where the transforms and the
    /// networks can take them.
    pub image: ImageShape,
    /// How files become the images that it learned from, channels aside.
    pub reading: Reading,
    /// A probability above the label's threshold is a predicted positive; one a label, each in 0 to 1.
    pub thresholds: Vec<f32>,
    /// The views of test-time augmentation.
    pub views: Views,
    /// What is made of the probabilities: a decision of `soup-decide`, as it stands in `decision.json`. It is kept here and
    /// read there.
    pub decision: Option<serde_json::Value>,
    /// The networks, at least one.
    pub members: Vec<Member>,
}

/// One network with its weights and what happens to images on their way to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The network, made for inference; its one output is a logit a label.
    pub graph: Graph,
    /// Its weights.
    pub weights: Weights,
    /// How the engine stores and multiplies what it computes.
    pub precision: Precision,
    /// The node that holds one map a label, where the network has such maps. The sigmoid of a cell
    /// says how much the label is there.
    pub maps: Option<NodeId>,
    /// From the bytes of an image to the network's input; none of them random.
    pub transforms: Pipeline,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a network comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Its backbone's name.
    pub network: String,
    /// The file of weights that it was made of, as it was named.
    pub file: String,
    /// Fold, counted from 0.
    pub fold: usize,
    /// Epoch, counted from 1.
    pub epoch: usize,
    /// Share of right cells on the fold's held-out images at threshold 0.5, where it is known.
    pub valid_accuracy: Option<f64>,
}

impl Member {
    /// The network of a `model.safetensors`, made for inference on images of this shape.
    ///
    /// # Errors
    /// [`Error::Model`] where the network cannot read such images, [`Error::Weights`] where the
    /// file holds another network.
    pub fn trained(path: &Path, notes: &Notes, image: ImageShape) -> Result<Self, Error> {
        let transforms = notes.transforms.evaluation();
        let shape = transforms
            .output_shape(image)
            .map_err(soup_data::Error::from)?;
        let graph = notes
            .model
            .build(shape, notes.label_names.len())
            .map_err(|error| Error::Model {
                model: notes.model.name.clone(),
                problem: error.to_string(),
            })?;
        let weights = safetensors::load(path, &graph)?;
        let (graph, weights) = rewrite::for_inference(&graph, &weights)?;
        Ok(Self {
            maps: label_map::maps(&graph),
            graph,
            weights,
            precision: notes.model.precision,
            transforms,
            origin: Origin {
                network: notes.model.name.clone(),
                file: path.display().to_string(),
                fold: notes.origin[0],
                epoch: notes.origin[1],
                valid_accuracy: notes.valid_accuracy,
            },
        })
    }

    /// The network for images of this shape.
    ///
    /// # Errors
    /// [`Error::Data`] where a transform cannot take them, [`Error::Model`] where the network cannot.
    pub fn graph_for(&self, image: ImageShape) -> Result<Graph, Error> {
        let shape = self
            .transforms
            .output_shape(image)
            .map_err(soup_data::Error::from)?;
        self.graph_reading(shape)
    }

    /// The network for what the transforms make, in this shape.
    ///
    /// # Errors
    /// [`Error::Model`] where the network cannot take it.
    pub fn graph_reading(&self, shape: ImageShape) -> Result<Graph, Error> {
        let old = self.graph.input();
        let wrong = |problem: String| Error::Model {
            model: self.origin.network.clone(),
            problem,
        };
        if old == shape {
            return Ok(self.graph.clone());
        }
        if old.channels != shape.channels {
            return Err(wrong(format!(
                "it reads {} channels, and its transforms make {} of such images",
                old.channels, shape.channels
            )));
        }
        self.graph
            .resized(shape)
            .map_err(|error| wrong(error.to_string()))
    }

    /// Planned for batches of a graph of this member, with its weights loaded.
    pub(crate) fn inference(
        &self,
        graph: &Graph,
        batch: usize,
        engine: &dyn Engine,
    ) -> Result<Box<dyn InferenceSession>, Error> {
        let planned = engine.inference(graph, batch, self.precision.on(engine));
        let mut inference = planned.map_err(|error| Error::Model {
            model: self.origin.network.clone(),
            problem: error.to_string(),
        })?;
        inference.load(self.weights.clone());
        Ok(inference)
    }

    /// Checks that what the network says of images, a row of logits each, is numbers; so many images were asked about
    /// before these.
    ///
    /// # Errors
    /// [`Error::NoAnswer`] with the first image of which it is not so.
    pub(crate) fn check_logits(
        &self,
        logits: &[f32],
        labels: usize,
        before: u64,
    ) -> Result<(), Error> {
        match logits.chunks(labels).position(|row| !all_finite(row)) {
            None => Ok(()),
            Some(row) => Err(Error::NoAnswer {
                model: self.origin.network.clone(),
                image: before + row as u64 + 1,
            }),
        }
    }

    /// Channels, rows and columns of the label maps.
    pub fn map_shape(&self) -> Option<ImageShape> {
        match self.graph.node(self.maps?).shape {
            Shape::Map(shape) => Some(shape),
            Shape::Vector(_) => None,
        }
    }
}

impl Model {
    /// Shape and pixels of an image file as the model reads it: upright, in the channels, the range of values and,
    /// where it has one, the size that it learned from.
    ///
    /// # Errors
    /// What is wrong with the bytes, in a few words.
    pub fn pixels(&self, bytes: &[u8]) -> Result<(ImageShape, Vec<u8>), String> {
        let (shape, pixels) = decode(bytes, self.reading)?;
        Ok(self.in_channels(shape, pixels))
    }

    /// A decoded image as [`pixels`](Self::pixels) gives it.
    ///
    /// # Errors
    /// Why it cannot be brought to that size, in a few words.
    pub fn prepared(
        &self,
        shape: ImageShape,
        mut pixels: Vec<u8>,
    ) -> Result<(ImageShape, Vec<u8>), String> {
        let shape = match self.reading.fit {
            Some(fit) => fit.apply(shape, &mut pixels)?,
            None => shape,
        };
        Ok(self.in_channels(shape, pixels))
    }

    fn in_channels(&self, shape: ImageShape, pixels: Vec<u8>) -> (ImageShape, Vec<u8>) {
        let channels = self.image.channels;
        if channels == shape.channels {
            return (shape, pixels);
        }
        let mut converted = Vec::new();
        convert(&pixels, shape.channels, channels, &mut converted);
        (ImageShape { channels, ..shape }, converted)
    }
}
