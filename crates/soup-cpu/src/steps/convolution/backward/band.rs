//! A convolution of larger kernels backward: a chunk is a band of rows of an image.

use super::{
    super::{BEHIND, fill_rows},
    ConvolutionBackward, Slot,
};
use crate::{
    kernels::gemm::{Gemm, Right, Segment},
    plan::Context,
    simd::{Precision, Values},
};

impl ConvolutionBackward {
    /// Rows of gradient scratch for a chunk of `outputs` rows.
    pub(super) fn gradient_rows(&self, outputs: usize) -> usize {
        let g = &self.geometry;
        let (low, high) = g.reach(0);
        // The last chunk owns the input rows, too, that no output row covers: many where there are no zeros around the
        // map.
        let more = g.input.height.div_ceil(g.stride);
        let more = more.saturating_sub(g.output.height).max(1);
        ((outputs + more) as isize + high.max(0) - low.min(0)) as usize
    }

    /// # Safety
    /// As [`ConvolutionBackward::chunk`].
    pub(super) unsafe fn band(
        &self,
        context: &Context<'_>,
        image: usize,
        (first, last): (usize, usize),
        worker: usize,
        slot: Slot,
    ) {
        let g = &self.geometry;
        let (inputs, outputs) = (g.input.stride, g.output.stride);
        let (low, high) = g.reach(0);
        let (width, left) = g.gradient_width();
        let padded_width = g.stride * width;
        let (top, bottom) = self.input_rows(first, last);
        // Gradient rows from `base`, so that every offset of `reach` has its row.
        let base = first as isize + low.min(0);
        let end = (bottom.div_ceil(g.stride) as isize + high).max(last as isize);
        // SAFETY: scratch is the worker's own, as large as `scratch()` says: rows of the gradient, `BEHIND`, rows of
        // the input, and what `pack_operands` makes of them. Rows outside the image are not read (`padded_rows`). The slot
        // is this task's alone.
        unsafe {
            let gradient = context.scratch_map(worker);
            let rows = self.gradient_rows(self.chunks.size);
            let values = gradient.add(rows * width * outputs + BEHIND);
            self.fill_gradient(context, image, base..end, (width, left), gradient);
            if self.data.is_some() {
                let filled = (end - base) as usize * width * outputs;
                gradient.add(filled).zero(BEHIND);
                self.data_rows(context, image, top, bottom, gradient.words(), base);
            }
            // Gradient of the weights: the sum runs over the band's pixels.
            let above = (first * g.stride) as isize - g.before[0] as isize;
            let below = above + self.input_rows_of(last - first) as isize;
            fill_rows(
                context,
                &self.view,
                image,
                above..below,
                padded_width,
                g.before[1],
                values,
            );
            // The first pixel of each row of the output.
            let gradient_row = |oy: usize| {
                let row = (oy as isize - base) as usize;
                gradient.add((row * width + left) * outputs)
            };
            if g.precision == Precision::F32 {
                let run = g.kernel * inputs;
                for ky in 0..g.kernel {
                    let segments: Vec<Segment> = (0..last - first)
                        .map(|row| Segment {
                            a: (row * g.stride + ky) * padded_width * inputs,
                            b: row * width,
                            k: g.output.width,
                        })
                        .collect();
                    let to = self.weight_slot(context, slot.index);
                    context.run(Gemm {
                        segments: &segments,
                        a: values.words(),
                        a_row: 1,
                        a_step: g.stride * inputs,
                        a_group: 0,
                        b: gradient_row(first).words(),
                        right: Right::Rows(outputs),
                        c: Values::floats(to.add(ky * run * outputs)),
                        c_row: outputs,
                        c_group: 0,
                        groups: 1,
                        rows: run,
                        columns: outputs,
                        bias: std::ptr::null(),
                        accumulate: slot.accumulate,
                        activation: None,
                    });
                }
            }
            let most = self.input_rows_of(self.chunks.size);
            let mut room = values.add((most * padded_width * inputs).next_multiple_of(2));
            let mut from = (values, gradient_row(first));
            if g.unfolds() {
                g.unfold(context.isa, values, padded_width, last - first, room, width);
                from.0 = room;
                room = room.add(self.chunks.size * width * g.unfolded());
            }
            let room = room.words();
            self.pack_operands(context, room, slot, last - first, from);
            for oy in first..last {
                let more = slot.accumulate || oy > first;
                self.bias(context, slot.index, more, gradient_row(oy), g.output.width);
            }
        }
    }

