//! AdamW.

use serde::{Deserialize, Serialize};

use crate::setting::InvalidSetting;

/// AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019), as
/// `torch.optim.AdamW`: weight decay shrinks the parameter itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamW {
    /// Decay rates of the running means of the gradient and of its square; each in `[0, 1)`.
    pub betas: [f64; 2],
    /// Added to the root of the mean square; above 0.
    pub eps: f64,
    /// Fraction of a parameter that a step subtracts, times the learning rate; at least 0.
    pub weight_decay: f64,
    /// Whether biases and batch norms decay too (PyTorch's plain behaviour).
    pub weight_decay_all: bool,
}

impl Default for AdamW {
    fn default() -> Self {
        Self {
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.01,
            weight_decay_all: false,
        }
    }
}

impl AdamW {
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        super::check_adam(self.betas, self.eps, self.weight_decay)
    }
}
