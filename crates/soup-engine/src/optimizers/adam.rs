//! Adam.

use serde::{Deserialize, Serialize};

use crate::setting::InvalidSetting;

/// Adam (Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015), as
/// `torch.optim.Adam`: weight decay is added to the gradient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adam {
    /// Decay rates of the running means of the gradient and of its square; each in `[0, 1)`.
    pub betas: [f64; 2],
    /// Added to the root of the mean square; above 0.
    pub eps: f64,
    /// Factor of the parameter that is added to its gradient; at least 0.
    pub weight_decay: f64,
    /// Whether biases and batch norms decay too (PyTorch's plain behaviour).
    pub weight_decay_all: bool,
}

impl Default for Adam {
    fn default() -> Self {
        Self {
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.0,
            weight_decay_all: false,
        }
    }
}

impl Adam {
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        super::check_adam(self.betas, self.eps, self.weight_decay)
    }
}

/// One step of Adam or AdamW with everything precomputed that is the same for all values.
#[derive(Clone, Copy, Debug)]
pub(super) struct AdamStep {
    /// The weight of the new gradient in its mean, `1 - betas[0]`.
    mean_weight: f32,
    square_keep: f32,
    square_weight: f32,
    /// Root of the second bias correction.
    correction: f32,
    eps: f32,
    negative_rate: f32,
}

impl AdamStep {
    /// The `count`-th step, from 1.
    pub(super) fn new(betas: [f64; 2], eps: f64, learning_rate: f32, count: u64) -> Self {
        let correction = |beta: f64| 1.0 - beta.powf(count as f64);
        Self {
            mean_weight: (1.0 - betas[0]) as f32,
            square_keep: betas[1] as f32,
            square_weight: (1.0 - betas[1]) as f32,
            correction: correction(betas[1]).sqrt() as f32,
            eps: eps as f32,
            negative_rate: (-f64::from(learning_rate) / correction(betas[0])) as f32,
        }
    }

    /// Moves the parameters of one range. The penalty is added to the gradient (Adam); the
    /// parameter is first multiplied by `shrink` (AdamW).
    pub(super) fn run(
        self,
        parameters: &mut [f32],
        gradients: &[f32],
        means: &mut [f32],
        squares: &mut [f32],
        penalty: f32,
        shrink: f32,
    ) {
        // `torch.lerp` starts from the end that is nearer.
        let (near, far) = (self.mean_weight < 0.5, 1.0 - self.mean_weight);
        for (((parameter, &gradient), mean), square) in
            parameters.iter_mut().zip(gradients).zip(means).zip(squares)
        {
            let before = *parameter * shrink;
            let gradient = gradient + penalty * before;
            let difference = gradient - *mean;
            *mean = if near {
                *mean + self.mean_weight * difference
            } else {
                gradient - far * difference
            };
            *square = *square * self.square_keep + self.square_weight * gradient * gradient;
            let denominator = square.sqrt() / self.correction + self.eps;
            *parameter = before + self.negative_rate * *mean / denominator;
        }
    }
}
