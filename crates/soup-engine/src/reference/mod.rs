//! A plain interpreter of a graph, forward and backward, against which engines are tested.
//!
//! It shares nothing with the engine but the graph: simple loops, one node at a time, every value
//! kept, everything in `f64`. Slow next to the engine, but an EfficientNet-B0 image takes about a
//! second. Batch norm follows PyTorch: in training it normalises by the batch's biased variance and
//! moves the running variance towards the unbiased one.
//!
//! ```
//! use soup_engine::reference::{Mode, backward, forward};
//! use soup_graph::{Builder, ImageShape, Weights};
//!
//! let mut net = Builder::new(ImageShape { channels: 1, height: 2, width: 2 });
//! let pooled = net.average_pool(net.input())?;
//! let logits = net.linear("fc", pooled, 1, false)?;
//! let graph = net.finish(&[logits])?;
//! let mut weights = Weights::zeros(&graph);
//! weights.trainable_mut()[0] = 2.0;
//!
//! let pass = forward(&graph, &weights, &[1.0, 2.0, 3.0, 6.0], 1, Mode::Eval)?;
//! assert_eq!(pass.values[logits.0], [6.0]);
//! let gradients = backward(&graph, &weights, &pass, &[vec![1.0]])?;
//! assert_eq!(gradients.trainable, [3.0]);
//! assert_eq!(gradients.nodes[0], [0.5; 4]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod activation;
mod backward;
mod convolution;
mod engine;
mod normalisation;
mod pooling;
mod rounding;
#[cfg(test)]
mod tests;
mod winograd;

use soup_graph::{Graph, ImageShape, NodeId, Op, ParameterId, Shape, Weights};
use soup_random::{Purpose, Stream};
use thiserror::Error;

pub use backward::{backward, backward_rounded};
pub use engine::Reference;
use normalisation::Statistics;
use rounding::Exact;
pub use rounding::{Operands, Rounding};

/// Why a graph cannot be run on what was given.
#[derive(Debug, Error, PartialEq)]
pub enum ReferenceError {
    /// A buffer has the wrong number of values.
    #[error("{what}: {got} values where the graph needs {expected}")]
    Length {
        /// Which buffer.
        what: String,
        /// Values needed.
        expected: usize,
        /// Values given.
        got: usize,
    },
    /// Batch norm in training has one value a channel, so there is no variance.
    #[error(
        "{name}: one value a channel has no variance; train with a larger batch or larger images"
    )]
    OneValue {
        /// Name of the scale of the batch norm.
        name: String,
    },
}

/// Whether a pass trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Running statistics, nothing dropped.
    Eval,
    /// Statistics of the batch, values and paths dropped by [`keep_mask`].
    Train {
        /// Seed of the run.
        seed: u64,
        /// Step of the run.
        step: u32,
    },
}

/// What a forward pass computed.
#[derive(Clone, Debug)]
pub struct Pass {
    /// Images in the batch.
    pub batch: usize,
    /// Mode of the pass.
    pub mode: Mode,
    /// The output of every node for the whole batch: maps as images, rows, columns, channels;
    /// vectors as images, values.
    pub values: Vec<Vec<f64>>,
    /// The buffers of [`Weights`] after the pass: moved towards the batch's statistics in training,
    /// else as they were.
    pub buffers: Vec<f32>,
    statistics: Vec<Option<Statistics>>,
}

/// What a backward pass computed.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// Gradients of the trainable arena, in its order.
    pub trainable: Vec<f64>,
    /// Gradients of every node's output, laid out as [`Pass::values`]; node 0 holds the images'.
    pub nodes: Vec<Vec<f64>>,
}

