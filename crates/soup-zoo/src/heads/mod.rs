//! Heads: from the backbone's feature map to one logit a label.

pub mod founders;
pub mod label_map;
pub(crate) mod label_query;
pub(crate) mod linear;
pub(crate) mod residual_attention;

use soup_graph::{Builder, Convolution, Graph, GraphError, Initial, NodeId};

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
