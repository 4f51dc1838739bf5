//! Mean over the map, dropout, linear layer: timm's head, under the backbone's own name for it.

use soup_graph::{Builder, Graph, GraphError, Initial, NodeId};

use super::Layers;
use crate::{ModelConfig, backbone::Classifier};

/// With the backbone's last layer.
pub(crate) struct Linear(pub Classifier);

impl Layers for Linear {
    fn add(
        &self,
        net: &mut Builder,
        map: NodeId,
        config: &ModelConfig,
    ) -> Result<NodeId, GraphError> {
        let pooled = net.average_pool(map)?;
        let pooled = net.dropout(pooled, config.dropout);
        net.linear(self.0.name, pooled, config.labels, true)
    }

    fn set_initials(&self, graph: &mut Graph) {
        let [weight, bias] = ["weight", "bias"].map(|kind| format!("{}.{kind}", self.0.name));
        let outputs = graph.parameter(&weight).map(|p| p.shape()[0]);
        if let (Some(initial), Some(outputs)) = (self.0.weight, outputs) {
            super::start(graph, &weight, initial(outputs));
            super::start(graph, &bias, Initial::Constant(0.0));
        }
    }
}
