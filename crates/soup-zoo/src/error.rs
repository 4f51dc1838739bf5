//! What can be wrong with a wish for a network.

use soup_graph::{GraphError, NotHere, Shape};
use thiserror::Error;

use crate::{Head, models::models};

/// Why a network cannot be built.
#[derive(Debug, Error, PartialEq)]
pub enum ZooError {
    /// There is no model of this name.
    #[error("there is no model '{name}'; {hint}")]
    UnknownModel {
        /// The name asked for.
        name: String,
        /// The nearest known name, or all of them.
        hint: String,
    },
    /// A setting is out of its range.
    #[error("{setting} is {value}; it must be {range}")]
    Setting {
        /// The key in [`crate::ModelConfig`].
        setting: &'static str,
        /// What it was.
        value: String,
        /// What it may be.
        range: &'static str,
    },
    /// The head is one of another program.
    #[error("the head {0}")]
    Own(#[from] NotHere),
    /// A head of a program's own gives something else than the logits.
    #[error("the head {head:?} gives {found:?}; it must give a vector of {labels} logits")]
    Logits {
        /// The head.
        head: Head,
        /// How many logits there must be.
        labels: usize,
        /// What it gives.
        found: Shape,
    },
    /// The input is too small for the network, or a like contradiction of shapes.
    #[error("{name} cannot read images of {height}x{width}: {source}")]
    Graph {
        /// The model.
        name: String,
        /// Rows of the images.
        height: usize,
        /// Columns of the images.
        width: usize,
        /// The layer and its problem.
        source: GraphError,
    },
}

impl ZooError {
    /// An unknown name with the nearest known one.
    pub(crate) fn unknown_model(name: &str) -> Self {
        let known = models().iter().map(|model| model.name);
        let near = known
            .clone()
            .map(|known| (strsim::damerau_levenshtein(name, known), known))
            .min()
            .filter(|(distance, known)| *distance <= known.len() / 3);
        let hint = match near {
            Some((_, known)) => format!("did you mean '{known}'?"),
            None => format!("known are {}", known.collect::<Vec<_>>().join(", ")),
        };
        Self::UnknownModel {
            name: name.to_owned(),
            hint,
        }
    }
}
