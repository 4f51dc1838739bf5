//! Other input channels for trained filters, by timm's rule (`adapt_input_conv`).

use super::RewriteError;
use super::draft::Draft;
use crate::{Graph, NodeId, Op, Weights};

/// The network for images of another number of channels: filters that read the image are summed
/// for one channel, else repeated and scaled so that equal channels give what they gave before.
///
/// # Errors
/// [`RewriteError::InputReader`] where something else than a plain convolution reads the image,
/// [`RewriteError::None`] for 0 channels, [`RewriteError::Graph`] where the weights are not the graph's.
pub fn change_input_channels(
    graph: &Graph,
    weights: &Weights,
    channels: usize,
) -> Result<(Graph, Weights), RewriteError> {
    if channels == 0 {
        return Err(RewriteError::None("input channel"));
    }
    let mut draft = Draft::new(graph, weights)?;
    if channels == graph.input().channels {
        return draft.finish();
    }
    for node in graph.nodes() {
        if !node.inputs.contains(&NodeId(0)) {
            continue;
        }
        let Op::Convolution { spec, weight, .. } = &node.op else {
            return Err(RewriteError::InputReader {
                reader: format!("{:?}", node.op),
            });
        };
        if spec.groups != 1 {
            return Err(RewriteError::InputReader {
                reader: format!("a depthwise convolution ('{}')", draft.layer(*weight)),
            });
        }
        let values = &mut draft.values[weight.0];
        *values = adapt_filters(values, draft.parameters[weight.0].shape(), channels);
        draft.parameters[weight.0].reshape(1, channels)?;
    }
    draft.input.channels = channels;
    draft.finish()
}

/// Filters of shape (out, in, rows, columns) for another number of inputs.
pub(crate) fn adapt_filters(values: &[f32], shape: &[usize], channels: usize) -> Vec<f32> {
    let base = shape[1];
    let plane: usize = shape[2..].iter().product();
    if channels == base {
        return values.to_vec();
    }
    let filters = values.chunks_exact(base * plane);
    if channels == 1 {
        let sum = |filter: &[f32], at: usize| filter.iter().skip(at).step_by(plane).sum();
        return filters
            .flat_map(|filter| (0..plane).map(move |at| sum(filter, at)))
            .collect();
    }
    let scale = base as f32 / channels as f32;
    filters
        .flat_map(|filter| {
            let repeated = filter.iter().cycle().take(channels * plane);
            repeated.map(move |x| x * scale)
        })
        .collect()
}
