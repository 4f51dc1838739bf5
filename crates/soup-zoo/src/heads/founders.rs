//! The founding head: the backbone with its own 1000-way classifier, the activation, and a linear
//! layer (`labels`) to the labels. Public weights load with their classifier.

use soup_graph::{Activation, Builder, Graph, GraphError, NodeId};

use super::{Layers, linear::Linear};
use crate::{ModelConfig, backbone::Classifier};

/// Outputs of the backbone's own classifier: the classes of ImageNet.
pub const CLASSES: usize = 1000;

/// With the backbone's last layer, and the activation between layers.
pub(crate) struct Founders(pub Classifier, pub Activation);

impl Layers for Founders {
    fn add(
        &self,
        net: &mut Builder,
        map: NodeId,
        config: &ModelConfig,
    ) -> Result<NodeId, GraphError> {
        let pooled = net.average_pool(map)?;
        let pooled = net.dropout(pooled, config.dropout);
        let classes = net.linear(self.0.name, pooled, CLASSES, true)?;
        let classes = net.activation(classes, self.1);
        net.linear("labels", classes, config.labels, true)
    }

    fn set_initials(&self, graph: &mut Graph) {
        Linear(self.0).set_initials(graph);
    }
}
