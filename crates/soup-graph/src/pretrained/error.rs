//! What can be wrong with a weight file.

use std::io;

use thiserror::Error;

use crate::GraphError;

/// Why weights cannot be read or written. Every message names the file.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// The file cannot be read or written.
    #[error("{file}: cannot {action}: {source}")]
    Io {
        /// The file.
        file: String,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The file is no safetensors file or a damaged one.
    #[error("{file}: not a whole safetensors file: {source}")]
    Format {
        /// The file.
        file: String,
        /// What the format misses.
        source: ::safetensors::SafeTensorError,
    },
    /// The file is no PyTorch file of tensors, or a damaged one.
    #[error("{file}: not a PyTorch file of tensors: {problem}")]
    Torch {
        /// The file.
        file: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The file is no ONNX file with the values of its tensors in it, or a damaged one.
    #[error("{file}: not a whole ONNX file: {problem}")]
    Onnx {
        /// The file.
        file: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Tensors cannot be matched by their order.
    #[error("{file}: its tensors do not fit by order: {problem}")]
    Order {
        /// The file.
        file: String,
        /// The first pair that does not fit, or why there is no order.
        problem: String,
    },
    /// The file holds other tensors than the network has.
    #[error(
        "{file}: the weights of another network: {}",
        names(missing, unexpected, *ordered)
    )]
    Names {
        /// The file.
        file: String,
        /// Parameters that the file does not hold, sorted.
        missing: Vec<String>,
        /// Tensors that the network does not have, sorted.
        unexpected: Vec<String>,
        /// Whether they stand in an order by which they could be matched.
        ordered: bool,
    },
    /// A tensor has the wrong shape.
    #[error("{file}: '{name}' has shape {got:?} where the network needs {expected:?}")]
    Shape {
        /// The file.
        file: String,
        /// The tensor.
        name: String,
        /// The shape that the network needs.
        expected: Vec<usize>,
        /// The shape in the file.
        got: Vec<usize>,
    },
    /// A tensor does not hold floats.
    #[error("{file}: '{name}' holds {kind} where 16-, 32- or 64-bit floats are needed")]
    Kind {
        /// The file.
        file: String,
        /// The tensor.
        name: String,
        /// The type in the file.
        kind: String,
    },
    /// A tensor holds an infinity or NaN.
    #[error(
        "{file}: '{name}' holds {value} at {index}; the weights come from a run that diverged, or the file is damaged"
    )]
    NotFinite {
        /// The file.
        file: String,
        /// The tensor.
        name: String,
        /// The value, as `f32`.
        value: f32,
        /// Its place in the tensor.
        index: usize,
    },
    /// The weights are not the graph's.
    #[error("{file}: {problem}")]
    Length {
        /// The file.
        file: String,
        /// Both numbers.
        problem: String,
    },
}

pub(crate) fn length(file: &str, error: &GraphError) -> WeightsError {
    WeightsError::Length {
        file: file.to_owned(),
        problem: error.to_string(),
    }
}

/// Counts and the first few of both lists, and what to do where that is known.
fn names(missing: &[String], unexpected: &[String], ordered: bool) -> String {
    let mut parts = Vec::new();
    for (what, names) in [("misses", missing), ("has besides", unexpected)] {
        if !names.is_empty() {
            parts.push(format!("it {what} {}", first_few(names)));
        }
    }
    let merged = |names: &[String]| names.iter().any(|name| name.contains(".reparam_conv."));
    if merged(unexpected) && !merged(missing) {
        parts.push("it holds the merged form: merge the branches of the graph first".to_owned());
    }
    if merged(missing) && !merged(unexpected) {
        parts.push("it holds the training form: load it before merging branches".to_owned());
    }
    let folded = |name: &String| missing.iter().any(|n| *n == format!("{name}.running_var"));
    let last = |name: &String| name.rsplit_once('.').map(|(layer, _)| layer.to_owned());
    if missing.iter().filter_map(last).any(|layer| folded(&layer))
        && unexpected.iter().any(|name| name.ends_with(".bias"))
        && !unexpected.iter().any(|name| name.ends_with("running_var"))
    {
        parts.push(
            "its batch norms are folded into the convolutions, as in an export: training needs them apart"
                .to_owned(),
        );
    }
    if ordered && !missing.is_empty() && !unexpected.is_empty() {
        parts.push(
            "a file of the same network under other names is matched by order with \
             model.weights_by_order=true"
                .to_owned(),
        );
    }
    parts.join("; ")
}

/// The first names of a list and how many more there are.
pub(crate) fn first_few(names: &[String]) -> String {
    let first: Vec<_> = names.iter().take(3).map(|n| format!("'{n}'")).collect();
    let first_few = first.join(", ");
    match names.len() - first.len() {
        0 => first_few,
        more => format!("{first_few} and {more} more"),
    }
}
