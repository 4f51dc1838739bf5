//! One temperature for all labels.

use crate::Sample;
use crate::logit::{logit, sigmoid};

/// Bounds of `1 / temperature`: a sample that is right everywhere asks for infinity.
const SHARPEST: f64 = 100.0;
const FLATTEST: f64 = 0.01;
/// Halving alone would need fewer.
const MOST_STEPS: usize = 100;

/// The temperature with the least log loss: Newton's method on its increasing gradient, kept inside a
/// bracket that halves where a step would leave it.
pub(super) fn fit(sample: &Sample) -> f64 {
    let logits: Vec<f64> = sample.probabilities.iter().map(|p| logit(*p)).collect();
    // First and second derivative of the loss by the sharpness, 1 / temperature.
    let derivatives = |sharpness: f64| {
        let mut sums = (0.0, 0.0);
        let cells = logits.iter().zip(&sample.targets);
        for (logit, target) in cells.filter(|(_, target)| !target.is_nan()) {
            let probability = sigmoid(sharpness * logit);
            sums.0 += (probability - f64::from(*target)) * logit;
            sums.1 += probability * (1.0 - probability) * logit * logit;
        }
        sums
    };
    let (mut low, mut high) = (FLATTEST, SHARPEST);
    let mut sharpness: f64 = 1.0;
    for _ in 0..MOST_STEPS {
        let (gradient, curvature) = derivatives(sharpness);
        if gradient > 0.0 {
            high = sharpness;
        } else {
            low = sharpness;
        }
        let newton = sharpness - gradient / curvature;
        let next = if newton > low && newton < high {
            newton
        } else {
            (low * high).sqrt()
        };
        if (next - sharpness).abs() < 1e-10 * sharpness {
            break;
        }
        sharpness = next;
    }
    1.0 / sharpness
}
