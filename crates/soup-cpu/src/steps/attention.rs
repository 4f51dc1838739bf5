//! Attention over the places of a map, channel by channel, and back.
//!
//! Maps of heads are small, so this is plain code.

use super::pool::{ChannelSoftmax, channel_of, read};
use crate::{
    kernels::vector::Convert,
    plan::{Buffer, Context, MapShape, Step, Vector, View},
    simd::Values,
};

/// What attention computes: `mean * mean(values) + share * sum(softmax(temperature scores) values)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Attention {
    pub temperature: f32,
    pub share: f32,
    pub mean: f32,
}

impl Attention {
    /// Temperature, share, and what each place counts in the mean.
    fn factors(&self, shape: &MapShape) -> [f64; 3] {
        let mean = f64::from(self.mean) / shape.pixels() as f64;
        [f64::from(self.temperature), f64::from(self.share), mean]
    }
}

/// Softmax of `temperature * scores`.
fn softmax(
    scores: impl Iterator<Item = f32> + Clone,
    temperature: f64,
) -> impl Iterator<Item = f64> + Clone {
    let softmax = ChannelSoftmax::of(scores.clone(), temperature as f32);
    scores.map(move |score| softmax.weight(f64::from(score)) / softmax.total)
}

/// Forward.
#[derive(Debug)]
pub(crate) struct AttentionPool {
    pub attention: Attention,
    pub scores: View,
    pub values: View,
    pub to: Vector,
}

impl Step for AttentionPool {
    unsafe fn run(&self, context: &Context<'_>) {
        let shape = &self.values.shape;
        let [temperature, share, mean] = self.attention.factors(shape);
        context
            .pool
            .run_with_worker(context.batch, &|image, worker| {
                // SAFETY: a task writes its own image's vector; scratch holds two images.
                unsafe {
                    let scores = read(context, &self.scores, image, worker, 0);
                    let values = read(context, &self.values, image, worker, shape.len());
                    let to =
                        std::slice::from_raw_parts_mut(self.to.at(context, image), shape.stride);
                    to[shape.channels..].fill(0.0);
                    for (c, to) in to[..shape.channels].iter_mut().enumerate() {
                        let channel = channel_of(values, c, shape.stride).map(f64::from);
                        let sum: f64 = channel.clone().sum();
                        let weights = softmax(channel_of(scores, c, shape.stride), temperature);
                        let attended: f64 = channel.zip(weights).map(|(v, w)| v * w).sum();
                        *to = (mean * sum + share * attended) as f32;
                    }
                }
            });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        self.scores.buffers(visit);
        self.values.buffers(visit);
        visit(self.to.buffer);
    }

    fn scratch(&self) -> usize {
        2 * self.values.shape.len()
    }

    fn name(&self) -> &'static str {
        "attention pool"
    }
}

/// Gradients of what an attention pool read.
#[derive(Debug)]
pub(crate) struct AttentionPoolBackward {
    pub attention: Attention,
    pub scores: View,
    pub values: View,
    pub gradient: Vector,
    /// Gradients of the scores and of the values; the same buffer where one map is both.
    pub to_scores: Buffer,
    pub to_values: Buffer,
}

impl Step for AttentionPoolBackward {
    unsafe fn run(&self, context: &Context<'_>) {
        let shape = &self.values.shape;
        let [temperature, share, mean] = self.attention.factors(shape);
        context
            .pool
            .run_with_worker(context.batch, &|image, worker| {
                let len = shape.len();
                // SAFETY: a task writes its own image's gradients; scratch holds four images.
                unsafe {
                    let scores = read(context, &self.scores, image, worker, 0);
                    let values = read(context, &self.values, image, worker, len);
                    let gradient =
                        std::slice::from_raw_parts(self.gradient.at(context, image), shape.stride);
                    let behind = context.scratch(worker).add(2 * len);
                    let to_scores = std::slice::from_raw_parts_mut(behind, len);
                    let to_values = std::slice::from_raw_parts_mut(behind.add(len), len);
                    to_scores.fill(0.0);
                    to_values.fill(0.0);
                    for (c, &given) in gradient[..shape.channels].iter().enumerate() {
                        let channel = channel_of(values, c, shape.stride).map(f64::from);
                        let weights = softmax(channel_of(scores, c, shape.stride), temperature);
                        let weighted = channel.clone().zip(weights.clone()).map(|(v, w)| v * w);
                        let attended: f64 = weighted.sum();
                        let given = f64::from(given);
                        for (pixel, (value, weight)) in channel.zip(weights).enumerate() {
                            let at = pixel * shape.stride + c;
                            to_values[at] = (given * (share * weight + mean)) as f32;
                            // The largest score stays the largest, whatever its value.
                            if temperature.is_finite() {
                                let above = value - attended;
                                to_scores[at] =
                                    (given * share * temperature * weight * above) as f32;
                            }
                        }
                    }
                    let parts = [
                        (self.to_values, to_values, false),
                        (self.to_scores, to_scores, self.to_scores == self.to_values),
                    ];
                    for (buffer, from, add) in parts {
                        context.run(Convert {
                            from: Values::floats(from.as_mut_ptr()),
                            to: context.map(buffer).add(image * len),
                            values: len,
                            add,
                        });
                    }
                }
            });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        self.scores.buffers(visit);
        self.values.buffers(visit);
        visit(self.gradient.buffer);
        visit(self.to_scores);
        visit(self.to_values);
    }

    fn scratch(&self) -> usize {
        4 * self.values.shape.len()
    }

    fn name(&self) -> &'static str {
        "attention pool gradient"
    }
}
