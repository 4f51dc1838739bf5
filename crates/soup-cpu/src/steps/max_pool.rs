//! Max pooling, and its gradient.

use crate::{
    kernels::{vector::Convert, view::Fill},
    plan::{Buffer, Context, MapShape, Step, View},
    simd::Values,
};

/// Sizes of a window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
}

impl Window {
    /// Positions of the input that output position `at` reads, along one axis.
    fn range(&self, at: usize, side: usize) -> std::ops::Range<usize> {
        let first = (at * self.stride).saturating_sub(self.padding);
        let last = (at * self.stride + self.kernel).saturating_sub(self.padding);
        first..last.min(side)
    }
}

/// Forward: largest values and their positions.
#[derive(Debug)]
pub(crate) struct MaxPool {
    pub view: View,
    pub window: Window,
    pub shape: MapShape,
    pub output: Buffer,
    /// For every output value the input pixel, as the bits of a `u32`.
    pub argmax: Buffer,
}

impl Step for MaxPool {
    unsafe fn run(&self, context: &Context<'_>) {
        let input = &self.view.shape;
        let stride = self.shape.stride;
        context
            .pool
            .run_with_worker(context.batch, &|image, worker| {
                // SAFETY: a task writes its own image; scratch holds one.
                unsafe {
                    let scratch = context.scratch(worker);
                    context.run(Fill {
                        view: self.view.pixel(context, image, 0),
                        first: 0,
                        channels: stride,
                        pixels: input.pixels(),
                        to: Values::floats(scratch),
                        to_stride: stride,
                        to_plane: None,
                        derivative: std::ptr::null_mut(),
                    });
                    let values = std::slice::from_raw_parts(scratch, input.len());
                    let start = image * self.shape.len();
                    let output =
                        std::slice::from_raw_parts_mut(scratch.add(input.len()), self.shape.len());
                    let argmax = std::slice::from_raw_parts_mut(
                        context.at(self.argmax).add(start).cast::<u32>(),
                        self.shape.len(),
                    );
                    let pixels = output
                        .chunks_exact_mut(stride)
                        .zip(argmax.chunks_exact_mut(stride));
                    for (index, (output, argmax)) in pixels.enumerate() {
                        let (oy, ox) = (index / self.shape.width, index % self.shape.width);
                        let (top, left) = (
                            self.window.range(oy, input.height).start,
                            self.window.range(ox, input.width).start,
                        );
                        output.fill(f32::NEG_INFINITY);
                        argmax.fill((top * input.width + left) as u32);
                        for y in self.window.range(oy, input.height) {
                            for x in self.window.range(ox, input.width) {
                                let pixel = y * input.width + x;
                                for (c, &value) in
                                    values[pixel * stride..][..stride].iter().enumerate()
                                {
                                    // NaN is the largest: the last one of a window, as in PyTorch.
                                    if value > output[c] || value.is_nan() {
                                        output[c] = value;
                                        argmax[c] = pixel as u32;
                                    }
                                }
                            }
                        }
                    }
                    context.run(Convert {
                        from: Values::floats(output.as_mut_ptr()),
                        to: context.map(self.output).add(start),
                        values: self.shape.len(),
                        add: false,
                    });
                }
            });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        self.view.buffers(visit);
        visit(self.output);
        visit(self.argmax);
    }

    fn scratch(&self) -> usize {
        self.view.shape.len() + self.shape.len()
    }

    fn name(&self) -> &'static str {
        "max pool"
    }
}

/// Backward: each gradient goes to the position of the maximum.
#[derive(Debug)]
pub(crate) struct MaxPoolBackward {
    pub input: MapShape,
    pub shape: MapShape,
    /// Plain gradient of the output.
    pub gradient: Buffer,
    pub argmax: Buffer,
    pub to: Buffer,
}

impl Step for MaxPoolBackward {
    unsafe fn run(&self, context: &Context<'_>) {
        let stride = self.shape.stride;
        context
            .pool
            .run_with_worker(context.batch, &|image, worker| {
                // SAFETY: a task writes its own image's gradient; scratch holds both.
                unsafe {
                    let start = image * self.shape.len();
                    let scratch = context.scratch(worker);
                    let gradient = std::slice::from_raw_parts_mut(scratch, self.shape.len());
                    context.run(Convert {
                        from: context.map(self.gradient).add(start),
                        to: Values::floats(gradient.as_mut_ptr()),
                        values: self.shape.len(),
                        add: false,
                    });
                    let argmax = std::slice::from_raw_parts(
                        context.at(self.argmax).add(start).cast::<u32>(),
                        self.shape.len(),
                    );
                    let to = std::slice::from_raw_parts_mut(
                        scratch.add(self.shape.len()),
                        self.input.len(),
                    );
                    to.fill(0.0);
                    for (index, (&value, &place)) in gradient.iter().zip(argmax).enumerate() {
                        let c = index % stride;
                        if c < self.shape.channels {
                            to[place as usize * stride + c] += value;
                        }
                    }
                    context.run(Convert {
                        from: Values::floats(to.as_mut_ptr()),
                        to: context.map(self.to).add(image * self.input.len()),
                        values: self.input.len(),
                        add: false,
                    });
                }
            });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        visit(self.gradient);
        visit(self.argmax);
        visit(self.to);
    }

    fn scratch(&self) -> usize {
        self.shape.len() + self.input.len()
    }

    fn name(&self) -> &'static str {
        "max pool gradient"
    }
}
