//! Learning: losses, optimisers, schedules, metrics, the trainer, checkpoints and runs.

pub mod average;
pub mod checkpoint;
pub mod config;
mod error;
pub mod losses;
pub mod metrics;
pub mod npy;
pub mod optimizers;
pub mod progress;
pub mod runs;
pub mod schedules;
pub mod setting;

pub use error::{Error, ErrorKind};
