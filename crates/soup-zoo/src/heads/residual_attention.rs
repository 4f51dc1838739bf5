//! Class-specific residual attention (Zhu and Wu, "Residual attention: a simple but effective method for
//! multi-label recognition", ICCV 2021): one map a label, its mean plus `attention_weight` times what the
//! map itself says where it is largest, by a softmax over places. Several branches have maps of their own
//! and the authors' temperatures. The maps have a bias, and filters are not brought to length 1 as in the
//! authors' code.

use soup_graph::{Builder, Graph, GraphError, NodeId};

use super::Layers;
use crate::ModelConfig;

/// The authors' temperatures of so many branches; infinity is the maximum (their 99).
pub(crate) fn temperatures(branches: usize) -> Option<&'static [f32]> {
    const LAST: f32 = f32::INFINITY;
    Some(match branches {
        1 => &[1.0],
        2 => &[1.0, LAST],
        4 => &[1.0, 2.0, 4.0, LAST],
        6 => &[1.0, 2.0, 3.0, 4.0, 5.0, LAST],
        8 => &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, LAST],
        _ => return None,
    })
}

fn name(branch: usize) -> String {
    format!("attention.{branch}")
}

pub(crate) struct ResidualAttention;

impl Layers for ResidualAttention {
    fn add(
        &self,
        net: &mut Builder,
        map: NodeId,
        config: &ModelConfig,
    ) -> Result<NodeId, GraphError> {
        let map = net.dropout(map, config.dropout);
        // The settings are checked.
        let temperatures = temperatures(config.attention_heads).unwrap_or(&[1.0]);
        let mut branches = Vec::new();
        for (branch, &temperature) in temperatures.iter().enumerate() {
            let maps = super::label_maps(net, &name(branch), map, config.labels)?;
            let weight = config.attention_weight;
            branches.push(net.attention_pool(maps, maps, temperature, weight, 1.0)?);
        }
        super::sum(net, &branches)
    }

    fn set_initials(&self, graph: &mut Graph) {
        for branch in 0..8 {
            super::start_label_maps(graph, &name(branch));
        }
    }
}
