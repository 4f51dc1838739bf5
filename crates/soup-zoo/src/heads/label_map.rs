//! One map a label by a 1x1 convolution (`label_map`), then a smooth maximum over each map: the
//! head for small things that stand anywhere in the picture. The maps show where the network saw
//! what.

use soup_graph::{Builder, Convolution, Graph, GraphError, Initial, NodeId, Op};

use crate::ModelConfig;

const NAME: &str = "label_map";

pub(crate) fn add(
    net: &mut Builder,
    map: NodeId,
    config: &ModelConfig,
) -> Result<NodeId, GraphError> {
    let map = net.dropout(map, config.dropout);
    let spec = Convolution::square(config.labels, 1).with_bias();
    let maps = net.convolution(NAME, map, spec)?;
    net.log_sum_exp_pool(maps, config.sharpness)
}

/// As PyTorch starts a linear layer: the builder's rule goes by the number of outputs, which for
/// few labels is far too wide.
pub(crate) fn set_initials(graph: &mut Graph) {
    let weight = format!("{NAME}.weight");
    if let Some(inputs) = graph.parameter(&weight).map(|p| p.shape[1]) {
        let bound = 1.0 / (inputs as f32).sqrt();
        super::start(graph, &weight, Initial::Uniform(bound));
    }
}

/// The node that holds one map a label, where the graph has this head. Put it among the graph's
/// outputs to see the maps.
pub fn maps(graph: &Graph) -> Option<NodeId> {
    let mut nodes = graph.nodes.iter();
    let pool = nodes.find(|node| matches!(node.op, Op::LogSumExpPool { .. }))?;
    pool.inputs.first().copied()
}
