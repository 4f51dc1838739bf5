//! Learning: losses, optimisers, schedules, metrics, the trainer, checkpoints and runs.

pub mod average;
pub mod batches;
pub mod checkpoint;
pub mod config;
pub mod doctor;
mod error;
mod finite;
pub mod losses;
pub mod metrics;
pub mod mixing;
pub mod model;
pub mod npy;
pub mod optimizers;
pub mod predictor;
pub mod progress;
pub mod runs;
pub mod schedules;
pub mod score;
pub mod setting;
pub mod sweeps;
pub mod trainer;
pub mod views;

pub use error::{Error, ErrorKind};
