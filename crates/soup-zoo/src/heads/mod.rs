//! Heads: from the backbone's feature map to one logit a label. One of a program's own is [`Layers`].

pub mod founders;
pub mod label_map;
mod label_query;
mod linear;
pub(crate) mod residual_attention;

pub(crate) use founders::Founders;
pub(crate) use label_map::LabelMap;
pub(crate) use label_query::LabelQuery;
pub(crate) use linear::Linear;
pub(crate) use residual_attention::ResidualAttention;

pub use soup_graph::Own;
use soup_graph::{Builder, Convolution, Graph, GraphError, Initial, NodeId};

use crate::ModelConfig;

/// What a head is made of; [`Head::Own`](crate::Head::Own) holds one of a program's own.
pub trait Layers: Send + Sync {
    /// Adds everything from the backbone's last feature map, `map`, to a vector of `config.labels` logits, and gives
    /// that. Parameters have names that no backbone has.
    ///
    /// # Errors
    /// Those of the builder.
    fn add(
        &self,
        net: &mut Builder,
        map: NodeId,
        config: &ModelConfig,
    ) -> Result<NodeId, GraphError>;

    /// Changes how the parameters that it added start, where the builder's rule is not the head's.
    fn set_initials(&self, graph: &mut Graph) {
        let _ = graph;
    }
}

/// One map a label, by a 1x1 convolution with bias.
fn label_maps(
    net: &mut Builder,
    name: &str,
    map: NodeId,
    labels: usize,
) -> Result<NodeId, GraphError> {
    net.convolution(name, map, Convolution::square(labels, 1).with_bias())
}

/// Starts the filters of label maps as PyTorch starts a linear layer: the builder's rule goes by the
/// number of outputs, which for few labels is far too wide.
fn start_label_maps(graph: &mut Graph, name: &str) {
    let weight = format!("{name}.weight");
    if let Some(inputs) = graph.parameter(&weight).map(|p| p.shape()[1]) {
        let bound = 1.0 / (inputs as f32).sqrt();
        start(graph, &weight, Initial::Uniform(bound));
    }
}

/// The sum of the branches' logits.
fn sum(net: &mut Builder, branches: &[NodeId]) -> Result<NodeId, GraphError> {
    match branches {
        [one] => Ok(*one),
        several => net.add(several),
    }
}

/// Changes how the parameter of this name starts.
fn start(graph: &mut Graph, name: &str, initial: Initial) {
    graph.start(|parameter| (parameter.name() == name).then_some(initial));
}
