//! Probabilities and logits.

/// Probabilities closer to 0 or 1 are taken as this close, so that answers (0 and 1) have a logit
/// too. It is the distance from 1 that a float32 can just tell.
const CLOSEST: f64 = 1e-7;

/// `ln(p / (1 - p))`, finite for every `p` from 0 to 1.
pub(crate) fn logit(probability: f32) -> f64 {
    let probability = f64::from(probability).clamp(CLOSEST, 1.0 - CLOSEST);
    (probability / (1.0 - probability)).ln()
}

/// `1 / (1 + e^-x)` without overflow.
pub(crate) fn sigmoid(logit: f64) -> f64 {
    let small = (-logit.abs()).exp();
    if logit < 0.0 {
        small / (1.0 + small)
    } else {
        1.0 / (1.0 + small)
    }
}

/// `ln(1 + e^x)` without overflow: minus the logarithm of `1 - sigmoid(x)`.
pub(crate) fn softplus(logit: f64) -> f64 {
    logit.max(0.0) + (-logit.abs()).exp().ln_1p()
}

/// `ln(e^a + e^b)`; minus infinity is the logarithm of nothing.
pub(crate) fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY {
        high
    } else {
        high + (low - high).exp().ln_1p()
    }
}
