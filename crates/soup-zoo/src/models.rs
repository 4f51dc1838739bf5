//! The registry.

use std::sync::LazyLock;

use soup_graph::{Builder, Graph, GraphError, ImageShape, Shape};

use crate::backbone::{Backbone, Options};
use crate::heads::{self, Layers};
use crate::{Head, ModelConfig, ZooError, efficientnet, repvgg, resnet, soup};

/// A model that [`build`] knows.
#[derive(Clone, Copy, Debug)]
pub struct ModelSpec {
    /// Its name, timm's where timm has it.
    pub name: &'static str,
    /// Side of the square images that it was designed for; any other size works too.
    pub side: usize,
    backbone: &'static dyn Backbone,
}

impl ModelSpec {
    /// The model at its own size, as timm makes it: 3 channels, 1000 labels.
    pub fn config(&self) -> ModelConfig {
        ModelConfig {
            name: self.name.to_owned(),
            height: self.side,
            width: self.side,
            labels: 1000,
            ..ModelConfig::default()
        }
    }
}

/// All models, by family and size.
pub fn models() -> &'static [ModelSpec] {
    static MODELS: LazyLock<Vec<ModelSpec>> = LazyLock::new(|| {
        let efficientnets = efficientnet::v1::VARIANTS
            .iter()
            .map(|v| v as &dyn Backbone);
        let lites = efficientnet::lite::VARIANTS
            .iter()
            .map(|v| v as &dyn Backbone);
        let efficientnets_v2 = efficientnet::v2::VARIANTS
            .iter()
            .map(|v| v as &dyn Backbone);
        let repvggs = repvgg::VARIANTS.iter().map(|v| v as &dyn Backbone);
        let resnets = resnet::VARIANTS.iter().map(|v| v as &dyn Backbone);
        let soups = soup::VARIANTS.iter().map(|v| v as &dyn Backbone);
        efficientnets
            .chain(lites)
            .chain(efficientnets_v2)
            .chain(repvggs)
            .chain(resnets)
            .chain(soups)
            .map(|backbone| ModelSpec {
                name: backbone.name(),
                side: backbone.side(),
                backbone,
            })
            .collect()
    });
    &MODELS
}

/// The model of this name.
///
/// # Errors
/// [`ZooError::UnknownModel`] with the nearest known name.
pub fn find(name: &str) -> Result<&'static ModelSpec, ZooError> {
    let spec = models().iter().find(|model| model.name == name);
    spec.ok_or_else(|| ZooError::unknown_model(name))
}

/// Builds a network; its one output is a vector of one logit a label.
///
/// # Errors
/// [`ZooError`] where the name is unknown, a setting is out of its range, the images are too
/// small for the network, or a head of a program's own is not here or does not give the logits.
pub fn build(config: &ModelConfig) -> Result<Graph, ZooError> {
    let spec = find(&config.name)?;
    config.check()?;
    let classifier = spec.backbone.classifier();
    let options = Options {
        activation: config.activation.unwrap_or(spec.backbone.activation()),
        drop_path: config.drop_path,
    };
    let head: &dyn Layers = match &config.head {
        Head::Linear => &heads::Linear(classifier),
        Head::Founders => &heads::Founders(classifier, options.activation),
        Head::LabelMap => &heads::LabelMap,
        Head::ResidualAttention => &heads::ResidualAttention,
        Head::LabelQuery => &heads::LabelQuery,
        Head::Own(own) => own.code()?,
    };
    let graph = network(config, spec.backbone, options, head);
    let graph = graph.map_err(|source| ZooError::Graph {
        name: config.name.clone(),
        height: config.height,
        width: config.width,
        source,
    })?;
    let found = graph.node(graph.outputs()[0]).shape;
    if found != Shape::Vector(config.labels) {
        return Err(ZooError::Logits {
            head: config.head.clone(),
            labels: config.labels,
            found,
        });
    }
    Ok(graph)
}

fn network(
    config: &ModelConfig,
    backbone: &dyn Backbone,
    options: Options,
    head: &dyn Layers,
) -> Result<Graph, GraphError> {
    let mut net = Builder::new(ImageShape {
        channels: config.channels,
        height: config.height,
        width: config.width,
    });
    let map = backbone.features(&mut net, options)?;
    let logits = head.add(&mut net, map, config)?;
    let mut graph = net.finish(&[logits])?;
    backbone.set_initials(&mut graph);
    head.set_initials(&mut graph);
    Ok(graph)
}
