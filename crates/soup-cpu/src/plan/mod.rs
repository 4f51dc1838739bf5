//! A graph made ready to run: steps in order, each tensor's place in one arena.

mod backward;
mod forward;
mod memory;
mod view;

use std::{collections::BTreeMap, fmt::Debug};

pub use forward::PlanError;
pub(crate) use forward::{Machine, lower};
pub(crate) use memory::{Buffer, Memory};
use soup_graph::Weights;
use soup_threads::Pool;
pub(crate) use view::{Gradient, MapShape, Norm, Vector, View};

use crate::simd::{Isa, MapKernel, Precision, Values};

/// What a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Batch statistics, dropout, and a backward half.
    Training,
    /// Running statistics, no dropout.
    Inference,
}

/// A graph made ready to run for one batch size.
#[derive(Debug)]
pub(crate) struct Plan {
    pub batch: usize,
    pub memory: Memory,
    /// Forward steps, then backward steps.
    pub steps: Vec<Box<dyn Step>>,
    /// Number of forward steps, and of those at their start that depend on the weights alone.
    pub forward: usize,
    pub loading: usize,
    pub input: Buffer,
    pub outputs: Vec<Output>,
    pub norms: Vec<NormPlan>,
    /// Values of scratch that one worker needs.
    pub scratch: usize,
    /// Constants to be written once: vectors of ones and of zeros, and a norm that changes nothing.
    pub ones: Vector,
    pub zeros: Vector,
    pub identity: Norm,
    /// For every node its map, where one is stored for it.
    pub kept: Vec<Option<Output>>,
    /// For some nodes the copy of their input that was stored for them.
    pub copies: BTreeMap<usize, Output>,
    /// Where every map is stored, and the width of its halo.
    #[cfg(test)]
    pub maps: Vec<(Buffer, MapShape, usize)>,
}

/// An output, and where its gradient is put before the backward half. Both are rows: one an image for a
/// vector, one a pixel for a map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub value: Buffer,
    pub gradient: Option<Buffer>,
    /// Whether it is stored as maps are.
    pub is_map: bool,
    /// Rows of a batch.
    pub rows: usize,
    /// Values in a row, and from one row to the next.
    pub length: usize,
    pub stride: usize,
}

/// A batch norm: its coefficients' place and its parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NormPlan {
    pub rows: Norm,
    pub channels: usize,
    pub momentum: f32,
    /// Parameters' offsets: mean and variance among the buffers.
    pub mean: usize,
    pub variance: usize,
}

/// One pass over memory (or a few small ones).
pub(crate) trait Step: Debug + Send + Sync {
    /// Runs it.
    ///
    /// # Safety
    /// The context must be that of the plan which the step is part of, and the steps before it must have run. Then every
    /// buffer has its words, which no other live buffer shares ([`Memory::lay_out`]). Every worker of the pool has scratch
    /// of its own, as large as [`Step::scratch`] says. The processor has the instruction set. Nothing else may use arena,
    /// scratch or gradients meanwhile. The step itself ensures that no two of its tasks write to one place.
    unsafe fn run(&self, context: &Context<'_>);
    /// Every buffer that it reads or writes; they stay in place from the first to the last step that
    /// names them.
    fn buffers(&self, visit: &mut dyn FnMut(Buffer));
    /// Values of scratch that one worker needs.
    fn scratch(&self) -> usize {
        0
    }
    /// Name for a profile.
    fn name(&self) -> &'static str;
    /// Shapes, for a profile of single steps; empty where the name is enough.
    fn shapes(&self) -> String {
        String::new()
    }
    /// Fused multiply-adds of values, for one image.
    fn multiply_adds(&self) -> usize {
        0
    }
}

/// What a step runs with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub memory: *mut f32,
    pub offsets: &'a [usize],
    pub scratch: *mut f32,
    pub scratch_stride: usize,
    pub pool: &'a Pool,
    pub isa: Isa,
    /// Of all maps and of gradients of maps.
    pub precision: Precision,
    pub batch: usize,
    pub weights: &'a Weights,
    /// Laid out as the trained weights; null in the forward half.
    pub gradients: *mut f32,
    /// Seed and counter of what dropout and drop-path drop.
    pub seed: u64,
    pub draw: u32,
}

// SAFETY: a context is shared with the tasks of one step at a time. Its pointers are to memory that the runner borrows for
// as long as the context lives. No two tasks of a step write to one place, and each has the scratch of its worker.
unsafe impl Sync for Context<'_> {}

impl Context<'_> {
    /// Start of a buffer.
    pub(crate) fn at(&self, buffer: Buffer) -> *mut f32 {
        // SAFETY: `Memory::lay_out` gave every buffer an offset within the `total` words that the arena has.
        unsafe { self.memory.add(self.offsets[buffer.0]) }
    }

    /// Start of a buffer that holds a map, or the gradient of one.
    pub(crate) fn map(&self, buffer: Buffer) -> Values {
        Values::new(self.at(buffer), self.precision)
    }

    /// Runs a kernel on maps.
    ///
    /// # Safety
    /// As [`Isa::run`].
    pub(crate) unsafe fn run(&self, kernel: impl MapKernel) {
        // SAFETY: the kernel's pointers are the caller's promise; that the processor has `isa` was seen to when the
        // engine was made.
        unsafe { self.isa.run_on(self.precision, kernel) }
    }

    /// A worker's scratch.
    pub(crate) fn scratch(&self, worker: usize) -> *mut f32 {
        // SAFETY: there are `scratch_stride` words for every thread of the pool, and workers are numbered below these.
        unsafe { self.scratch.add(worker * self.scratch_stride) }
    }

    /// A worker's scratch for pixels of maps.
    pub(crate) fn scratch_map(&self, worker: usize) -> Values {
        Values::new(self.scratch(worker), self.precision)
    }
}
