//! Gradient descent with momentum.

use serde::{Deserialize, Serialize};

use crate::setting::{InvalidSetting, require};

/// Gradient descent, as `torch.optim.SGD`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    /// Momentum: factor of the last step's direction; in `[0, 1)`.
    pub momentum: f64,
    /// Dampening of the gradient in the momentum buffer; in `[0, 1]`.
    pub dampening: f64,
    /// Nesterov momentum; needs momentum and no dampening.
    pub nesterov: bool,
    /// Factor of the parameter that is added to its gradient; at least 0.
    pub weight_decay: f64,
    /// Whether biases and batch norms decay too (PyTorch's plain behaviour).
    pub weight_decay_all: bool,
}

impl Default for Sgd {
    fn default() -> Self {
        Self {
            momentum: 0.9,
            dampening: 0.0,
            nesterov: false,
            weight_decay: 0.0,
            weight_decay_all: false,
        }
    }
}

impl Sgd {
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        require(
            (0.0..1.0).contains(&self.momentum),
            "optimizer.momentum",
            self.momentum,
            "must be at least 0 and less than 1",
        )?;
        require(
            (0.0..=1.0).contains(&self.dampening),
            "optimizer.dampening",
            self.dampening,
            "must be between 0 and 1",
        )?;
        require(
            !self.nesterov || (self.momentum > 0.0 && self.dampening == 0.0),
            "optimizer.nesterov",
            self.nesterov,
            "needs optimizer.momentum above 0 and no optimizer.dampening",
        )?;
        super::check_weight_decay(self.weight_decay)
    }
}

/// One step with everything precomputed that is the same for all values.
#[derive(Clone, Copy, Debug)]
pub(super) struct SgdStep {
    momentum: f32,
    gradient_weight: f32,
    nesterov: bool,
    negative_rate: f32,
}

impl SgdStep {
    /// The `count`-th step, from 1.
    pub(super) fn new(sgd: &Sgd, learning_rate: f32, count: u64) -> Self {
        Self {
            momentum: sgd.momentum as f32,
            // PyTorch starts the buffer with the whole first gradient, dampening or not.
            gradient_weight: if count == 1 {
                1.0
            } else {
                (1.0 - sgd.dampening) as f32
            },
            nesterov: sgd.nesterov,
            negative_rate: -learning_rate,
        }
    }

    /// Moves the parameters of one range; `penalty` of a parameter is added to its gradient.
    pub(super) fn run(
        self,
        parameters: &mut [f32],
        gradients: &[f32],
        buffers: &mut [f32],
        penalty: f32,
    ) {
        if self.momentum == 0.0 {
            for (parameter, &gradient) in parameters.iter_mut().zip(gradients) {
                *parameter += self.negative_rate * (gradient + penalty * *parameter);
            }
            return;
        }
        for ((parameter, &gradient), buffer) in parameters.iter_mut().zip(gradients).zip(buffers) {
            let gradient = gradient + penalty * *parameter;
            *buffer = *buffer * self.momentum + self.gradient_weight * gradient;
            let direction = if self.nesterov {
                gradient + self.momentum * *buffer
            } else {
                *buffer
            };
            *parameter += self.negative_rate * direction;
        }
    }
}
