//! Pooling over windows and over whole maps.

use soup_graph::ImageShape;

/// Mean over the pixels of each image and channel.
pub(super) fn average(input: &[f64], shape: ImageShape, batch: usize) -> Vec<f64> {
    pool(shape, batch, |at| mean(at.map(|at| input[at])))
}

/// Gradient of the input of [`average`].
pub(super) fn average_backward(given: &[f64], shape: ImageShape) -> Vec<f64> {
    let pixels = (shape.height * shape.width) as f64;
    (0..given.len() / shape.channels * shape.len())
        .map(|at| given[pooled(at, shape)] / pixels)
        .collect()
}

/// `ln(mean(exp(sharpness * x))) / sharpness` of each image and channel: the mean for a sharpness
/// of 0, the maximum for an infinite one.
pub(super) fn log_sum_exp(
    input: &[f64],
    shape: ImageShape,
    batch: usize,
    sharpness: f64,
) -> Vec<f64> {
    let largest = pool(shape, batch, |at| {
        at.map(|at| input[at]).fold(f64::MIN, larger)
    });
    let smallest = pool(shape, batch, |at| {
        -at.map(|at| -input[at]).fold(f64::MIN, larger)
    });
    if sharpness == 0.0 {
        return average(input, shape, batch);
    }
    if sharpness.is_infinite() {
        return largest;
    }
    // Taking out the term with the largest exponent keeps the rest from overflowing.
    let peaks = if sharpness > 0.0 { largest } else { smallest };
    let means = pool(shape, batch, |at| {
        mean(at.map(|at| (sharpness * (input[at] - peaks[pooled(at, shape)])).exp()))
    });
    peaks
        .iter()
        .zip(means)
        .map(|(peak, mean)| peak + mean.ln() / sharpness)
        .collect()
}

/// Gradient of the input of [`log_sum_exp`]: the pooled one shared out by softmax.
pub(super) fn log_sum_exp_backward(
    input: &[f64],
    shape: ImageShape,
    batch: usize,
    sharpness: f64,
    given: &[f64],
) -> Vec<f64> {
    let value = log_sum_exp(input, shape, batch, sharpness);
    let weight = |at: usize| match sharpness.is_infinite() {
        true => f64::from(u8::from(input[at] == value[pooled(at, shape)])),
        false => (sharpness * (input[at] - value[pooled(at, shape)])).exp(),
    };
    let totals = pool(shape, batch, |at| at.map(weight).sum());
    (0..input.len())
        .map(|at| given[pooled(at, shape)] * weight(at) / totals[pooled(at, shape)])
        .collect()
}

/// Gradient of the sharpness of [`log_sum_exp`], which all channels share: (mean by softmax - value) /
/// sharpness, or half the variance where the sharpness is 0.
pub(super) fn log_sum_exp_sharpness_backward(
    input: &[f64],
    shape: ImageShape,
    batch: usize,
    sharpness: f64,
    given: &[f64],
) -> f64 {
    let value = log_sum_exp(input, shape, batch, sharpness);
    let shares = log_sum_exp_backward(input, shape, batch, sharpness, &vec![1.0; value.len()]);
    let derivatives = pool(shape, batch, |at| {
        let mean: f64 = at.clone().map(|at| shares[at] * input[at]).sum();
        if sharpness == 0.0 {
            at.map(|at| shares[at] * (input[at] - mean).powi(2))
                .sum::<f64>()
                / 2.0
        } else {
            let first = at.clone().next().unwrap_or_default();
            (mean - value[pooled(first, shape)]) / sharpness
        }
    });
    let products = derivatives
        .iter()
        .zip(given)
        .map(|(derivative, g)| derivative * g);
    products.sum()
}

