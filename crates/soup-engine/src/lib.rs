//! The interface between a network and what runs it.
//!
//! An [`Engine`] is given a [`Graph`](soup_graph::Graph), a batch size and a [`Precision`], and makes sessions: a
//! [`TrainingSession`] owns the weights, their gradients, their average and what the optimiser remembers, so that an
//! engine on another device need not copy them every step; an [`InferenceSession`] answers. Whoever trains or answers
//! holds a [`Device`] and knows no engine by its name.
//!
//! [`reference`] is the first engine: a plain interpreter, slow and simple, that others are tested against.

mod device;
mod engine;
pub mod memory;
pub mod optimizers;
mod precision;
mod profile;
pub mod reference;
pub mod setting;
mod state;

pub use device::Device;
pub use engine::{Engine, EngineError, InferenceSession, TrainingSession};
pub use precision::Precision;
pub use profile::{Detail, Peak, StepTime};
pub use soup_threads::Pool;
pub use state::{Learning, TrainingState};
