//! The founding head: the backbone with its own 1000-way classifier, the activation, and a linear
//! layer (`labels`) to the labels. Public weights load with their classifier.

use soup_graph::{Activation, Builder, GraphError, NodeId};

use crate::ModelConfig;
use crate::backbone::Classifier;

/// Outputs of the backbone's own classifier: the classes of ImageNet.
pub const CLASSES: usize = 1000;

pub(crate) fn add(
    net: &mut Builder,
    map: NodeId,
    classifier: Classifier,
    activation: Activation,
    config: &ModelConfig,
) -> Result<NodeId, GraphError> {
    let pooled = net.average_pool(map)?;
    let pooled = net.dropout(pooled, config.dropout);
    let classes = net.linear(classifier.name, pooled, CLASSES, true)?;
    let classes = net.activation(classes, activation);
    net.linear("labels", classes, config.labels, true)
}