/// `mean * mean(values) + share * sum(softmax(temperature * scores) values)` of each image and
/// channel; an infinite temperature shares alike among the largest scores. Factors are temperature,
/// share, mean.
pub(super) fn attention(
    scores: &[f64],
    values: &[f64],
    shape: ImageShape,
    batch: usize,
    factors: [f64; 3],
) -> Vec<f64> {
    let shares = softmax(scores, shape, batch, factors[0]);
    let means = average(values, shape, batch);
    let attended = pool(shape, batch, |at| {
        at.map(|at| shares[at] * values[at]).sum()
    });
    let both = attended.iter().zip(means);
    both.map(|(attended, mean)| factors[1] * attended + factors[2] * mean)
        .collect()
}

/// Gradients of the scores and the values of [`attention`].
pub(super) fn attention_backward(
    [scores, values]: [&[f64]; 2],
    shape: ImageShape,
    batch: usize,
    [temperature, share, mean]: [f64; 3],
    given: &[f64],
) -> [Vec<f64>; 2] {
    let shares = softmax(scores, shape, batch, temperature);
    let attended = pool(shape, batch, |at| {
        at.map(|at| shares[at] * values[at]).sum()
    });
    let pixels = (shape.height * shape.width) as f64;
    let of = |at: usize| given[pooled(at, shape)];
    let to_scores = (0..values.len()).map(|at| match temperature.is_infinite() {
        true => 0.0,
        false => {
            let above = values[at] - attended[pooled(at, shape)];
            of(at) * share * temperature * shares[at] * above
        }
    });
    let to_values = (0..values.len()).map(|at| of(at) * (share * shares[at] + mean / pixels));
    [to_scores.collect(), to_values.collect()]
}

/// Softmax of `temperature * scores` over the places of each image and channel.
fn softmax(scores: &[f64], shape: ImageShape, batch: usize, temperature: f64) -> Vec<f64> {
    let peaks = pool(shape, batch, |at| {
        at.map(|at| scores[at]).fold(f64::MIN, larger)
    });
    let weight = |at: usize| {
        let below = scores[at] - peaks[pooled(at, shape)];
        match temperature.is_infinite() {
            true => f64::from(u8::from(below == 0.0)),
            false => (temperature * below).exp(),
        }
    };
    let totals = pool(shape, batch, |at| at.map(weight).sum());
    (0..scores.len())
        .map(|at| weight(at) / totals[pooled(at, shape)])
        .collect()
}

/// Position in the input of the largest value of each window (kernel, stride, padding), the first of
/// equals and the last NaN; padding never wins.
pub(super) fn argmax(
    input: &[f64],
    (from, to): (ImageShape, ImageShape),
    batch: usize,
    [kernel, stride, padding]: [usize; 3],
) -> Vec<usize> {
    let span = |out: usize, side: usize| {
        let start = out * stride;
        start.saturating_sub(padding)..(start + kernel).saturating_sub(padding).min(side)
    };
    let mut argmax = Vec::with_capacity(batch * to.len());
    for at in 0..batch * to.len() {
        let (pixel, channel) = (at / to.channels, at % to.channels);
        let image = pixel / (to.height * to.width);
        let rows = span(pixel / to.width % to.height, from.height);
        let columns = span(pixel % to.width, from.width);
        let place = |y: usize, x: usize| {
            ((image * from.height + y) * from.width + x) * from.channels + channel
        };
        let mut best = place(rows.start, columns.start);
        for y in rows {
            for x in columns.clone() {
                let value = input[place(y, x)];
                if value > input[best] || value.is_nan() {
                    best = place(y, x);
                }
            }
        }
        argmax.push(best);
    }
    argmax
}

/// Place in the pooled vector of the channel that holds value `at` of the maps.
fn pooled(at: usize, shape: ImageShape) -> usize {
    at / shape.len() * shape.channels + at % shape.channels
}

/// NaN where either is, unlike [`f64::max`].
fn larger(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}

/// `reduce` over the places of each image's channel.
fn pool(
    shape: ImageShape,
    batch: usize,
    reduce: impl Fn(std::iter::StepBy<std::ops::Range<usize>>) -> f64,
) -> Vec<f64> {
    (0..batch * shape.channels)
        .map(|at| {
            let start = at / shape.channels * shape.len();
            let channel = at % shape.channels;
            reduce((start + channel..start + shape.len()).step_by(shape.channels))
        })
        .collect()
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}
