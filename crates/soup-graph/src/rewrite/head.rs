//! Another number of labels, and what belongs to the head.

use super::RewriteError;
use super::draft::Draft;
use crate::{Graph, Initial, NodeId, Op, Shape, Weights};

/// The network with fresh last layers for another number of labels, started as timm's
/// `reset_classifier` starts them: uniform within `1 / sqrt(inputs)`, drawn from `seed`.
///
/// # Errors
/// [`RewriteError::NoHead`] where an output does not come straight from a linear layer or a
/// convolution,
/// [`RewriteError::None`] for 0 labels, [`RewriteError::Graph`] where the weights are not the graph's.
pub fn swap_head(
    graph: &Graph,
    weights: &Weights,
    labels: usize,
    seed: u64,
) -> Result<(Graph, Weights), RewriteError> {
    if labels == 0 {
        return Err(RewriteError::None("label"));
    }
    let heads = layers(graph)?;
    let mut draft = Draft::new(graph, weights)?;
    let mut fresh = Vec::new();
    for &head in &heads {
        match &mut draft.nodes[head.0].op {
            Op::Convolution { spec, weight, bias } => {
                spec.channels = labels;
                fresh.extend([Some(*weight), *bias]);
            }
            Op::Linear { weight, bias } => fresh.extend([Some(*weight), *bias]),
            _ => {}
        }
    }
    let mut bound = 1.0;
    for id in fresh.iter().flatten() {
        let parameter = &mut draft.parameters[id.0];
        // Each weight stands before its bias, which takes the same bound.
        if parameter.shape().len() > 1 {
            let inputs: usize = parameter.shape()[1..].iter().product();
            bound = 1.0 / (inputs as f32).sqrt();
        }
        parameter.initial = Initial::Uniform(bound);
        parameter.reshape(0, labels)?;
        draft.values[id.0] = vec![0.0; parameter.len()];
    }
    let fresh: Vec<String> = fresh
        .iter()
        .flatten()
        .map(|id| draft.parameters[id.0].name().to_owned())
        .collect();
    let (graph, mut weights) = draft.finish()?;
    let drawn = Weights::initial(&graph, seed);
    for parameter in graph.parameters() {
        if !fresh.iter().any(|name| name == parameter.name()) {
            continue;
        }
        let values = drawn.of(parameter).to_vec();
        weights.of_mut(parameter).copy_from_slice(&values);
    }
    Ok((graph, weights))
}

/// The layers whose outputs are the labels: from each output back through operations that keep
/// labels apart.
pub(crate) fn layers(graph: &Graph) -> Result<Vec<NodeId>, RewriteError> {
    let mut heads = Vec::new();
    for (output, &start) in graph.outputs().iter().enumerate() {
        let mut open = vec![start];
        while let Some(id) = open.pop() {
            let node = graph.node(id);
            let is_layer = match &node.op {
                Op::Linear { .. } => true,
                Op::Convolution { spec, .. } if spec.groups == 1 => true,
                Op::Activation(_)
                | Op::AveragePool
                | Op::LogSumExpPool { .. }
                | Op::PowerPool { .. }
                | Op::AttentionPool { .. }
                | Op::MaxPool { .. }
                | Op::Dropout(_)
                | Op::DropPath(_) => false,
                // A sum of logits; one of maps is a residual branch.
                Op::Add if matches!(node.shape, Shape::Vector(_)) => false,
                operation => {
                    return Err(RewriteError::NoHead {
                        output,
                        operation: format!("{operation:?}"),
                    });
                }
            };
            if !is_layer {
                open.extend(node.inputs.iter().rev());
            } else if !heads.contains(&id) {
                heads.push(id);
            }
        }
    }
    Ok(heads)
}

/// The layers of the head: those that no batch norm follows. Networks normalise up to their last map, and heads do not. Where
/// nothing is normalised, as after folding, the last layers alone.
pub(crate) fn head(graph: &Graph) -> Vec<NodeId> {
    let is_norm = |op: &Op| matches!(op, Op::BatchNorm { .. });
    if !graph.nodes().iter().any(|node| is_norm(&node.op)) {
        return layers(graph).unwrap_or_default();
    }
    let mut is_normalised = vec![false; graph.nodes().len()];
    for (index, node) in graph.nodes().iter().enumerate().rev() {
        for input in &node.inputs {
            is_normalised[input.0] |= is_normalised[index] || is_norm(&node.op);
        }
    }
    let nodes = graph.nodes().iter().enumerate();
    nodes
        .filter(|(index, node)| !is_normalised[*index] && !is_norm(&node.op))
        .map(|(index, _)| NodeId(index))
        .collect()
}
