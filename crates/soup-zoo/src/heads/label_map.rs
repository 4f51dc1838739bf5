//! One map a label by a 1x1 convolution (`label_map`), then a smooth maximum over each map: the
//! head for small things that stand anywhere in the image. The maps show where the network saw
//! what.

use soup_graph::{Builder, Graph, GraphError, Initial, NodeId, Op};

use super::Layers;
use crate::{MapPool, ModelConfig};

const NAME: &str = "label_map";
const POOL: &str = "pool";
const CONTEXT: &str = "context";

pub(crate) struct LabelMap;

impl Layers for LabelMap {
    fn add(
        &self,
        net: &mut Builder,
        map: NodeId,
        config: &ModelConfig,
    ) -> Result<NodeId, GraphError> {
        let map = net.dropout(map, config.dropout);
        let maps = super::label_maps(net, NAME, map, config.labels)?;
        let peaks = match config.pool {
            MapPool::LogSumExp => net.log_sum_exp_pool(maps, config.sharpness)?,
            MapPool::Max => net.log_sum_exp_pool(maps, f32::INFINITY)?,
            MapPool::Gem => net.power_pool(POOL, maps, config.sharpness)?,
        };
        match config.context {
            true => net.linear(CONTEXT, peaks, config.labels, true),
            false => Ok(peaks),
        }
    }

    fn set_initials(&self, graph: &mut Graph) {
        super::start_label_maps(graph, NAME);
        super::start(graph, &format!("{CONTEXT}.weight"), Initial::Diagonal(1.0));
        super::start(graph, &format!("{CONTEXT}.bias"), Initial::Constant(0.0));
    }
}

/// Starts the maps at this probability in every cell. Where the loss is per cell nearly all cells are negative, and
/// from one half their gradients would outweigh those of the few positive ones (Lin et al., "Focal loss for dense object
/// detection", ICCV 2017, section 3.3).
pub fn set_prior(graph: &mut Graph, probability: f32) {
    let logit = (probability / (1.0 - probability)).ln();
    super::start(graph, &format!("{NAME}.bias"), Initial::Constant(logit));
    // A label's probability is one half where the smooth maximum of its map is half the prior's logit.
    super::start(
        graph,
        &format!("{CONTEXT}.bias"),
        Initial::Constant(-logit / 2.0),
    );
}

/// The node that holds one map a label, where the graph has this head or one branch of residual
/// attention, whose maps say the same. Put it among the graph's outputs to see the maps.
pub fn maps(graph: &Graph) -> Option<NodeId> {
    let mut pools = graph.nodes().iter().filter(|node| {
        let says_where = match node.op {
            Op::AttentionPool { .. } => node.inputs[0] == node.inputs[1],
            _ => false,
        };
        says_where || matches!(node.op, Op::LogSumExpPool { .. } | Op::PowerPool { .. })
    });
    match (pools.next(), pools.next()) {
        (Some(pool), None) => pool.inputs.first().copied(),
        _ => None,
    }
}
