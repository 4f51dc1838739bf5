//! Dropout and dropped paths do nothing outside training.

use super::RewriteError;
use super::draft::Draft;
use crate::{Graph, NodeId, Op, Weights};

/// The graph without [`Op::Dropout`] and [`Op::DropPath`].
///
/// # Errors
/// As [`super::for_inference`].
pub fn remove_dropping(graph: &Graph, weights: &Weights) -> Result<(Graph, Weights), RewriteError> {
    let mut draft = Draft::new(graph, weights)?;
    apply(&mut draft);
    draft.finish()
}

pub(super) fn apply(draft: &mut Draft) {
    for id in (0..draft.nodes.len()).map(NodeId) {
        if matches!(draft.op(id), Op::Dropout(_) | Op::DropPath(_)) {
            draft.redirect(id, draft.input(id));
        }
    }
}
