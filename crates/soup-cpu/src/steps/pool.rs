//! Global pooling: map to vector, and back.

use crate::kernels::vector::ColumnSums;
use crate::kernels::view::Fill;
use crate::plan::{Buffer, Context, Step, Vector, View};

/// Channels that one task pools, and pixels that it reads at a time.
const CHANNELS: usize = 64;
const PIXELS: usize = 64;

/// Mean over the pixels of each picture.
#[derive(Debug)]
pub(crate) struct AveragePool {
    pub view: View,
    pub to: Vector,
}

impl Step for AveragePool {
    fn run(&self, context: &Context<'_>) {
        let shape = &self.view.shape;
        let blocks = shape.stride.div_ceil(CHANNELS);
        context
            .pool
            .run_with_worker(context.batch * blocks, &|task, worker| {
                let picture = task / blocks;
                let first = task % blocks * CHANNELS;
                let channels = CHANNELS.min(shape.stride - first);
                let scratch = context.scratch(worker);
                // SAFETY: a task writes its own picture's channels; scratch holds a block.
                unsafe {
                    let to = self.to.at(context, picture).add(first);
                    std::ptr::write_bytes(to, 0, channels);
                    let mut pixel = 0;
                    while pixel < shape.pixels() {
                        let pixels = PIXELS.min(shape.pixels() - pixel);
                        context.isa.run(Fill {
                            view: self.view.pixel(context, picture, pixel),
                            first,
                            channels,
                            pixels,
                            to: scratch,
                            to_stride: channels,
                            to_plane: None,
                            slope: std::ptr::null_mut(),
                        });
                        context.isa.run(ColumnSums {
                            rows: scratch,
                            stride: channels,
                            pixels,
                            channels,
                            to,
                        });
                        pixel += pixels;
                    }
                    let share = 1.0 / shape.pixels() as f32;
                    for c in 0..channels {
                        *to.add(c) *= share;
                    }
                }
            });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        self.view.buffers(visit);
        visit(self.to.buffer);
    }

    fn scratch(&self) -> usize {
        PIXELS * CHANNELS
    }

    fn name(&self) -> &'static str {
        "average pool"
    }
}

/// `ln(mean(exp(s x))) / s` over the pixels of each picture. Maps of heads are small, so this is plain
/// code.
#[derive(Debug)]
pub(crate) struct LogSumExpPool {
    pub view: View,
    pub sharpness: f32,
    pub to: Vector,
}

/// Reads one picture of a view into scratch.
///
/// # Safety
/// The worker's scratch must hold a picture.
unsafe fn read<'a>(
    context: &Context<'a>,
    view: &View,
    picture: usize,
    worker: usize,
) -> &'a mut [f32] {
    let shape = &view.shape;
    // SAFETY: as promised.
    unsafe {
        let scratch = context.scratch(worker);
        context.isa.run(Fill {
            view: view.pixel(context, picture, 0),
            first: 0,
            channels: shape.stride,
            pixels: shape.pixels(),
            to: scratch,
            to_stride: shape.stride,
            to_plane: None,
            slope: std::ptr::null_mut(),
        });
        std::slice::from_raw_parts_mut(scratch, shape.len())
    }
}

/// For every channel the largest value and the mean of `exp(s (x - largest))`.
fn softmax_sums(values: &[f32], stride: usize, sharpness: f32) -> (Vec<f32>, Vec<f32>) {
    let mut largest = vec![f32::NEG_INFINITY; stride];
    for pixel in values.chunks_exact(stride) {
        for (top, &value) in largest.iter_mut().zip(pixel) {
            *top = top.max(value);
        }
    }
    let mut mean = vec![0.0; stride];
    for pixel in values.chunks_exact(stride) {
        for ((sum, &value), &top) in mean.iter_mut().zip(pixel).zip(&largest) {
            *sum += (sharpness * (value - top)).exp();
        }
    }
    let count = (values.len() / stride) as f32;
    mean.iter_mut().for_each(|sum| *sum /= count);
    (largest, mean)
}

impl Step for LogSumExpPool {
    fn run(&self, context: &Context<'_>) {
        let shape = &self.view.shape;
        context
            .pool
            .run_with_worker(context.batch, &|picture, worker| {
                // SAFETY: a task writes its own picture's vector.
                unsafe {
                    let values = read(context, &self.view, picture, worker);
                    let (largest, mean) = softmax_sums(values, shape.stride, self.sharpness);
                    let to =
                        std::slice::from_raw_parts_mut(self.to.at(context, picture), shape.stride);
                    for (place, (top, mean)) in to.iter_mut().zip(largest.iter().zip(&mean)) {
                        *place = top + mean.ln() / self.sharpness;
                    }
                }
            });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        self.view.buffers(visit);
        visit(self.to.buffer);
    }

    fn scratch(&self) -> usize {
        self.view.shape.len()
    }

    fn name(&self) -> &'static str {
        "log-sum-exp pool"
    }
}

/// Gradient of the view that a log-sum-exp pool read: each pixel's share in the smooth maximum.
#[derive(Debug)]
pub(crate) struct LogSumExpPoolBackward {
    pub view: View,
    pub sharpness: f32,
    pub gradient: Vector,
    pub to: Buffer,
}

impl Step for LogSumExpPoolBackward {
    fn run(&self, context: &Context<'_>) {
        let shape = &self.view.shape;
        context
            .pool
            .run_with_worker(context.batch, &|picture, worker| {
                // SAFETY: a task writes its own picture's gradient.
                unsafe {
                    let values = read(context, &self.view, picture, worker);
                    let (largest, mean) = softmax_sums(values, shape.stride, self.sharpness);
                    let gradient = std::slice::from_raw_parts(
                        self.gradient.at(context, picture),
                        shape.stride,
                    );
                    let to = std::slice::from_raw_parts_mut(
                        context.at(self.to).add(picture * shape.len()),
                        shape.len(),
                    );
                    let count = shape.pixels() as f32;
                    for (to, pixel) in to
                        .chunks_exact_mut(shape.stride)
                        .zip(values.chunks_exact(shape.stride))
                    {
                        for c in 0..shape.channels {
                            let share = (self.sharpness * (pixel[c] - largest[c])).exp()
                                / (mean[c] * count);
                            to[c] = gradient[c] * share;
                        }
                        to[shape.channels..].fill(0.0);
                    }
                }
            });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        self.view.buffers(visit);
        visit(self.gradient.buffer);
        visit(self.to);
    }

    fn scratch(&self) -> usize {
        self.view.shape.len()
    }

    fn name(&self) -> &'static str {
        "log-sum-exp pool gradient"
    }
}
