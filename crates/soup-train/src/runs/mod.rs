//! Run directories: what a run leaves on disk, and how it gets there whole.

mod directory;
pub mod files;
mod lock;
pub mod log;
pub mod metrics;

pub use directory::{FoldDirectory, RunDirectory, Session, refuse_other, refuse_other_settings};
pub use lock::Lock;
pub use log::Log;
pub use metrics::EpochRecord;
