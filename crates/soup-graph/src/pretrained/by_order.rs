//! Tensors that stand in the order of a network's parameters under other names.

use super::by_name::{differs_in_inputs, image_filters};
use super::{Tensors, WeightsError};
use crate::{Graph, Op, Parameter, ParameterId, rewrite};

/// What a batch norm's tensors are called in every PyTorch file: a sign that the order is another one.
const ENDINGS: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];

/// Gives the tensors the names of the graph's parameters that stand at their places. Every tensor up to the last batch
/// norm must have its parameter's shape. Those behind it are the head's where they are as many, else they keep their names.
pub(super) fn rename(source: &mut Tensors<'_>, graph: &Graph) -> Result<(), WeightsError> {
    let wrong = |problem: String| WeightsError::Order {
        file: source.file().to_owned(),
        problem,
    };
    if !source.ordered {
        return Err(wrong(
            "only PyTorch files have one; tensors of safetensors and ONNX files have names alone"
                .to_owned(),
        ));
    }
    let head = head(graph);
    let readers = image_filters(graph);
    let body = (graph.parameters().iter().enumerate())
        .filter(|(place, _)| !head.contains(&ParameterId(*place)));
    let body: Vec<(ParameterId, &Parameter)> = body
        .map(|(place, parameter)| (ParameterId(place), parameter))
        .collect();
    let held: Vec<(&str, &[usize])> = source.list().collect();
    if held.len() < body.len() {
        return Err(wrong(format!(
            "it holds {} tensors, and the network has {} up to its last batch norm",
            held.len(),
            body.len()
        )));
    }
    for (number, (&(name, shape), (id, parameter))) in held.iter().zip(&body).enumerate() {
        let adapts = readers.contains(id) && differs_in_inputs(shape, parameter.shape());
        if (shape != parameter.shape() && !adapts) || !same_ending(name, parameter.name()) {
            return Err(wrong(format!(
                "tensor {}, '{name}' of shape {shape:?}, stands where the network has '{}' of shape {:?}",
                number + 1,
                parameter.name(),
                parameter.shape()
            )));
        }
    }
    let rest = &held[body.len()..];
    if let Some((name, _)) = rest.iter().find(|(name, _)| name.contains("running_")) {
        return Err(wrong(format!(
            "'{name}' belongs to a batch norm behind the network's last one: it is a deeper network's"
        )));
    }
    let mut names: Vec<String> = (body.iter())
        .map(|(_, parameter)| parameter.name().to_owned())
        .collect();
    if rest.len() == head.len() {
        names.extend(head.iter().map(|id| graph.at(*id).name().to_owned()));
    }
    let pair = |place: usize| format!("'{}' as '{}'", held[place].0, names[place]);
    let note = match names.len() {
        0 => "by order: nothing".to_owned(),
        count => format!(
            "by order: {count} of {} tensors, {} to {}; {} counters of batches left out",
            held.len(),
            pair(0),
            pair(count - 1),
            source.counters
        ),
    };
    source.rename(names);
    source.notes.push(note);
    Ok(())
}

/// Whether two names may be the same tensor's: not where both end as a batch norm's do, and differently.
fn same_ending(a: &str, b: &str) -> bool {
    let ending = |name: &str| {
        let last = name.rsplit('.').next().unwrap_or_default();
        ENDINGS.iter().position(|ending| *ending == last)
    };
    ending(a).is_none() || ending(b).is_none() || ending(a) == ending(b)
}

/// Parameters of the head, in the graph's order.
fn head(graph: &Graph) -> Vec<ParameterId> {
    let nodes = rewrite::head(graph).into_iter();
    let parameters = nodes.flat_map(|id| match &graph.node(id).op {
        Op::Convolution { weight, bias, .. } | Op::Linear { weight, bias } => {
            std::iter::once(*weight).chain(*bias).collect()
        }
        Op::PowerPool { power } => vec![*power],
        _ => Vec::new(),
    });
    let mut parameters: Vec<ParameterId> = parameters.collect();
    parameters.sort_unstable();
    parameters.dedup();
    parameters
}
