//! Run directories: what a run leaves on disk, and how it gets there whole.

pub mod files;
mod lock;

pub use lock::Lock;
