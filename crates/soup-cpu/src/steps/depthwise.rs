//! Depthwise convolution: one task an image and block of channels.

use soup_graph::Activation;

use crate::{
    kernels::depthwise::{BLOCK, DepthwiseBackward, DepthwiseForward, Plane},
    plan::{Buffer, Context, Gradient, Step, View},
    simd::padded,
    steps::convolution::Data,
};

/// Channels of a task in training: as even as they can be, at most [`BLOCK`].
pub(crate) fn even_blocks(channels: usize) -> usize {
    padded(channels.div_ceil(channels.div_ceil(BLOCK)))
}

/// Channels of a task in inference, where no sum depends on how a batch is cut: so that the busiest of so many threads
/// has the least to do, and of these the most. A cache line of bfloat16 values at least.
pub(crate) fn shared_blocks(channels: usize, batch: usize, threads: usize) -> usize {
    let most = |size: usize| (batch * channels.div_ceil(size)).div_ceil(threads) * size;
    let sizes = [BLOCK, BLOCK * 3 / 4, BLOCK / 2];
    sizes
        .into_iter()
        .min_by_key(|&size| most(size))
        .unwrap_or(BLOCK)
}

/// First channel and number of channels of a block.
fn block(index: usize, size: usize, channels: usize) -> (usize, usize) {
    let first = index * size;
    (first, size.min(channels - first))
}

/// Forward depthwise convolution.
#[derive(Debug)]
pub(crate) struct Forward {
    pub plane: Plane,
    pub view: View,
    /// Stored channels.
    pub channels: usize,
    /// Channels of a task: [`even_blocks`] or [`shared_blocks`].
    pub block: usize,
    /// What the output is stored through.
    pub activation: Option<Activation>,
    /// Weights, one row of stored channels a tap.
    pub weights: Buffer,
    /// One value a stored channel.
    pub bias: Buffer,
    pub output: Buffer,
    /// Mean and M2 of every image, each a row of stored channels.
    pub statistics: Option<Buffer>,
}

impl Step for Forward {
    unsafe fn run(&self, context: &Context<'_>) {
        let blocks = self.channels.div_ceil(self.block);
        let pixels = self.plane.out_height * self.plane.out_width;
        context
            .pool
            .run_with_worker(context.batch * blocks, &|task, worker| {
                let image = task / blocks;
                let (first, channels) = block(task % blocks, self.block, self.channels);
                // SAFETY: a task writes its own image's channels; all buffers were made for this plane.
                unsafe {
                    let mean = self.statistics.map_or(std::ptr::null_mut(), |buffer| {
                        context.at(buffer).add(image * 2 * self.channels)
                    });
                    let m2 = if mean.is_null() {
                        mean
                    } else {
                        mean.add(self.channels)
                    };
                    context.run(DepthwiseForward {
                        plane: self.plane,
                        view: self.view.pixel(context, image, 0),
                        first,
                        channels,
                        weights: context.at(self.weights),
                        weight_row: self.channels,
                        bias: context.at(self.bias),
                        activation: self.activation,
                        out: context.map(self.output).add(image * pixels * self.channels),
                        out_stride: self.channels,
                        mean,
                        m2,
                        scratch: context.scratch(worker),
                    });
                }
            });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        self.view.buffers(visit);
        visit(self.weights);
        visit(self.bias);
        visit(self.output);
        self.statistics.into_iter().for_each(visit);
    }

    fn scratch(&self) -> usize {
        self.plane.scratch(false)
    }

    fn name(&self) -> &'static str {
        "depthwise forward"
    }

    fn shapes(&self) -> String {
        self.plane.describe(self.channels)
    }

    fn multiply_adds(&self) -> usize {
        self.plane.multiply_adds(self.channels)
    }
}

/// Backward depthwise convolution.
#[derive(Debug)]
pub(crate) struct Backward {
    pub plane: Plane,
    pub gradient: Gradient,
    pub view: View,
    pub channels: usize,
    pub weights: Buffer,
    pub data: Option<Data>,
    /// `SUM_ROWS` rows of stored channels for every image; the first two are written.
    pub sums: Option<Buffer>,
    /// Gradient of the weights of every image, and of the bias.
    pub weight_slots: Buffer,
    pub bias_slots: Option<Buffer>,
}

impl Step for Backward {
    unsafe fn run(&self, context: &Context<'_>) {
        let size = even_blocks(self.channels);
        let blocks = self.channels.div_ceil(size);
        let taps = self.plane.kernel * self.plane.kernel;
        let sum_rows = crate::kernels::gather::SUM_ROWS;
        context
            .pool
            .run_with_worker(context.batch * blocks, &|task, worker| {
                let image = task / blocks;
                let (first, channels) = block(task % blocks, size, self.channels);
                // SAFETY: a task writes its own image's channels; all buffers were made for this plane.
                unsafe {
                    context.run(DepthwiseBackward {
                        plane: self.plane,
                        gradient: self.gradient.pixel(context, image, 0),
                        view: self.view.pixel(context, image, 0),
                        first,
                        channels,
                        weights: context.at(self.weights),
                        weight_row: self.channels,
                        data: self.data.map(|data| {
                            let start = image * self.view.shape.len();
                            context.map(data.buffer).add(start)
                        }),
                        accumulate: self.data.is_some_and(|data| data.accumulate),
                        weight_gradient: context
                            .at(self.weight_slots)
                            .add(image * taps * self.channels),
                        bias_gradient: self.bias_slots.map_or(std::ptr::null_mut(), |buffer| {
                            context.at(buffer).add(image * self.channels)
                        }),
                        sums: self.sums.map_or(std::ptr::null_mut(), |buffer| {
                            context.at(buffer).add(image * sum_rows * self.channels)
                        }),
                        sums_row: self.channels,
                        scratch: context.scratch(worker),
                    });
                }
            });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        self.gradient.buffers(visit);
        self.view.buffers(visit);
        visit(self.weights);
        visit(self.weight_slots);
        self.data.into_iter().for_each(|data| visit(data.buffer));
        self.sums.into_iter().for_each(&mut *visit);
        self.bias_slots.into_iter().for_each(visit);
    }

    fn scratch(&self) -> usize {
        self.plane.scratch(true)
    }

    fn name(&self) -> &'static str {
        "depthwise backward"
    }

    fn shapes(&self) -> String {
        self.plane.describe(self.channels)
    }

    fn multiply_adds(&self) -> usize {
        (1 + usize::from(self.data.is_some())) * self.plane.multiply_adds(self.channels)
    }
}
