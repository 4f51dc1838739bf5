//! The CPU engine: plans a [`Graph`](soup_graph::Graph) for one batch size and runs it, forward and
//! backward.
//!
//! The idea is *lazy normalisation*: a convolution writes its raw output once and takes the sums that
//! batch norm needs while the output is still in cache. Normalised and activated tensors are never stored.
//! Normalisation, activation and squeeze-excite are fused into the next reader of the raw output, and
//! recomputed in the backward pass. All memory of a step is laid out before the first one.
//!
//! [`Training`] and [`Inference`] run a plan; [`Cpu`] is the [`soup_engine::Engine`]. Both are tested against
//! [`soup_engine::reference`]. Results do not depend on the number of threads.

#![expect(
    unsafe_code,
    reason = "kernels work on raw pointers into the plan's arena; each use states why it is sound"
)]
#![warn(clippy::undocumented_unsafe_blocks)]
#![cfg_attr(any(soup_asan, fuzzing), allow(dead_code))]

mod aligned;
mod engine;
mod kernels;
mod peak;
mod plan;
mod runner;
mod simd;
mod steps;

pub use engine::Cpu;
pub use plan::PlanError;
pub use runner::{Inference, Options, Training};
pub use simd::Isa;