/// The factor of each of the `length` values that node `node` drops or keeps in one image: 0, or
/// `1 / (1 - rate)`.
///
/// A value is dropped iff its draw from `Stream::new(seed, Purpose::Drop, step, node << 32 |
/// image)` is below `rate`; the draws are taken in the values' order (maps: rows, columns,
/// channels). A dropped path is a mask of length 1.
pub fn keep_mask(
    seed: u64,
    step: u32,
    node: NodeId,
    image: usize,
    rate: f32,
    length: usize,
) -> Vec<f32> {
    let index = (node.0 as u64) << 32 | image as u64;
    let mut stream = Stream::new(seed, Purpose::Drop, step, index);
    (0..length)
        .map(|_| match stream.uniform() < rate {
            true => 0.0,
            false => 1.0 / (1.0 - rate),
        })
        .collect()
}

/// Runs the graph on `batch` images given as images, rows, columns, channels.
///
/// # Errors
/// [`ReferenceError`] where a length does not fit the graph or a batch norm has nothing to
/// normalise by.
pub fn forward(
    graph: &Graph,
    weights: &Weights,
    images: &[f32],
    batch: usize,
    mode: Mode,
) -> Result<Pass, ReferenceError> {
    forward_rounded(graph, weights, images, batch, mode, &Exact)
}

/// As [`forward`], with values rounded on their way.
///
/// # Errors
/// As [`forward`].
pub fn forward_rounded(
    graph: &Graph,
    weights: &Weights,
    images: &[f32],
    batch: usize,
    mode: Mode,
    rounding: &dyn Rounding,
) -> Result<Pass, ReferenceError> {
    check("images", batch * graph.input().len(), images.len())?;
    check_weights(graph, weights)?;
    let mut pass = Pass {
        batch,
        mode,
        values: Vec::with_capacity(graph.nodes().len()),
        buffers: weights.buffers().to_vec(),
        statistics: vec![None; graph.nodes().len()],
    };
    for (index, node) in graph.nodes().iter().enumerate() {
        let read = read(graph, &pass, NodeId(index), rounding);
        let input = |which: usize| &read[which];
        let of = |parameter: ParameterId| values_of(graph, weights, parameter);
        let mut value = match &node.op {
            Op::Input => images.iter().copied().map(f64::from).collect(),
            Op::Convolution { spec, weight, bias } => convolution::forward(
                *spec,
                map(graph, node.inputs[0]),
                input(0),
                &of(*weight),
                bias.map(of).as_deref(),
                batch,
                rounding.operands(NodeId(index)),
            ),
            Op::BatchNorm { weight, bias, .. } => {
                let channels = node.shape.channels();
                let statistics = match mode {
                    Mode::Eval => Statistics::running(graph, weights, &node.op),
                    Mode::Train { .. } => {
                        let statistics = Statistics::of_batch(graph, &node.op, input(0), channels)?;
                        statistics.move_running(graph, &node.op, &mut pass.buffers);
                        statistics
                    }
                };
                let normalised = statistics.normalise(input(0));
                pass.statistics[index] = Some(statistics);
                normalisation::affine(&normalised, &of(*weight), &of(*bias))
            }
            Op::Activation(activation) => input(0)
                .iter()
                .map(|&x| activation::value(*activation, x))
                .collect(),
            Op::AveragePool => pooling::average(input(0), map(graph, node.inputs[0]), batch),
            Op::LogSumExpPool { sharpness } => {
                let shape = map(graph, node.inputs[0]);
                pooling::log_sum_exp(input(0), shape, batch, f64::from(*sharpness))
            }
            Op::PowerPool { power } => {
                let shape = map(graph, node.inputs[0]);
                pooling::log_sum_exp(input(0), shape, batch, of(*power)[0])
            }
            Op::AttentionPool {
                temperature,
                share,
                mean,
            } => {
                let shape = map(graph, node.inputs[0]);
                let factors = [*temperature, *share, *mean].map(f64::from);
                pooling::attention(input(0), input(1), shape, batch, factors)
            }
            Op::MaxPool {
                kernel,
                stride,
                padding,
            } => {
                let shapes = (map(graph, node.inputs[0]), map(graph, NodeId(index)));
                let argmax = pooling::argmax(input(0), shapes, batch, [*kernel, *stride, *padding]);
                argmax.into_iter().map(|at| input(0)[at]).collect()
            }
            Op::Scale => {
                let plane = node.shape.len();
                let channels = node.shape.channels();
                (0..batch * plane)
                    .map(|at| input(0)[at] * input(1)[at / plane * channels + at % channels])
                    .collect()
            }
            Op::Add => (0..batch * node.shape.len())
                .map(|at| (0..node.inputs.len()).map(|term| input(term)[at]).sum())
                .collect(),
            Op::Linear { weight, bias } => {
                let (weight, bias) = (of(*weight), bias.map(of));
                let inputs = weight.len() / node.shape.len();
                let row = |image: usize, output: usize| {
                    let x = &input(0)[image * inputs..][..inputs];
                    let w = &weight[output * inputs..][..inputs];
                    x.iter().zip(w).map(|(x, w)| x * w).sum::<f64>()
                };
                (0..batch * node.shape.len())
                    .map(|at| {
                        let (image, output) = (at / node.shape.len(), at % node.shape.len());
                        row(image, output) + bias.as_ref().map_or(0.0, |bias| bias[output])
                    })
                    .collect()
            }
            Op::Dropout(_) | Op::DropPath(_) => {
                let factors = keep_factors(graph, NodeId(index), mode, batch);
                input(0).iter().zip(factors).map(|(x, f)| x * f).collect()
            }
        };
        rounding.kept(NodeId(index), &mut value);
        pass.values.push(value);
    }
    Ok(pass)
}

