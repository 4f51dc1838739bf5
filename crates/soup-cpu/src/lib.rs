//! The CPU engine: plans a [`Graph`](soup_graph::Graph) for one batch size and runs it, forward and
//! backward.
//!
//! The idea is *lazy normalisation*: a convolution writes its raw output once and takes the sums that
//! batch norm needs while the output is still in cache; nobody stores a normalised or activated tensor.
//! Normalisation, activation and squeeze-excite are applied by whoever reads the raw output next, and
//! computed again on the way back. All memory of a step is laid out before the first one.
//!
//! [`Training`] and [`Inference`] run a plan; [`reference`] is a plain interpreter of the same graphs that
//! both are tested against. Results do not depend on the number of threads.

#![expect(
    unsafe_code,
    reason = "kernels work on raw pointers into the plan's arena; each use states why it is sound"
)]
#![warn(clippy::undocumented_unsafe_blocks)]
#![cfg_attr(soup_asan, allow(dead_code))]

mod aligned;
mod kernels;
pub mod memory;
mod peak;
mod plan;
pub mod reference;
mod runner;
mod simd;
mod steps;

pub use peak::Peak;
pub use plan::PlanError;
pub use runner::{Detail, Inference, Options, StepTime, Training};
pub use simd::{Isa, Precision};
pub use soup_threads::Pool;
