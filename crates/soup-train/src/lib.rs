//! Training: losses, optimisers, schedules, the trainer, checkpoints and runs.

pub mod average;
pub mod checkpoint;
pub mod config;
pub mod doctor;
mod error;
pub mod held_out;
pub mod losses;
pub mod mixing;
pub mod npy;
pub mod progress;
pub mod runs;
pub mod schedules;
pub mod trainer;

pub use error::Error;
