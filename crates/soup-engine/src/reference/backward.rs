//! The backward pass of the interpreter.

use soup_graph::{Graph, NodeId, Op, ParameterId, Weights};

use super::{
    Gradients, Mode, Pass, ReferenceError, accumulate, activation, check, check_weights,
    convolution, keep_factors, map, pooling, read,
    rounding::{Exact, Rounding},
    sum_by_channel, values_of,
};

/// Gradients of `sum(output * output_gradient)` over all outputs of the graph, for the pass that
/// [`forward`](super::forward) gave with the same weights.
///
/// # Errors
/// [`ReferenceError::Length`] where a length does not fit the graph.
pub fn backward(
    graph: &Graph,
    weights: &Weights,
    pass: &Pass,
    output_gradients: &[Vec<f64>],
) -> Result<Gradients, ReferenceError> {
    backward_rounded(graph, weights, pass, output_gradients, &Exact)
}

/// As [`backward`], with values and gradients rounded on their way.
///
/// # Errors
/// As [`backward`].
pub fn backward_rounded(
    graph: &Graph,
    weights: &Weights,
    pass: &Pass,
    output_gradients: &[Vec<f64>],
    rounding: &dyn Rounding,
) -> Result<Gradients, ReferenceError> {
    check_weights(graph, weights)?;
    check("node values", graph.nodes().len(), pass.values.len())?;
    check(
        "output gradients",
        graph.outputs().len(),
        output_gradients.len(),
    )?;
    let batch = pass.batch;
    let mut gradients = Gradients {
        trainable: vec![0.0; graph.trainable_len()],
        nodes: pass.values.iter().map(|v| vec![0.0; v.len()]).collect(),
    };
    for (output, gradient) in graph.outputs().iter().zip(output_gradients) {
        let target = &mut gradients.nodes[output.0];
        check("gradient of an output", target.len(), gradient.len())?;
        accumulate(target, gradient);
    }
    let mut apart: Vec<Option<Vec<f64>>> = vec![None; graph.nodes().len()];
    for (index, node) in graph.nodes().iter().enumerate().rev() {
        // A node's gradient is complete here: all its readers stand after it.
        let mut given = std::mem::take(&mut gradients.nodes[index]);
        if let Some(terms) = &apart[index] {
            accumulate(&mut given, terms);
        }
        rounding.given(NodeId(index), &mut given);
        let read = read(graph, pass, NodeId(index), rounding);
        let input = |which: usize| &read[which];
        let of = |parameter: ParameterId| values_of(graph, weights, parameter);
        let mut learn = |parameter: ParameterId, gradient: &[f64]| {
            let range = graph.at(parameter).range();
            accumulate(&mut gradients.trainable[range], gradient);
        };
        let mut to_inputs: Vec<Vec<f64>> = Vec::new();
        match &node.op {
            Op::Input => {}
            Op::Convolution { spec, weight, bias } => {
                let shape = map(graph, node.inputs[0]);
                let operands = rounding.operands(NodeId(index));
                operands.round(&mut given);
                let (to_input, to_weight) = convolution::backward(
                    *spec,
                    shape,
                    input(0),
                    &of(*weight),
                    &given,
                    batch,
                    operands,
                );
                learn(*weight, &to_weight);
                if let Some(bias) = bias {
                    learn(*bias, &sum_by_channel(&given, node.shape.channels()));
                }
                to_inputs.push(to_input);
            }
            Op::BatchNorm { weight, bias, .. } => {
                let channels = node.shape.channels();
                if let Some(statistics) = &pass.statistics[index] {
                    let normalised = statistics.normalise(input(0));
                    let products: Vec<f64> =
                        given.iter().zip(&normalised).map(|(g, x)| g * x).collect();
                    learn(*weight, &sum_by_channel(&products, channels));
                    learn(*bias, &sum_by_channel(&given, channels));
                    let mut summed = given.clone();
                    rounding.summed(NodeId(index), &mut summed);
                    to_inputs.push(statistics.backward(
                        &normalised,
                        &of(*weight),
                        [&given, &summed],
                        pass.mode != Mode::Eval,
                    ));
                }
            }
            Op::Activation(activation) => to_inputs.push(
                input(0)
                    .iter()
                    .zip(&given)
                    .map(|(&x, g)| g * activation::derivative(*activation, x))
                    .collect(),
            ),
            Op::AveragePool => {
                to_inputs.push(pooling::average_backward(
                    &given,
                    map(graph, node.inputs[0]),
                ));
            }
            Op::LogSumExpPool { sharpness } => {
                let shape = map(graph, node.inputs[0]);
                let sharpness = f64::from(*sharpness);
                to_inputs.push(pooling::log_sum_exp_backward(
                    input(0),
                    shape,
                    batch,
                    sharpness,
                    &given,
                ));
            }
            Op::PowerPool { power } => {
                let shape = map(graph, node.inputs[0]);
                let at = of(*power)[0];
                to_inputs.push(pooling::log_sum_exp_backward(
                    input(0),
                    shape,
                    batch,
                    at,
                    &given,
                ));
                let gradient =
                    pooling::log_sum_exp_sharpness_backward(input(0), shape, batch, at, &given);
                learn(*power, &[gradient]);
            }
            Op::AttentionPool {
                temperature,
                share,
                mean,
            } => {
                let shape = map(graph, node.inputs[0]);
                let factors = [*temperature, *share, *mean].map(f64::from);
                to_inputs.extend(pooling::attention_backward(
                    [input(0), input(1)],
                    shape,
                    batch,
                    factors,
                    &given,
                ));
            }
            Op::MaxPool {
                kernel,
                stride,
                padding,
            } => {
                let shapes = (map(graph, node.inputs[0]), map(graph, NodeId(index)));
                let argmax = pooling::argmax(input(0), shapes, batch, [*kernel, *stride, *padding]);
                let mut to_input = vec![0.0; input(0).len()];
                for (at, g) in argmax.into_iter().zip(&given) {
                    to_input[at] += g;
                }
                to_inputs.push(to_input);
            }
            Op::Scale => {
                let (plane, channels) = (node.shape.len(), node.shape.channels());
                let mut to_map = vec![0.0; given.len()];
                let mut to_factors = vec![0.0; batch * channels];
                for at in 0..given.len() {
                    let factor = at / plane * channels + at % channels;
                    to_map[at] = given[at] * input(1)[factor];
                    to_factors[factor] += given[at] * input(0)[at];
                }
                to_inputs.extend([to_map, to_factors]);
            }
            Op::Add => to_inputs.extend(node.inputs.iter().map(|_| given.clone())),
            Op::Linear { weight, bias } => {
                let outputs = node.shape.len();
                let matrix = of(*weight);
                let inputs = matrix.len() / outputs;
                let mut to_input = vec![0.0; input(0).len()];
                let mut to_weight = vec![0.0; matrix.len()];
                for (at, &g) in given.iter().enumerate() {
                    let (x, w) = (at / outputs * inputs, at % outputs * inputs);
                    for i in 0..inputs {
                        to_input[x + i] += g * matrix[w + i];
                        to_weight[w + i] += g * input(0)[x + i];
                    }
                }
                learn(*weight, &to_weight);
                if let Some(bias) = bias {
                    learn(*bias, &sum_by_channel(&given, outputs));
                }
                to_inputs.push(to_input);
            }
            Op::Dropout(_) | Op::DropPath(_) => {
                let factors = keep_factors(graph, NodeId(index), pass.mode, batch);
                to_inputs.push(given.iter().zip(factors).map(|(g, f)| g * f).collect());
            }
        }
        for (which, (id, gradient)) in node.inputs.iter().zip(&mut to_inputs).enumerate() {
            rounding.to_input(NodeId(index), which, gradient);
            if rounding.stays_apart(NodeId(index)) {
                let terms = apart[id.0].get_or_insert_with(|| vec![0.0; gradient.len()]);
                accumulate(terms, gradient);
                continue;
            }
            let total = &mut gradients.nodes[id.0];
            accumulate(total, gradient);
            rounding.added(NodeId(index), which, total);
        }
        gradients.nodes[index] = given;
    }
    Ok(gradients)
}
