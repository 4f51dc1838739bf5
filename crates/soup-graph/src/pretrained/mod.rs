//! Weights that others trained: what a file holds, whatever its format, and how it fits a network.
//!
//! | format | told by | order |
//! |---|---|---|
//! | safetensors | a JSON header | none: names are sorted |
//! | PyTorch, `torch.save` since 1.6 | a zip with `data.pkl` | that of the `state_dict` |
//! | PyTorch before 1.6 | the pickle's magic number | that of the `state_dict` |
//! | ONNX | a protobuf message with a graph | none: constants stand among the weights |
//!
//! The content decides, not the ending of the name. Nothing of a file is ever executed: pickles are read by a machine that
//! knows tensors and dictionaries alone (`torch/pickle.rs`). What is wrapped around the tensors is taken off, as timm does:
//! dictionaries called `state_dict_ema`, `model_ema`, `state_dict` or `model`, prefixes `module.`, `_orig_mod.` and `model.`
//! that all names have.

mod by_name;
mod by_order;
mod error;
mod file;
mod onnx;
mod tensors;
mod torch;

use std::fmt;
use std::path::Path;

pub use error::WeightsError;
pub(crate) use error::length;
pub(crate) use file::read;
pub(crate) use tensors::Tensors;

use crate::{Graph, Weights};
use error::first_few;

/// Ending of the counters that PyTorch's batch norms keep and nothing here needs.
pub(crate) const COUNTER: &str = ".num_batches_tracked";

/// What tells which tensor of a file belongs to which parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Match {
    /// Its name.
    #[default]
    Name,
    /// Its place: tensors stand in the order of the network's parameters, with their shapes. For PyTorch files of networks
    /// whose layers are called otherwise.
    Order,
}

/// Weights that were made to fit, and what it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The weights.
    pub weights: Weights,
    /// What was taken off the tensors or decided about them before they were matched.
    pub notes: Vec<String>,
    /// Filters adapted to the graph's input channels, in the graph's order.
    pub adapted: Vec<String>,
    /// Parameters of the head that kept their initial values, in the graph's order.
    pub kept_initial: Vec<String>,
    /// Tensors of the file that were not used, sorted.
    pub unused: Vec<String>,
}

/// What it took, the first few names of each kind; "all of it" where the file fitted as it is.
impl fmt::Display for Loaded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("fresh", &self.kept_initial),
            ("made to fit the channels", &self.adapted),
            ("not used", &self.unused),
        ];
        let listed = kinds.into_iter().filter(|(_, names)| !names.is_empty());
        let listed = listed.map(|(kind, names)| format!("{kind}: {}", first_few(names)));
        let listed: Vec<_> = self.notes.iter().cloned().chain(listed).collect();
        match listed.is_empty() {
            true => out.write_str("all of it"),
            false => out.write_str(&listed.join("; ")),
        }
    }
}

/// The weights of a graph from a file of the same backbone, by timm's rules. Filters that read the
/// image are adapted to the graph's channels. A layer of the head whose shape differs or that the
/// file lacks keeps its values in `initial`. Tensors that the graph lacks are left out. [`Loaded`]
/// lists them all. The head is what follows the last batch norm.
///
/// # Errors
/// [`WeightsError`] where the file cannot be read, is damaged or belongs to another backbone;
/// [`WeightsError::Length`] where `initial` is not the graph's; [`WeightsError::Order`] where it is to be matched by order
/// and does not fit.
pub fn load(
    path: &Path,
    graph: &Graph,
    initial: Weights,
    by: Match,
) -> Result<Loaded, WeightsError> {
    from_bytes(
        &path.display().to_string(),
        &read(path)?,
        graph,
        initial,
        by,
    )
}

/// [`load`] from memory; `file` is what errors call it.
///
/// # Errors
/// As [`load`].
pub fn from_bytes(
    file: &str,
    bytes: &[u8],
    graph: &Graph,
    initial: Weights,
    by: Match,
) -> Result<Loaded, WeightsError> {
    initial
        .check(graph.trainable_len(), graph.buffer_len())
        .map_err(|error| length(file, &error))?;
    let mut source = Tensors::new(file, bytes)?;
    if by == Match::Order {
        by_order::rename(&mut source, graph)?;
    }
    by_name::adapt(source, graph, initial)
}

/// Refuses a file that holds no tensors or is damaged; whether they fit a network is not asked.
///
/// # Errors
/// [`WeightsError`].
pub fn check(path: &Path) -> Result<(), WeightsError> {
    Tensors::new(&path.display().to_string(), &read(path)?).map(|_| ())
}
