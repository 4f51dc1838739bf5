//! Mean over the map, dropout, linear layer: timm's head, under the backbone's own name for it.

use soup_graph::{Builder, Graph, GraphError, Initial, NodeId};

use crate::ModelConfig;
use crate::backbone::Classifier;

pub(crate) fn add(
    net: &mut Builder,
    map: NodeId,
    classifier: Classifier,
    config: &ModelConfig,
) -> Result<NodeId, GraphError> {
    let pooled = net.average_pool(map)?;
    let pooled = net.dropout(pooled, config.dropout);
    net.linear(classifier.name, pooled, config.labels, true)
}

pub(crate) fn set_initials(graph: &mut Graph, classifier: Classifier, outputs: usize) {
    if let Some(weight) = classifier.weight {
        super::start(
            graph,
            &format!("{}.weight", classifier.name),
            weight(outputs),
        );
        super::start(
            graph,
            &format!("{}.bias", classifier.name),
            Initial::Constant(0.0),
        );
    }
}
