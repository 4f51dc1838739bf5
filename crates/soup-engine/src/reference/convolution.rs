//! Direct convolution, dense and depthwise.

use soup_graph::{Convolution, ImageShape};

use super::Operands;
use super::winograd;

/// Output of a convolution for the whole batch. `weight` in PyTorch's order.
pub(super) fn forward(
    spec: Convolution,
    shape: ImageShape,
    input: &[f64],
    weight: &[f64],
    bias: Option<&[f64]>,
    batch: usize,
    operands: Operands,
) -> Vec<f64> {
    let (mut input, mut weight) = (input.to_vec(), weight.to_vec());
    operands.round(&mut input);
    if let Operands::Tiles(round) = operands {
        let mut output = winograd::forward(spec, shape, &input, &weight, batch, round);
        for pixel in output.chunks_exact_mut(spec.channels) {
            add_scaled(pixel, 1.0, bias.unwrap_or_default());
        }
        return output;
    }
    operands.round(&mut weight);
    let pixels = batch * spec.output_side(shape.height) * spec.output_side(shape.width);
    let mut output = match bias {
        Some(bias) => bias.repeat(pixels),
        None => vec![0.0; pixels * spec.channels],
    };
    let filters = by_tap(spec, shape, &weight, Inner::Output);
    for_each_tap(spec, shape, batch, |tap, from, to| {
        let x = &input[from * shape.channels..][..shape.channels];
        let y = &mut output[to * spec.channels..][..spec.channels];
        if spec.groups == 1 {
            for (&x, filter) in x.iter().zip(filters[tap].chunks_exact(spec.channels)) {
                add_scaled(y, x, filter);
            }
        } else {
            add_products(y, x, &filters[tap]);
        }
    });
    output
}

/// Gradients of a convolution's input and of its weight (in PyTorch's order).
pub(super) fn backward(
    spec: Convolution,
    shape: ImageShape,
    input: &[f64],
    weight: &[f64],
    given: &[f64],
    batch: usize,
    operands: Operands,
) -> (Vec<f64>, Vec<f64>) {
    let (mut input, mut weight) = (input.to_vec(), weight.to_vec());
    operands.round(&mut input);
    if let Operands::Tiles(round) = operands {
        return winograd::backward(spec, shape, &input, &weight, given, batch, round);
    }
    operands.round(&mut weight);
    let mut to_input = vec![0.0; input.len()];
    let filters = by_tap(spec, shape, &weight, Inner::Input);
    let mut to_filters: Vec<Vec<f64>> = filters.iter().map(|f| vec![0.0; f.len()]).collect();
    for_each_tap(spec, shape, batch, |tap, from, to| {
        let x = &input[from * shape.channels..][..shape.channels];
        let to_x = &mut to_input[from * shape.channels..][..shape.channels];
        let g = &given[to * spec.channels..][..spec.channels];
        if spec.groups == 1 {
            let filters = filters[tap].chunks_exact(shape.channels);
            let to_filters = to_filters[tap].chunks_exact_mut(shape.channels);
            for ((&g, filter), to_filter) in g.iter().zip(filters).zip(to_filters) {
                add_scaled(to_x, g, filter);
                add_scaled(to_filter, g, x);
            }
        } else {
            add_products(to_x, g, &filters[tap]);
            add_products(&mut to_filters[tap], g, x);
        }
    });
    // Both orders hold output, input, tap; only the tap moves back inside.
    let taps = spec.kernel * spec.kernel;
    let to_weight = (0..weight.len())
        .map(|at| to_filters[at % taps][at / taps])
        .collect();
    (to_input, to_weight)
}

/// Which side of the filters of one tap runs fastest.
#[derive(PartialEq)]
enum Inner {
    Input,
    Output,
}

/// The filters of each tap; depthwise ones have one value a channel.
fn by_tap(spec: Convolution, shape: ImageShape, weight: &[f64], inner: Inner) -> Vec<Vec<f64>> {
    let taps = spec.kernel * spec.kernel;
    let inputs = shape.channels / spec.groups;
    (0..taps)
        .map(|tap| {
            let length = spec.channels * inputs;
            let at = |place: usize| match inner {
                Inner::Input => place,
                Inner::Output => place % spec.channels * inputs + place / spec.channels,
            };
            (0..length)
                .map(|place| weight[at(place) * taps + tap])
                .collect()
        })
        .collect()
}

/// Calls `visit(tap, input pixel, output pixel)` for each place where the kernel meets the map.
fn for_each_tap(
    spec: Convolution,
    shape: ImageShape,
    batch: usize,
    mut visit: impl FnMut(usize, usize, usize),
) {
    let (rows, columns) = (
        spec.output_side(shape.height),
        spec.output_side(shape.width),
    );
    // The padded coordinate of a tap, moved back into the map.
    let [top, left] = [shape.height, shape.width].map(|side| spec.zeros(side)[0]);
    let place = |out: usize, tap: usize, before: usize, side: usize| {
        let at = (out * spec.stride + tap).checked_sub(before)?;
        (at < side).then_some(at)
    };
    for tap in 0..spec.kernel * spec.kernel {
        for image in 0..batch {
            for row in 0..rows {
                let Some(y) = place(row, tap / spec.kernel, top, shape.height) else {
                    continue;
                };
                for column in 0..columns {
                    if let Some(x) = place(column, tap % spec.kernel, left, shape.width) {
                        let from = (image * shape.height + y) * shape.width + x;
                        visit(tap, from, (image * rows + row) * columns + column);
                    }
                }
            }
        }
    }
}

fn add_scaled(target: &mut [f64], factor: f64, values: &[f64]) {
    for (target, value) in target.iter_mut().zip(values) {
        *target += factor * value;
    }
}

fn add_products(target: &mut [f64], a: &[f64], b: &[f64]) {
    for ((target, a), b) in target.iter_mut().zip(a).zip(b) {
        *target += a * b;
    }
}
