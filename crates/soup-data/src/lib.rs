//! Where images and labels come from: data sets, the pack, folds, transforms.

mod annotation;
pub mod batches;
pub mod dataset;
pub mod doctor;
pub mod error;
pub mod files;
pub mod folds;
pub mod ids;
pub mod mixture;
pub mod npy;
pub mod pack;
pub mod problems;
mod source;
pub mod subset;
pub mod tables;
pub mod transforms;

pub use annotation::{Annotation, Annotations};
pub use error::{Error, Result};
pub use soup_graph::ImageShape;
pub use source::Source;
