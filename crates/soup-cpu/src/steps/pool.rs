//! Global pooling: map to vector, and back.

use crate::{
    kernels::{
        softmax::{Places, Totals, Weights},
        vector::{ColumnSums, Convert},
        view::Fill,
    },
    plan::{Buffer, Context, MapShape, Step, Vector, View},
    simd::Values,
};

/// Channels that one task pools, and pixels that it reads at a time.
const CHANNELS: usize = 64;
const PIXELS: usize = 64;

/// Mean over the pixels of each image.
#[derive(Debug)]
pub(crate) struct AveragePool {
    pub view: View,
    pub to: Vector,
}

impl Step for AveragePool {
    unsafe fn run(&self, context: &Context<'_>) {
        let shape = &self.view.shape;
        let blocks = shape.stride.div_ceil(CHANNELS);
        context
            .pool
            .run_with_worker(context.batch * blocks, &|task, worker| {
                let image = task / blocks;
                let first = task % blocks * CHANNELS;
                let channels = CHANNELS.min(shape.stride - first);
                let scratch = context.scratch(worker);
                // SAFETY: a task writes its own image's channels; scratch holds a block.
                unsafe {
                    let to = self.to.at(context, image).add(first);
                    std::ptr::write_bytes(to, 0, channels);
                    let mut pixel = 0;
                    while pixel < shape.pixels() {
                        let pixels = PIXELS.min(shape.pixels() - pixel);
                        context.run(Fill {
                            view: self.view.pixel(context, image, pixel),
                            first,
                            channels,
                            pixels,
                            to: Values::floats(scratch),
                            to_stride: channels,
                            to_plane: None,
                            derivative: std::ptr::null_mut(),
                        });
                        context.run(ColumnSums {
                            rows: Values::floats(scratch),
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

/// `ln(mean(exp(s x))) / s` over the pixels of each image: the mean for a sharpness of 0, the
/// maximum for an infinite one.
#[derive(Debug)]
pub(crate) struct LogSumExpPool {
    pub view: View,
    pub sharpness: Sharpness,
    pub to: Vector,
}

/// How sharp a smooth maximum is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sharpness {
    Fixed(f32),
    /// Learned: an offset among the trained values.
    Learned(usize),
}

impl Sharpness {
    fn now(self, context: &Context<'_>) -> f32 {
        match self {
            Self::Fixed(sharpness) => sharpness,
            Self::Learned(offset) => context.weights.trainable()[offset],
        }
    }
}

/// Reads one image of a view into scratch, from value `start` of it.
///
/// # Safety
/// The worker's scratch must hold an image there.
pub(super) unsafe fn read<'a>(
    context: &Context<'a>,
    view: &View,
    image: usize,
    worker: usize,
    start: usize,
) -> &'a mut [f32] {
    let shape = &view.shape;
    // SAFETY: the caller says that the worker's scratch has room for an image from `start` on; nobody else uses it
    // while the slice lives.
    unsafe {
        let scratch = context.scratch(worker).add(start);
        context.run(Fill {
            view: view.pixel(context, image, 0),
            first: 0,
            channels: shape.stride,
            pixels: shape.pixels(),
            to: Values::floats(scratch),
            to_stride: shape.stride,
            to_plane: None,
            derivative: std::ptr::null_mut(),
        });
        std::slice::from_raw_parts_mut(scratch, shape.len())
    }
}

/// Least sharpness for single precision: the pooled value is a sum's distance from 1 over the sharpness. Below, and for
/// an infinite sharpness, sums are plain code in `f64`.
const LEAST_SHARPNESS: f32 = 0.0625;

/// An image for the vectorised kernels, where they can be used.
fn places(shape: &MapShape, values: &[f32], sharpness: f32) -> Option<Places> {
    let serve = sharpness.is_finite() && sharpness.abs() >= LEAST_SHARPNESS;
    serve.then_some(Places {
        values: values.as_ptr(),
        stride: shape.stride,
        count: shape.pixels(),
        sharpness,
    })
}

/// Rows of a map's channels that [`ChannelSoftmax::each`] needs.
const SHARE_ROWS: usize = 3;

/// The softmax over the pixels of one channel: exponentials and their total.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChannelSoftmax {
    sharpness: f64,
    /// The value with the largest exponent, subtracted from all so that none overflows.
    peak: f64,
    pub(super) total: f64,
    /// The sum of the values, each times its weight.
    weighted: f64,
}

impl ChannelSoftmax {
    /// Of every channel of an image; `rows` are [`SHARE_ROWS`] rows.
    ///
    /// # Safety
    /// `rows` must have that much room.
    unsafe fn each<'a>(
        context: &Context<'_>,
        shape: &'a MapShape,
        values: &'a [f32],
        sharpness: f32,
        rows: *mut f32,
    ) -> impl Iterator<Item = Self> + use<'a> {
        let places = places(shape, values, sharpness);
        if let Some(places) = places {
            // SAFETY: the caller gives three rows of room; `values` is a whole image, whose stored channels are
            // whole vectors.
            unsafe { context.isa.run(Totals { places, to: rows }) };
        }
        (0..shape.channels).map(move |c| {
            if places.is_none() {
                return Self::of(channel_of(values, c, shape.stride), sharpness);
            }
            // SAFETY: the rows were written above.
            let [peak, total, above] =
                [0, 1, 2].map(|row| f64::from(unsafe { *rows.add(row * shape.stride + c) }));
            Self {
                sharpness: f64::from(sharpness),
                peak,
                total,
                weighted: peak * total + above,
            }
        })
    }

    pub(super) fn of(channel: impl Iterator<Item = f32> + Clone, sharpness: f32) -> Self {
        let sharpness = f64::from(sharpness);
        let values = channel.map(f64::from);
        let peak = if sharpness < 0.0 && sharpness.is_finite() {
            values.clone().fold(f64::INFINITY, smaller)
        } else {
            values.clone().fold(f64::NEG_INFINITY, larger)
        };
        let mut softmax = Self {
            sharpness,
            peak,
            total: 0.0,
            weighted: 0.0,
        };
        for value in values {
            let weight = softmax.weight(value);
            softmax.total += weight;
            softmax.weighted += weight * value;
        }
        softmax
    }

    pub(super) fn weight(&self, value: f64) -> f64 {
        if self.sharpness.is_infinite() {
            f64::from(u8::from(value == self.peak))
        } else {
            (self.sharpness * (value - self.peak)).exp()
        }
    }

    /// Derivative of the pooled value by the sharpness.
    fn sharpness_derivative(&self, channel: impl ExactSizeIterator<Item = f32> + Clone) -> f64 {
        let values = channel.clone().map(f64::from);
        let mean = self.weighted / self.total;
        if self.sharpness == 0.0 {
            let count = values.len() as f64;
            return values.map(|value| (value - mean).powi(2)).sum::<f64>() / count / 2.0;
        }
        (mean - self.pooled(channel)) / self.sharpness
    }

    fn pooled(&self, channel: impl ExactSizeIterator<Item = f32>) -> f64 {
        let count = channel.len() as f64;
        if self.sharpness == 0.0 {
            channel.map(f64::from).sum::<f64>() / count
        } else if self.sharpness.is_infinite() {
            self.peak
        } else {
            self.peak + (self.total / count).ln() / self.sharpness
        }
    }
}

/// NaN where either is, unlike [`f64::max`].
fn larger(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}

fn smaller(a: f64, b: f64) -> f64 {
    -larger(-a, -b)
}

/// One channel of an image whose pixels are `stride` values apart.
pub(super) fn channel_of(
    image: &[f32],
    channel: usize,
    stride: usize,
) -> impl ExactSizeIterator<Item = f32> + Clone {
    image[channel..].iter().step_by(stride).copied()
}

impl Step for LogSumExpPool {
    unsafe fn run(&self, context: &Context<'_>) {
        let shape = &self.view.shape;
        let sharpness = self.sharpness.now(context);
        context
            .pool
            .run_with_worker(context.batch, &|image, worker| {
                // SAFETY: a task writes its own image's vector.
                unsafe {
                    let values = read(context, &self.view, image, worker, 0);
                    let rows = context.scratch(worker).add(shape.len());
                    let to =
                        std::slice::from_raw_parts_mut(self.to.at(context, image), shape.stride);
                    to[shape.channels..].fill(0.0);
                    let softmax = ChannelSoftmax::each(context, shape, values, sharpness, rows);
                    for (c, (place, softmax)) in to.iter_mut().zip(softmax).enumerate() {
                        *place = softmax.pooled(channel_of(values, c, shape.stride)) as f32;
                    }
                }
            });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        self.view.buffers(visit);
        visit(self.to.buffer);
    }

    fn scratch(&self) -> usize {
        self.view.shape.len() + SHARE_ROWS * self.view.shape.stride
    }

    fn name(&self) -> &'static str {
        "log-sum-exp pool"
    }
}

/// Gradient of the view that a log-sum-exp pool read: each pixel's softmax in the smooth maximum.
#[derive(Debug)]
pub(crate) struct LogSumExpPoolBackward {
    pub view: View,
    pub sharpness: Sharpness,
    pub gradient: Vector,
    pub to: Buffer,
    /// Gradient of a learned sharpness, one value an image.
    pub sharpness_gradients: Vector,
}

impl Step for LogSumExpPoolBackward {
    unsafe fn run(&self, context: &Context<'_>) {
        let shape = &self.view.shape;
        let sharpness = self.sharpness.now(context);
        let learned = matches!(self.sharpness, Sharpness::Learned(_));
        context
            .pool
            .run_with_worker(context.batch, &|image, worker| {
                // SAFETY: a task writes its own image's gradients.
                unsafe {
                    let values = read(context, &self.view, image, worker, 0);
                    let mut sharpness_gradient = 0.0;
                    let gradient =
                        std::slice::from_raw_parts(self.gradient.at(context, image), shape.stride);
                    // The scratch behind the image's values, and behind that.
                    let to = context.scratch(worker).add(shape.len());
                    let rows = to.add(shape.len());
                    let factors = rows.add(SHARE_ROWS * shape.stride);
                    std::ptr::write_bytes(factors, 0, shape.stride);
                    let places = places(shape, values, sharpness);
                    if places.is_none() {
                        std::ptr::write_bytes(to, 0, shape.len());
                    }
                    let softmax = ChannelSoftmax::each(context, shape, values, sharpness, rows);
                    for (c, softmax) in softmax.enumerate() {
                        let channel = channel_of(values, c, shape.stride);
                        if learned {
                            sharpness_gradient += f64::from(gradient[c])
                                * softmax.sharpness_derivative(channel.clone());
                        }
                        let factor = f64::from(gradient[c]) / softmax.total;
                        *factors.add(c) = factor as f32;
                        if places.is_none() {
                            for (pixel, value) in channel.enumerate() {
                                *to.add(pixel * shape.stride + c) =
                                    (factor * softmax.weight(f64::from(value))) as f32;
                            }
                        }
                    }
                    if let Some(places) = places {
                        context.isa.run(Weights {
                            places,
                            peak: rows,
                            factor: factors,
                            to,
                        });
                    }
                    context.run(Convert {
                        from: Values::floats(to),
                        to: context.map(self.to).add(image * shape.len()),
                        values: shape.len(),
                        add: false,
                    });
                    *self.sharpness_gradients.at(context, image) = sharpness_gradient as f32;
                }
            });
        if let Sharpness::Learned(offset) = self.sharpness {
            for image in 0..context.batch {
                // SAFETY: all tasks are done; the parameter has one value.
                unsafe {
                    *context.gradients.add(offset) += *self.sharpness_gradients.at(context, image);
                }
            }
        }
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        self.view.buffers(visit);
        visit(self.gradient.buffer);
        visit(self.to);
        visit(self.sharpness_gradients.buffer);
    }

    fn scratch(&self) -> usize {
        2 * self.view.shape.len() + (SHARE_ROWS + 1) * self.view.shape.stride
    }

    fn name(&self) -> &'static str {
        "log-sum-exp pool gradient"
    }
}
