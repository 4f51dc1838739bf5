//! Why a graph cannot be planned.

use soup_engine::memory::{BatchTooLarge, room_for};
use soup_graph::{Graph, Node};
use thiserror::Error;

/// Why a graph cannot be run.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PlanError {
    /// The batch must hold an image.
    #[error("a batch of 0 images cannot be planned")]
    EmptyBatch,
    /// Only convolutions read the image itself.
    #[error("{0} reads the image; only a convolution can")]
    ReadsInput(String),
    /// `SOUP_CPU` names no instruction set, or one that this processor lacks.
    #[error("SOUP_CPU={0}: {1}")]
    InstructionSet(String, String),
    /// The memory of the plan is more than there is.
    #[error(transparent)]
    Memory(#[from] BatchTooLarge),
    /// A pattern that this engine has no steps for.
    #[error("the CPU engine cannot run {0}")]
    Unsupported(String),
}

/// Refuses what needs more memory than there is before it is planned, and what could not be counted in words: no
/// product of sizes in a plan is more than `FACTOR` times the values of the batch and of the parameters.
pub(super) fn check_size(graph: &Graph, batch: usize) -> Result<(), PlanError> {
    /// Winograd's tiles and padded channels make the most of a value.
    const FACTOR: u128 = 1 << 12;
    let length = |node: &Node| node.shape.len() as u128;
    let parameters = graph.trainable_len() + graph.buffer_len();
    let values = graph.nodes().iter().map(length).sum::<u128>();
    let all = values
        .saturating_mul(batch as u128)
        .saturating_add(parameters as u128);
    let images = graph.input().len() as u128 * batch as u128;
    let least = images * size_of::<f32>() as u128;
    let least = u64::try_from(least).unwrap_or(u64::MAX);
    let needs = match all.checked_mul(FACTOR) {
        Some(all) if all < isize::MAX as u128 => least,
        _ => u64::MAX,
    };
    room_for(needs).map_err(|shortage| BatchTooLarge { batch, shortage }.into())
}
