//! The interface between a network and what runs it.
//!
//! An [`Engine`] is given a [`Graph`](soup_graph::Graph), a batch size and a [`Precision`], and makes sessions: a
//! [`TrainingSession`] owns the weights, their gradients, their average and the optimiser's state, so that an
//! engine on another device need not copy them every step; an [`InferenceSession`] predicts. Callers
//! hold a [`Device`] and do not name an engine.
//!
//! [`mod@reference`] is the first engine: a plain interpreter, slow and simple, that others are tested against.

mod device;
mod engine;
mod frozen;
pub mod memory;
pub mod optimizers;
mod precision;
mod profile;
pub mod reference;
pub mod setting;
mod state;

pub use device::Device;
pub use engine::{Engine, EngineError, InferenceSession, TrainingSession};
pub use frozen::Frozen;
pub use precision::Precision;
pub use profile::{Detail, Peak, StepTime};
pub use soup_threads::Pool;
pub use state::{Learning, TrainingState};