/// What a node reads.
fn read(graph: &Graph, pass: &Pass, node: NodeId, rounding: &dyn Rounding) -> Vec<Vec<f64>> {
    let inputs = graph.node(node).inputs.iter().enumerate();
    inputs
        .map(|(which, id)| {
            let mut values = pass.values[id.0].clone();
            rounding.read(node, which, &mut values);
            values
        })
        .collect()
}

/// The factor of every value of a dropping node for the whole batch.
fn keep_factors(graph: &Graph, node: NodeId, mode: Mode, batch: usize) -> Vec<f64> {
    let length = graph.node(node).shape.len();
    let Mode::Train { seed, step } = mode else {
        return vec![1.0; batch * length];
    };
    let image_factors = |image| match graph.node(node).op {
        Op::DropPath(rate) => {
            vec![keep_mask(seed, step, node, image, rate, 1)[0]; length]
        }
        Op::Dropout(rate) => keep_mask(seed, step, node, image, rate, length),
        _ => vec![1.0; length],
    };
    (0..batch).flat_map(image_factors).map(f64::from).collect()
}

fn values_of(graph: &Graph, weights: &Weights, parameter: ParameterId) -> Vec<f64> {
    let values = weights.of(graph.at(parameter));
    values.iter().copied().map(f64::from).collect()
}

/// Shape of a node's output as a map; a vector counts as a map of one pixel.
fn map(graph: &Graph, node: NodeId) -> ImageShape {
    match graph.node(node).shape {
        Shape::Map(shape) => shape,
        Shape::Vector(channels) => ImageShape {
            channels,
            height: 1,
            width: 1,
        },
    }
}

fn accumulate(target: &mut [f64], terms: &[f64]) {
    for (target, term) in target.iter_mut().zip(terms) {
        *target += term;
    }
}

fn sum_by_channel(values: &[f64], channels: usize) -> Vec<f64> {
    let mut sums = vec![0.0; channels];
    for pixel in values.chunks_exact(channels) {
        accumulate(&mut sums, pixel);
    }
    sums
}

fn check(what: &str, expected: usize, got: usize) -> Result<(), ReferenceError> {
    if expected == got {
        return Ok(());
    }
    Err(ReferenceError::Length {
        what: what.to_owned(),
        expected,
        got,
    })
}

fn check_weights(graph: &Graph, weights: &Weights) -> Result<(), ReferenceError> {
    check(
        "trainable weights",
        graph.trainable_len(),
        weights.trainable().len(),
    )?;
    check(
        "running statistics",
        graph.buffer_len(),
        weights.buffers().len(),
    )
}
