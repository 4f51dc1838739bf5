//! Clipping of gradients by their global norm.

/// Values that are summed as one block: the order of the sums hangs on nothing else.
const BLOCK: usize = 4096;
/// Sums that run side by side within a block, so that the processor need not wait for any of them.
const LANES: usize = 16;

/// The Euclidean norm of all gradients.
pub fn gradient_norm(gradients: &[f32]) -> f64 {
    gradients
        .chunks(BLOCK)
        .map(sum_of_squares)
        .sum::<f64>()
        .sqrt()
}

/// Scales the gradients down so that their norm is at most `maximum`, as PyTorch's
/// `clip_grad_norm_`, and gives the norm before.
///
/// A norm that is not finite leaves the gradients as they are (PyTorch would make all of them NaN
/// or 0): the caller sees it in the result and decides.
pub fn clip_gradient_norm(gradients: &mut [f32], maximum: f64) -> f64 {
    let norm = gradient_norm(gradients);
    let scale = maximum / (norm + 1e-6);
    if norm.is_finite() && scale < 1.0 {
        let scale = scale as f32;
        for gradient in gradients {
            *gradient *= scale;
        }
    }
    norm
}

fn sum_of_squares(block: &[f32]) -> f64 {
    let mut lanes = [0.0f64; LANES];
    let (groups, rest) = block.as_chunks::<LANES>();
    for group in groups {
        for (lane, &value) in lanes.iter_mut().zip(group) {
            *lane += f64::from(value) * f64::from(value);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane += f64::from(value) * f64::from(value);
    }
    lanes.iter().sum()
}
