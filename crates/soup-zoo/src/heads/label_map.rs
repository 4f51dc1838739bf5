//! One map a label by a 1x1 convolution (`label_map`), then a smooth maximum over each map: the
//! head for small things that stand anywhere in the picture. The maps show where the network saw
//! what.

use soup_graph::{Builder, Convolution, Graph, GraphError, Initial, NodeId, Op};

use crate::ModelConfig;

const NAME: &str = "label_map";
const CONTEXT: &str = "context";

pub(crate) fn add(
    net: &mut Builder,
    map: NodeId,
    config: &ModelConfig,
) -> Result<NodeId, GraphError> {
    let map = net.dropout(map, config.dropout);
    let spec = Convolution::square(config.labels, 1).with_bias();
    let maps = net.convolution(NAME, map, spec)?;
    let peaks = net.log_sum_exp_pool(maps, config.sharpness)?;
    match config.context {
        true => net.linear(CONTEXT, peaks, config.labels, true),
        false => Ok(peaks),
    }
}

/// As PyTorch starts a linear layer: the builder's rule goes by the number of outputs, which for
/// few labels is far too wide.
pub(crate) fn set_initials(graph: &mut Graph) {
    let weight = format!("{NAME}.weight");
    if let Some(inputs) = graph.parameter(&weight).map(|p| p.shape[1]) {
        let bound = 1.0 / (inputs as f32).sqrt();
        super::start(graph, &weight, Initial::Uniform(bound));
    }
    super::start(graph, &format!("{CONTEXT}.weight"), Initial::Diagonal(1.0));
    super::start(graph, &format!("{CONTEXT}.bias"), Initial::Constant(0.0));
}

/// Starts the maps at this probability in every cell. Where cells are taught one by one nearly all are negative, and
/// a start at one half would drown what the few positive ones say (Lin et al., "Focal loss for dense object detection",
/// ICCV 2017, section 3.3).
pub fn set_prior(graph: &mut Graph, probability: f32) {
    let logit = (probability / (1.0 - probability)).ln();
    super::start(graph, &format!("{NAME}.bias"), Initial::Constant(logit));
    // Half way between a cold map and a hot one is where a label is as likely as not.
    super::start(
        graph,
        &format!("{CONTEXT}.bias"),
        Initial::Constant(-logit / 2.0),
    );
}

/// The node that holds one map a label, where the graph has this head. Put it among the graph's
/// outputs to see the maps.
pub fn maps(graph: &Graph) -> Option<NodeId> {
    let mut nodes = graph.nodes.iter();
    let pool = nodes.find(|node| matches!(node.op, Op::LogSumExpPool { .. }))?;
    pool.inputs.first().copied()
}
