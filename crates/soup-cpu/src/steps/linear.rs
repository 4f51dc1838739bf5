//! Steps on vectors, one an image: linear layers, activations, sums, dropout.

use soup_graph::Activation;
use soup_random::{Purpose, Stream};

use crate::{
    kernels::{
        activation::both_of,
        vector::{LinearForward, LinearInput, LinearWeights},
    },
    plan::{Buffer, Context, Step, Vector},
};

/// Outputs that one task of a linear layer makes.
const OUTPUTS: usize = 32;

/// `output = weights input + bias`.
#[derive(Debug)]
pub(crate) struct Linear {
    pub input: Vector,
    pub inputs: usize,
    pub output: Vector,
    pub outputs: usize,
    /// Offsets among the trained values.
    pub weight: usize,
    pub bias: Option<usize>,
}

impl Linear {
    fn each(&self, context: &Context<'_>, task: &(dyn Fn(usize, usize) + Sync)) {
        context.pool.run(self.outputs.div_ceil(OUTPUTS), &|index| {
            let first = index * OUTPUTS;
            task(first, (first + OUTPUTS).min(self.outputs));
        });
    }
}

impl Step for Linear {
    unsafe fn run(&self, context: &Context<'_>) {
        self.output.clear_rest(context, self.outputs);
        let weights = &context.weights.trainable();
        self.each(context, &|first, last| {
            // SAFETY: tasks write other outputs; sizes are those of the layer.
            unsafe {
                context.isa.run(LinearForward {
                    input: self.input.at(context, 0),
                    input_stride: self.input.stride,
                    inputs: self.inputs,
                    weights: weights[self.weight..].as_ptr(),
                    bias: self
                        .bias
                        .map_or(std::ptr::null(), |bias| weights[bias..].as_ptr()),
                    output: self.output.at(context, 0),
                    output_stride: self.output.stride,
                    first,
                    last,
                    images: context.batch,
                });
            }
        });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        visit(self.input.buffer);
        visit(self.output.buffer);
    }

    fn name(&self) -> &'static str {
        "linear forward"
    }
}

/// Gradients of a linear layer.
#[derive(Debug)]
pub(crate) struct LinearBackward {
    pub layer: Linear,
    /// Gradient of the output.
    pub gradient: Vector,
    /// Gradient of the input, and whether it is added.
    pub to: Option<(Vector, bool)>,
}

impl Step for LinearBackward {
    unsafe fn run(&self, context: &Context<'_>) {
        let layer = &self.layer;
        layer.each(context, &|first, last| {
            // SAFETY: tasks write gradients of other outputs' weights.
            unsafe {
                context.isa.run(LinearWeights {
                    input: layer.input.at(context, 0),
                    input_stride: layer.input.stride,
                    inputs: layer.inputs,
                    gradient: self.gradient.at(context, 0),
                    gradient_stride: self.gradient.stride,
                    weights: context.gradients.add(layer.weight),
                    bias: layer
                        .bias
                        .map_or(std::ptr::null_mut(), |bias| context.gradients.add(bias)),
                    first,
                    last,
                    images: context.batch,
                });
            }
        });
        if let Some((to, accumulate)) = self.to {
            to.clear_rest(context, layer.inputs);
            context.pool.run(context.batch, &|image| {
                // SAFETY: tasks write other images' gradients.
                unsafe {
                    context.isa.run(LinearInput {
                        gradient: self.gradient.at(context, image),
                        outputs: layer.outputs,
                        weights: context.weights.trainable()[layer.weight..].as_ptr(),
                        to: to.at(context, image),
                        inputs: layer.inputs,
                        accumulate,
                    });
                }
            });
        }
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        self.layer.buffers(visit);
        visit(self.gradient.buffer);
        self.to.into_iter().for_each(|(to, _)| visit(to.buffer));
    }

    fn name(&self) -> &'static str {
        "linear backward"
    }
}

/// What an element-wise step does with each value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    /// `to = activation(a)`
    Activation(Activation),
    /// `to = b activation'(a)`: `a` the activation's input, `b` the gradient of its output.
    ActivationGradient(Activation),
    /// `to = a + b`
    Add,
    /// `to = factor a`
    Scale(f32),
    /// `to = a` times 0 or `1 / (1 - rate)`, drawn for this node: one draw a value, or one an image
    /// where it drops the `whole` vector.
    Dropout { rate: f32, node: usize, whole: bool },
}

/// An element-wise step on one or two vectors.
#[derive(Debug)]
pub(crate) struct Elementwise {
    pub rule: Rule,
    pub a: Vector,
    pub b: Option<Vector>,
    pub to: Vector,
    pub length: usize,
    pub accumulate: bool,
}

impl Step for Elementwise {
    unsafe fn run(&self, context: &Context<'_>) {
        self.to.clear_rest(context, self.length);
        for image in 0..context.batch {
            // SAFETY: vectors have `length` values for each image. `to` may be `a`, so that values are
            // read one by one through pointers.
            unsafe {
                let a = self.a.at(context, image);
                let b = self.b.map_or(a, |b| b.at(context, image));
                let to = self.to.at(context, image);
                let mut stream = match self.rule {
                    Rule::Dropout { node, .. } => {
                        let index = (node as u64) << 32 | image as u64;
                        Some(Stream::new(
                            context.seed,
                            Purpose::Drop,
                            context.draw,
                            index,
                        ))
                    }
                    _ => None,
                };
                let mut dropped = false;
                for i in 0..self.length {
                    let (x, y) = (*a.add(i), *b.add(i));
                    let value = match self.rule {
                        Rule::Activation(activation) => both_of(activation, x).0,
                        Rule::ActivationGradient(activation) => y * both_of(activation, x).1,
                        Rule::Add => x + y,
                        Rule::Scale(factor) => factor * x,
                        Rule::Dropout { rate, whole, .. } => {
                            if i == 0 || !whole {
                                dropped = stream.as_mut().is_some_and(|s| s.uniform() < rate);
                            }
                            if dropped {
                                // Not a plain 0: NaN stays NaN.
                                0.0 * x
                            } else {
                                x / (1.0 - rate)
                            }
                        }
                    };
                    let place = to.add(i);
                    *place = if self.accumulate {
                        *place + value
                    } else {
                        value
                    };
                }
            }
        }
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        visit(self.a.buffer);
        self.b.into_iter().for_each(|b| visit(b.buffer));
        visit(self.to.buffer);
    }

    fn name(&self) -> &'static str {
        "vector"
    }
}
