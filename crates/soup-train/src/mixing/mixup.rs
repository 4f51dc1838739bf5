//! Images laid over each other.

use serde::{Deserialize, Serialize};

/// Mixup (Zhang et al., "mixup: Beyond empirical risk minimization", ICLR 2018): an image and its labels
/// become `share * own + (1 - share) * other`, the share drawn from Beta(alpha, alpha).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mixup {
    /// Parameter of the Beta distribution; small ones leave images nearly as they are, 1 draws evenly.
    pub alpha: f64,
    /// Share of the images that are mixed, in `(0, 1]`.
    pub share: f64,
}

impl Default for Mixup {
    fn default() -> Self {
        Self {
            alpha: 0.2,
            share: 1.0,
        }
    }
}

/// `own_share * own + (1 - own_share) * other`; gives the share.
pub(super) fn blend(own: &mut [f32], other: &[f32], own_share: f64) -> f64 {
    let (share, rest) = (own_share as f32, (1.0 - own_share) as f32);
    for (own, other) in own.iter_mut().zip(other) {
        *own = share * *own + rest * other;
    }
    own_share
}
