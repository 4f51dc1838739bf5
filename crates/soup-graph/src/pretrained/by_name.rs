//! Tensors that carry the names of a network's parameters.

use super::{Loaded, Tensors, WeightsError};
use crate::{Graph, NodeId, Op, ParameterId, Weights, rewrite};

/// Takes what fits; see [`super::load`].
pub(super) fn adapt(
    source: Tensors<'_>,
    graph: &Graph,
    initial: Weights,
) -> Result<Loaded, WeightsError> {
    let mut loaded = Loaded {
        weights: initial,
        notes: source.notes.clone(),
        adapted: Vec::new(),
        kept_initial: Vec::new(),
        unused: Vec::new(),
    };
    let readers = image_filters(graph);
    let fresh = fresh_layers(graph, &source);
    let (missing, unused) = source.differences(&[(String::new(), graph)]);
    let is_fresh = |name: &String| fresh.iter().any(|id| graph.at(*id).name() == name);
    let missing: Vec<String> = missing.into_iter().filter(|n| !is_fresh(n)).collect();
    if !missing.is_empty() {
        return Err(source.names(missing, unused));
    }
    loaded.unused = unused;
    for (index, parameter) in graph.parameters().iter().enumerate() {
        let id = ParameterId(index);
        if fresh.contains(&id) {
            loaded.kept_initial.push(parameter.name().to_owned());
            continue;
        }
        let values = match source.shape(parameter.name()) {
            Some(shape) if readers.contains(&id) && differs_in_inputs(shape, parameter.shape()) => {
                loaded.adapted.push(parameter.name().to_owned());
                let values = source.values(parameter.name(), shape)?;
                rewrite::adapt_filters(&values, shape, parameter.shape()[1])
            }
            _ => source.values(parameter.name(), parameter.shape())?,
        };
        loaded.weights.of_mut(parameter).copy_from_slice(&values);
    }
    Ok(loaded)
}

/// Weights of plain convolutions that read the image.
pub(super) fn image_filters(graph: &Graph) -> Vec<ParameterId> {
    let readers = graph
        .nodes()
        .iter()
        .filter(|n| n.inputs.contains(&NodeId(0)));
    readers
        .filter_map(|node| match &node.op {
            Op::Convolution { spec, weight, .. } if spec.groups == 1 => Some(*weight),
            _ => None,
        })
        .collect()
}

/// Whether two shapes of filters are the same but for the input channels, of which there are some.
pub(super) fn differs_in_inputs(held: &[usize], needed: &[usize]) -> bool {
    held.len() == 4
        && held[1] > 0
        && held[1] != needed[1]
        && held[0] == needed[0]
        && held[2..] == needed[2..]
}

/// Parameters of those layers of the head that the file does not hold in the graph's shape.
fn fresh_layers(graph: &Graph, source: &Tensors) -> Vec<ParameterId> {
    let head = rewrite::head(graph).into_iter();
    let layers = head.map(|id| match &graph.node(id).op {
        Op::Convolution { weight, bias, .. } | Op::Linear { weight, bias } => {
            std::iter::once(*weight).chain(*bias).collect()
        }
        Op::PowerPool { power } => vec![*power],
        _ => Vec::new(),
    });
    let differs = |layer: &Vec<ParameterId>| {
        layer.iter().any(|id| {
            let parameter = graph.at(*id);
            source.shape(parameter.name()) != Some(parameter.shape())
        })
    };
    layers.filter(differs).flatten().collect()
}
