//! Element-wise functions and their derivatives.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use soup_graph::Activation;

/// The function's value at `x`.
pub(super) fn value(activation: Activation, x: f64) -> f64 {
    match activation {
        // Not `max`, which ignores NaN.
        Activation::Relu if x < 0.0 => 0.0,
        Activation::Relu => x,
        // Comparisons, as above.
        Activation::Relu6 if x > 6.0 => 6.0,
        Activation::Relu6 if x < 0.0 => 0.0,
        Activation::Relu6 => x,
        Activation::Silu => x * sigmoid(x),
        Activation::Gelu => x * normal_cdf(x),
        Activation::Mish => x * softplus(x).tanh(),
        Activation::Hardswish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
        Activation::Sigmoid => sigmoid(x),
    }
}

/// The function's derivative at `x`; as PyTorch has it, 0 at the corners of ReLU and ReLU6 and 1 where `x` is NaN.
pub(super) fn derivative(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Relu if x <= 0.0 => 0.0,
        Activation::Relu => 1.0,
        Activation::Relu6 if x <= 0.0 || x >= 6.0 => 0.0,
        Activation::Relu6 => 1.0,
        Activation::Silu => sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x))),
        Activation::Gelu => normal_cdf(x) + x * (-x * x / 2.0).exp() / (2.0 * PI).sqrt(),
        Activation::Mish => {
            let t = softplus(x).tanh();
            t + x * (1.0 - t * t) * sigmoid(x)
        }
        Activation::Hardswish if x <= -3.0 => 0.0,
        Activation::Hardswish if x >= 3.0 => 1.0,
        Activation::Hardswish => (2.0 * x + 3.0) / 6.0,
        Activation::Sigmoid => sigmoid(x) * (1.0 - sigmoid(x)),
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn normal_cdf(x: f64) -> f64 {
    0.5 * (1.0 + erf(x * FRAC_1_SQRT_2))
}

/// The error function by its series `2 / sqrt(pi) * exp(-x^2) * sum 2^n x^(2n+1) / (1 * 3 * ... *
/// (2n+1))`, whose terms all have one sign, so nothing cancels.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term.abs() > f64::EPSILON * sum.abs() {
        odd += 2.0;
        term *= 2.0 * x * x / odd;
        sum += term;
    }
    2.0 / PI.sqrt() * (-x * x).exp() * sum
}
