//! Rewrites: a graph and its weights in, another graph and weights that compute the same out.
//!
//! ```
//! use soup_graph::{Builder, Convolution, ImageShape, Weights, rewrite};
//!
//! let mut net = Builder::new(ImageShape { channels: 3, height: 8, width: 8 });
//! let x = net.convolution("conv", net.input(), Convolution::square(4, 3))?;
//! let x = net.batch_norm("bn", x, 1e-5, 0.1)?;
//! let x = net.average_pool(x)?;
//! let logits = net.linear("fc", x, 2, true)?;
//! let graph = net.finish(&[logits])?;
//! let weights = Weights::initial(&graph, 1);
//!
//! let (graph, _weights) = rewrite::for_inference(&graph, &weights)?;
//! let names: Vec<_> = graph.parameters().iter().map(|p| p.name()).collect();
//! assert_eq!(names, ["conv.weight", "conv.bias", "fc.weight", "fc.bias"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch_norm;
mod branches;
mod channels;
mod draft;
mod dropping;
mod head;

pub(crate) use channels::adapt_filters;
pub(crate) use head::head;

pub use batch_norm::fold_batch_norm;
pub use branches::merge_branches;
pub use channels::change_input_channels;
pub use dropping::remove_dropping;
pub use head::swap_head;

use draft::Draft;
use thiserror::Error;

use crate::{Graph, GraphError, Weights};

/// Why a graph cannot be rewritten as asked.
#[derive(Debug, Error, PartialEq)]
pub enum RewriteError {
    /// Something other than plain convolutions reads the image.
    #[error(
        "the image is read by {reader}; only plain convolutions can be given other input channels"
    )]
    InputReader {
        /// The operation.
        reader: String,
    },
    /// An output does not come straight from a linear layer or a convolution.
    #[error(
        "output {output} passes through {operation} after its last layer, so its number of labels cannot be changed"
    )]
    NoHead {
        /// Position in [`Graph::outputs`].
        output: usize,
        /// The operation in the way.
        operation: String,
    },
    /// The weights are not the graph's, or what came out would be no graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A count is 0.
    #[error("a network needs at least one {0}")]
    None(&'static str),
}

/// Everything that makes inference cheaper: no dropping, branches merged, batch norms folded.
///
/// # Errors
/// [`RewriteError::Graph`] where the weights are not the graph's, or merging gives a layer the name of another one.
pub fn for_inference(graph: &Graph, weights: &Weights) -> Result<(Graph, Weights), RewriteError> {
    let mut draft = Draft::new(graph, weights)?;
    dropping::apply(&mut draft);
    branches::apply(&mut draft)?;
    batch_norm::apply(&mut draft)?;
    draft.finish()
}
