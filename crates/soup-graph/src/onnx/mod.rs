//! Networks as ONNX files (<https://onnx.ai>), for runtimes of every language.
//!
//! A [`Writer`] takes values and operations one after the other; [`Writer::network`] walks over the
//! nodes of a graph, so that an export cannot drift from what the engine runs. What stands before
//! and after the network (images, probabilities) is added by the caller. Maps are N x
//! channels x rows x columns, as ONNX has them; only operations of the plain operator set are
//! written, those that runtimes have had for years where there is a choice.
//!
//! ```
//! use soup_graph::onnx::{Element, Writer};
//! use soup_graph::{Builder, Convolution, ImageShape, Weights};
//!
//! let mut net = Builder::new(ImageShape { channels: 1, height: 8, width: 8 });
//! let x = net.convolution("conv", net.input(), Convolution::square(4, 3))?;
//! let x = net.average_pool(x)?;
//! let logits = net.linear("fc", x, 2, true)?;
//! let graph = net.finish(&[logits])?;
//!
//! let mut onnx = Writer::new("example");
//! let x = onnx.input("x", Element::Float, &[1, 8, 8], "one image: grey, 0 to 1");
//! let logits = onnx.network("", &graph, &Weights::initial(&graph, 1), x);
//! onnx.output("logits", &logits[0], &[2], "one a label");
//! let bytes = onnx.finish(&[("labels", "[\"a\",\"b\"]")])?;
//! assert!(bytes.len() > 4 * graph.trainable_len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod network;
mod proto;
#[cfg(test)]
mod tests;
mod writer;

use thiserror::Error;

pub use writer::{Attribute, Element, Value, Writer};

/// The operator set that is written. 18 is the first in which `Resize` leaves the first two axes
/// alone by itself; ONNX Runtime has it since 1.14 (2023), OpenVINO since 2023.0.
pub const OPERATOR_SET: i64 = 18;

/// The version of the file format that goes with [`OPERATOR_SET`].
const FORMAT: i64 = 8;

/// Why a model cannot be an ONNX file.
#[derive(Debug, Error, PartialEq)]
pub enum OnnxError {
    /// Protobuf holds less than 2 GiB.
    #[error(
        "the ONNX file would have {0} bytes, and the format allows 2147483647; export fewer folds into one file"
    )]
    TooLarge(usize),
}
