//! A convolution followed by a batch norm is a convolution with bias, once the running statistics
//! stand still.

use super::RewriteError;
use super::draft::Draft;
use crate::{Graph, NodeId, Op, Weights};

/// Folds each batch norm into the convolution before it, where nothing else reads that convolution.
/// The convolution keeps its name and gets a bias. Holds for inference only.
///
/// # Errors
/// As [`super::for_inference`].
pub fn fold_batch_norm(graph: &Graph, weights: &Weights) -> Result<(Graph, Weights), RewriteError> {
    let mut draft = Draft::new(graph, weights)?;
    apply(&mut draft)?;
    draft.finish()
}

pub(super) fn apply(draft: &mut Draft) -> Result<(), RewriteError> {
    let readers = draft.readers();
    for id in (0..draft.nodes.len()).map(NodeId) {
        let Some(affine) = Affine::of(draft, id) else {
            continue;
        };
        let before = draft.input(id);
        let Op::Convolution { spec, weight, bias } = *draft.op(before) else {
            continue;
        };
        if readers[before.0] != 1 {
            continue;
        }
        let mut filters = draft.values(weight);
        let mut shift = bias.map_or(vec![0.0; spec.channels], |bias| draft.values(bias));
        affine.apply(&mut filters, &mut shift);
        let layer = draft.layer(weight).to_owned();
        draft.replace_by_convolution(id, draft.input(before), spec, &layer, &filters, &shift)?;
    }
    Ok(())
}

/// What a batch norm does outside training: a scale and a shift a channel.
pub(super) struct Affine {
    scale: Vec<f64>,
    shift: Vec<f64>,
}

impl Affine {
    /// `None` where the node is no batch norm.
    pub fn of(draft: &Draft, node: NodeId) -> Option<Self> {
        let Op::BatchNorm {
            epsilon,
            weight,
            bias,
            mean,
            variance,
            ..
        } = *draft.op(node)
        else {
            return None;
        };
        let variance = draft.values(variance);
        let deviation = variance.iter().map(|v| (v + f64::from(epsilon)).sqrt());
        let weight = draft.values(weight);
        let scale: Vec<f64> = weight.iter().zip(deviation).map(|(w, d)| w / d).collect();
        let (bias, mean) = (draft.values(bias), draft.values(mean));
        let shift = bias.iter().zip(&mean).zip(&scale);
        let shift = shift.map(|((b, m), s)| b - m * s).collect();
        Some(Self { scale, shift })
    }

    /// Puts it behind filters (output channels outermost) and their bias.
    pub fn apply(&self, filters: &mut [f64], bias: &mut [f64]) {
        let length = filters.len() / bias.len();
        for (channel, filter) in filters.chunks_exact_mut(length).enumerate() {
            filter.iter_mut().for_each(|x| *x *= self.scale[channel]);
            bias[channel] = bias[channel] * self.scale[channel] + self.shift[channel];
        }
    }
}
