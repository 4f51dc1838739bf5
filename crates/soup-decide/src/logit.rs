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

/// The probability that a logit of single precision stands for: `1 / (1 + e^-x)`, for any `x`.
pub fn probability_of(logit: f32) -> f32 {
    let positive = 1.0 / (1.0 + (-f64::from(logit).abs()).exp());
    if logit >= 0.0 {
        positive as f32
    } else {
        (1.0 - positive) as f32
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_probability_is_accurate_and_never_leaves_its_range() {
        for (logit, value) in [
            (0.0, 0.5),
            (2.0, 0.880_797_1),
            (-2.0, 0.119_202_92),
            (500.0, 1.0),
            (-500.0, 0.0),
            (f32::INFINITY, 1.0),
        ] {
            assert!(
                (super::probability_of(logit) - value).abs() < 1e-7,
                "{logit}"
            );
        }
    }
}