    /// Input rows that so many output rows read.
    pub(super) fn input_rows_of(&self, outputs: usize) -> usize {
        (outputs - 1) * self.geometry.stride + self.geometry.kernel
    }

    /// Input rows whose gradient a chunk of output rows makes.
    pub(super) fn input_rows(&self, first: usize, last: usize) -> (usize, usize) {
        let g = &self.geometry;
        let bottom = if last == g.output.height {
            g.input.height
        } else {
            (last * g.stride).min(g.input.height)
        };
        ((first * g.stride).min(g.input.height), bottom)
    }

    /// Gradient of input rows `top..bottom`, one product for each phase of the stride.
    ///
    /// # Safety
    /// As [`ConvolutionBackward::chunk`].
    unsafe fn data_rows(
        &self,
        context: &Context<'_>,
        image: usize,
        top: usize,
        bottom: usize,
        gradient: *const f32,
        base: isize,
    ) {
        let g = &self.geometry;
        let Some(data) = self.data else { return };
        let (inputs, outputs) = (g.input.stride, g.output.stride);
        let (width, left) = g.gradient_width();
        let (k, s) = (g.kernel, g.stride);
        let run = g.backward_run();
        let taps = |phase: usize, axis: usize| {
            let from = phase + g.before[axis];
            (0..k)
                .filter(move |tap| (from + s * k - tap).is_multiple_of(s))
                .map(move |tap| {
                    let offset = from as isize - tap as isize;
                    (tap, offset.div_euclid(s as isize))
                })
        };
        for phase_y in 0..s {
            let rows = (bottom - top).saturating_sub(phase_y).div_ceil(s);
            for phase_x in 0..s {
                let columns = g.input.width.saturating_sub(phase_x).div_ceil(s);
                if rows == 0 || columns == 0 {
                    continue;
                }
                let mut segments = Vec::new();
                for (ky, dy) in taps(phase_y, 0) {
                    let row = ((top / s) as isize + dy - base) as usize * width;
                    for (kx, dx) in taps(phase_x, 1).collect::<Vec<_>>().into_iter().rev() {
                        let column = (left as isize + dx) as usize;
                        let segment = Segment {
                            a: g.words((row + column) * outputs),
                            b: ky * run + g.words((k - 1 - kx) * outputs),
                            k: g.words(outputs),
                        };
                        // Neighbouring taps of a row make one run.
                        match segments.last_mut() {
                            Some(Segment { a, b, k })
                                if *a + *k == segment.a && *b + *k == segment.b =>
                            {
                                *k += segment.k;
                            }
                            _ => segments.push(segment),
                        }
                    }
                }
                if run > g.words(k * outputs) {
                    // Each is a whole row of the kernel, and the zeros behind it.
                    segments.iter_mut().for_each(|segment| segment.k = run);
                }
                // SAFETY: the gradient has a row for every offset of `reach` from `base` on, with zeros around it; a
                // chunk writes input rows that no other chunk has. With no tap at all (a 1x1 kernel at stride 2) the
                // product of
                // an empty sum writes zeros, as it must.
                unsafe {
                    let origin = (top + phase_y) * g.input.width + phase_x;
                    context.run(Gemm {
                        segments: &segments,
                        a: gradient,
                        a_row: g.words(outputs),
                        a_step: 1,
                        a_group: g.words(width * outputs),
                        b: context.at(self.weights),
                        right: Right::Panels(g.backward_panel_rows()),
                        c: context
                            .map(data.buffer)
                            .add(image * g.input.len() + origin * inputs),
                        c_row: s * inputs,
                        c_group: s * g.input.width * inputs,
                        groups: rows,
                        rows: columns,
                        columns: inputs,
                        bias: std::ptr::null(),
                        accumulate: data.accumulate,
                        activation: None,
                    });
                }
            }
        }
    }
}
