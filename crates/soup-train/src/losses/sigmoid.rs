//! The logistic function without loss of digits on either side.

/// The probability of a logit.
pub(super) fn sigmoid(logit: f64) -> f64 {
    // exp of a negative number only: it cannot overflow.
    let small = (-logit.abs()).exp();
    if logit >= 0.0 {
        1.0 / (1.0 + small)
    } else {
        small / (1.0 + small)
    }
}

/// `ln(1 + exp(x))`: the loss of a logit `x` where the label is absent.
pub(super) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
