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
    let (spec, options) = checked(config)?;
    let graph = with_head(config, spec, options, |head| {
        network(config, spec.backbone, options, head)
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

/// Builds a network up to its last feature map, which is its one output. Parameters have the names that [`build`] gives
/// them.
///
/// # Errors
/// As [`build`].
pub fn backbone(config: &ModelConfig) -> Result<Graph, ZooError> {
    let (spec, options) = checked(config)?;
    let features = || {
        let mut net = builder(config);
        let map = spec.backbone.features(&mut net, options)?;
        net.finish(&[map])
    };
    features().map_err(|source| of_model(config, source))
}

/// The other part: the head alone, on feature maps of this shape in the place of images.
///
/// # Errors
/// As [`build`].
pub fn head(config: &ModelConfig, map: ImageShape) -> Result<Graph, ZooError> {
    let (spec, options) = checked(config)?;
    with_head(config, spec, options, |head| {
        let mut net = Builder::new(map);
        let input = net.input();
        let logits = head.add(&mut net, input, config)?;
        let mut graph = net.finish(&[logits])?;
        head.set_initials(&mut graph);
        Ok(graph)
    })
}

/// What `make` makes with the head that the settings name.
fn with_head(
    config: &ModelConfig,
    spec: &ModelSpec,
    options: Options,
    make: impl FnOnce(&dyn Layers) -> Result<Graph, GraphError>,
) -> Result<Graph, ZooError> {
    let classifier = spec.backbone.classifier();
    let head: &dyn Layers = match &config.head {
        Head::Linear => &heads::Linear(classifier),
        Head::Founders => &heads::Founders(classifier, options.activation),
        Head::LabelMap => &heads::LabelMap,
        Head::ResidualAttention => &heads::ResidualAttention,
        Head::LabelQuery => &heads::LabelQuery,
        Head::Own(own) => own.code()?,
    };
    make(head).map_err(|source| of_model(config, source))
}

fn checked(config: &ModelConfig) -> Result<(&'static ModelSpec, Options), ZooError> {
    let spec = find(&config.name)?;
    config.check()?;
    let options = Options {
        activation: config.activation.unwrap_or(spec.backbone.activation()),
        drop_path: config.drop_path,
    };
    Ok((spec, options))
}

fn of_model(config: &ModelConfig, source: GraphError) -> ZooError {
    ZooError::Graph {
        name: config.name.clone(),
        height: config.height,
        width: config.width,
        source,
    }
}

fn builder(config: &ModelConfig) -> Builder {
    Builder::new(ImageShape {
        channels: config.channels,
        height: config.height,
        width: config.width,
    })
}

fn network(
    config: &ModelConfig,
    backbone: &dyn Backbone,
    options: Options,
    head: &dyn Layers,
) -> Result<Graph, GraphError> {
    let mut net = builder(config);
    let map = backbone.features(&mut net, options)?;
    let logits = head.add(&mut net, map, config)?;
    let mut graph = net.finish(&[logits])?;
    backbone.set_initials(&mut graph);
    head.set_initials(&mut graph);
    Ok(graph)
}
