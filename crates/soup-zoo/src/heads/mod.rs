//! Heads: from the backbone's feature map to one logit a label.

pub mod founders;
pub mod label_map;
pub(crate) mod linear;

use soup_graph::{Graph, Initial};

/// Changes how the parameter of this name starts.
fn start(graph: &mut Graph, name: &str, initial: Initial) {
    for parameter in graph.parameters.iter_mut().filter(|p| p.name == name) {
        parameter.initial = initial;
    }
}
