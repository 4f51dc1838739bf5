//! A pointwise convolution backward: a chunk is so many pixels of an image.

use super::{super::fill_pixels, ConvolutionBackward, Slot};
use crate::{
    kernels::{
        gemm::{Gemm, Right, Segment},
        view::FillGradient,
    },
    plan::Context,
    simd::{Precision, Values},
};

impl ConvolutionBackward {
    /// # Safety
    /// As [`ConvolutionBackward::chunk`].
    pub(super) unsafe fn pointwise(
        &self,
        context: &Context<'_>,
        image: usize,
        (first, last): (usize, usize),
        worker: usize,
        slot: Slot,
    ) {
        let g = &self.geometry;
        let (inputs, outputs) = (g.input.stride, g.output.stride);
        let pixels = last - first;
        // SAFETY: scratch is the worker's own, as large as `scratch()` says: `size` pixels of the gradient and of the
        // input, and what `pack_operands` makes of them. Pixels `first` to `last` are within the image, and no other chunk
        // writes their gradient. The slot is this task's alone.
        unsafe {
            let gradient = context.scratch_map(worker);
            let values = gradient.add(self.chunks.size * outputs);
            context.run(FillGradient {
                gradient: self.gradient.pixel(context, image, first),
                first: 0,
                channels: outputs,
                pixels,
                to: gradient,
                to_stride: outputs,
                to_plane: None,
                accumulate: false,
            });
            let source = self.view.pixel(context, image, first);
            let plain = if self.view.plain {
                source.raw
            } else {
                fill_pixels(context, &self.view, source, pixels, values);
                values
            };
            if let Some(data) = self.data {
                context.run(Gemm {
                    segments: &[Segment {
                        a: 0,
                        b: 0,
                        k: g.words(outputs),
                    }],
                    a: gradient.words(),
                    a_row: g.words(outputs),
                    a_step: 1,
                    a_group: 0,
                    b: context.at(self.weights),
                    right: Right::Panels(g.words(outputs)),
                    c: context
                        .map(data.buffer)
                        .add(image * g.input.len() + first * inputs),
                    c_row: inputs,
                    c_group: 0,
                    groups: 1,
                    rows: pixels,
                    columns: inputs,
                    bias: std::ptr::null(),
                    accumulate: data.accumulate,
                    activation: None,
                });
            }
            if g.precision == Precision::F32 {
                context.run(Gemm {
                    segments: &[Segment {
                        a: 0,
                        b: 0,
                        k: pixels,
                    }],
                    a: plain.words(),
                    a_row: 1,
                    a_step: inputs,
                    a_group: 0,
                    b: gradient.words(),
                    right: Right::Rows(outputs),
                    c: Values::floats(self.weight_slot(context, slot.index)),
                    c_row: outputs,
                    c_group: 0,
                    groups: 1,
                    rows: inputs,
                    columns: outputs,
                    bias: std::ptr::null(),
                    accumulate: slot.accumulate,
                    activation: None,
                });
            }
            let room = values.add(self.chunks.size * inputs).words();
            self.pack_operands(context, room, slot, pixels, (plain, gradient));
            self.bias(context, slot.index, slot.accumulate, gradient, pixels);
        }
    }
}
