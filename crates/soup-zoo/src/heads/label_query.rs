//! Label queries: cross-attention of learned queries, one a label, as in the decoders of Query2Label (Liu et al.,
//! 2021) and ML-Decoder (Ridnik et al., WACV 2023). Here it is one layer without feed-forward layers. So a label's query times the keys is a 1x1 convolution of the map
//! (`query.N`), and its classifier times the values another one (`value.N`): a label's logit is the mean of
//! its values under a softmax of its scores over places. Branches are the heads of the attention; their
//! logits are added.

use soup_graph::{Builder, Graph, GraphError, NodeId};

use super::Layers;
use crate::ModelConfig;

pub(crate) struct LabelQuery;

impl Layers for LabelQuery {
    fn add(
        &self,
        net: &mut Builder,
        map: NodeId,
        config: &ModelConfig,
    ) -> Result<NodeId, GraphError> {
        let map = net.dropout(map, config.dropout);
        let mut branches = Vec::new();
        for branch in 0..config.attention_heads {
            let scores = super::label_maps(net, &format!("query.{branch}"), map, config.labels)?;
            let values = super::label_maps(net, &format!("value.{branch}"), map, config.labels)?;
            branches.push(net.attention_pool(scores, values, 1.0, 1.0, 0.0)?);
        }
        super::sum(net, &branches)
    }

    fn set_initials(&self, graph: &mut Graph) {
        let queries = graph.parameters().iter().filter_map(|parameter| {
            let name = parameter.name().strip_suffix(".weight")?;
            (name.starts_with("query.") || name.starts_with("value.")).then(|| name.to_owned())
        });
        for name in queries.collect::<Vec<_>>() {
            super::start_label_maps(graph, &name);
        }
    }
}
