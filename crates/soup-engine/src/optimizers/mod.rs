//! Optimisers.
//!
//! An [`Optimizer`] is data: the section `[optimizer]` of a configuration, with `kind` as its tag.
//! An [`OptimizerState`] holds its state for one flat arena of parameters
//! ([`soup_graph::Weights::trainable`]). The arithmetic is PyTorch's, operation by operation in
//! `f32`, value by value: how an arena is cut into [`Piece`]s cannot change a bit.
//!
//! ```
//! use soup_engine::optimizers::{Optimizer, OptimizerState};
//!
//! let mut parameters = [1.0, -2.0];
//! let mut state = OptimizerState::new(&Optimizer::default(), 2, &[0..2]).unwrap();
//! state.step(1e-3, &mut parameters, &[0.5, -0.5]);
//! assert!((parameters[0] - 0.999).abs() < 1e-6 && (parameters[1] + 1.999).abs() < 1e-6);
//! ```

mod adam;
mod adamw;
pub mod clip;
mod muon;
mod sgd;
mod state;

use std::ops::Range;

pub use adam::Adam;
pub use adamw::AdamW;
pub use muon::Muon;
use serde::{Deserialize, Serialize};
pub use sgd::Sgd;
use soup_graph::{Graph, Role, Symmetry};
pub use state::{OptimizerState, Piece, RestoreError};

use crate::setting::{InvalidSetting, require};

/// An optimiser and its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Optimizer {
    /// Adam, weight decay as an L2 penalty.
    Adam(Adam),
    /// Adam with decoupled weight decay.
    AdamW(AdamW),
    /// Orthogonal steps of filters, AdamW for the rest.
    Muon(Muon),
    /// Gradient descent with momentum.
    Sgd(Sgd),
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Adam(Adam::default())
    }
}

impl Optimizer {
    /// Checks the parameters.
    ///
    /// # Errors
    /// The first parameter that is out of its range, by its key (`optimizer.eps`).
    pub fn check(&self) -> Result<(), InvalidSetting> {
        match self {
            Self::Adam(adam) => adam.check(),
            Self::AdamW(adamw) => adamw.check(),
            Self::Muon(muon) => muon.check(),
            Self::Sgd(sgd) => sgd.check(),
        }
    }

    /// Weight decay, and whether it reaches every trained value.
    fn weight_decay(&self) -> (f64, bool) {
        match self {
            Self::Adam(adam) => (adam.weight_decay, adam.weight_decay_all),
            Self::AdamW(adamw) => (adamw.weight_decay, adamw.weight_decay_all),
            Self::Muon(muon) => (muon.weight_decay, muon.weight_decay_all),
            Self::Sgd(sgd) => (sgd.weight_decay, sgd.weight_decay_all),
        }
    }

    /// The parameters in the trainable arena of `graph` that this optimiser moves as matrices: filters
    /// that mix channels, for [`Muon`]. Where there is a symmetry, it has to be tied after every step.
    pub fn matrices(&self, graph: &Graph, symmetry: Option<&Symmetry>) -> Vec<Matrix> {
        let Self::Muon(_) = self else {
            return Vec::new();
        };
        let mixing = graph
            .parameters()
            .iter()
            .filter(|p| p.role() == Role::Weight && p.shape().len() == 4 && p.shape()[1] > 1);
        mixing
            .map(|p| Matrix {
                range: p.range(),
                rows: p.shape()[0],
                turns: symmetry.map_or(1, |symmetry| symmetry.output_turns(p.range().start)),
            })
            .collect()
    }

    /// Where weight decay applies in the trainable arena of `graph`: to filters and matrices
    /// ([`soup_graph::Role::decays`], timm's rule) or, with `weight_decay_all`, everywhere.
    pub fn decays(&self, graph: &Graph) -> Vec<Range<usize>> {
        let (_, everywhere) = self.weight_decay();
        graph
            .parameters()
            .iter()
            .filter(|p| p.role().is_trainable() && (everywhere || p.role().decays()))
            .map(|p| p.range())
            .collect()
    }
}

/// A parameter that an optimiser may move as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// Its place in the arena, row after row.
    pub range: Range<usize>,
    /// Rows: output channels.
    pub rows: usize,
    /// Rows that follow each other and are turns of one another; 1 where none are.
    pub turns: usize,
}

/// A part of the arena that moves at a rate of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct RateOf {
    /// Its place in the arena.
    pub range: Range<usize>,
    /// What the learning rate is multiplied by; at 0 nothing there moves or decays.
    pub factor: f32,
}

/// Checks what all optimisers of Adam's kind have.
fn check_adam(betas: [f64; 2], eps: f64, weight_decay: f64) -> Result<(), InvalidSetting> {
    require(
        betas.iter().all(|beta| (0.0..1.0).contains(beta)),
        "optimizer.betas",
        format_args!("{betas:?}"),
        "both must be at least 0 and less than 1",
    )?;
    require(
        eps > 0.0 && eps.is_finite(),
        "optimizer.eps",
        eps,
        "must be a number above 0",
    )?;
    check_weight_decay(weight_decay)
}

fn check_weight_decay(weight_decay: f64) -> Result<(), InvalidSetting> {
    require(
        weight_decay >= 0.0 && weight_decay.is_finite(),
        "optimizer.weight_decay",
        weight_decay,
        "must be a number of at least 0",
    )
}

#[cfg(test)]
mod tests;
