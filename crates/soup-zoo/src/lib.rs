//! Backbones and heads, each one file that builds a graph.
//!
//! [`models()`] lists what there is, [`build`] makes a [`Graph`] from a [`ModelConfig`]. A backbone's
//! parameters carry timm's names and start as timm starts them, so that weights move both ways.
//!
//! ```
//! use soup_zoo::{Head, ModelConfig, build};
//!
//! let graph = build(&ModelConfig {
//!     name: "efficientnet_b0".to_owned(),
//!     channels: 1,
//!     height: 128,
//!     width: 128,
//!     labels: 26,
//!     head: Head::Linear,
//!     ..ModelConfig::default()
//! })?;
//! assert_eq!(graph.parameter("classifier.weight").unwrap().shape(), [26, 1280]);
//! # Ok::<(), soup_zoo::ZooError>(())
//! ```

mod backbone;
mod config;
pub mod efficientnet;
mod error;
pub mod heads;
mod models;
pub mod public;
pub mod repvgg;
pub mod resnet;
pub mod soup;
#[cfg(test)]
mod tests;

pub use config::{Head, MapPool, ModelConfig};
pub use error::ZooError;
pub use models::{ModelSpec, backbone, build, find, head, models};
pub use soup_graph::{Activation, Graph};
