//! Backward: the gradient of the output and the input are made in scratch once and feed both gradients.

use super::{BEHIND, Chunks, Geometry, MANY_WEIGHTS, Sides, fill_pixels, fill_rows, padded_rows};
use crate::kernels::gather::{Gather, SUM_ROWS, Sums};
use crate::kernels::gemm::{Gemm, Right, Segment};
use crate::kernels::vector::ColumnSums;
use crate::kernels::view::FillGradient;
use crate::plan::{Buffer, Context, Gradient, Step, Vector, View};
use crate::simd::{Precision, Values, padded};
use crate::steps::winograd;

/// Sums gathered over each chunk of the gradient of the data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gathered {
    /// `SUM_ROWS` rows of stored channels for every chunk.
    pub buffer: Buffer,
    pub sums: Sums,
    /// Chunks of one picture.
    pub per_picture: usize,
    /// A vector of zeros.
    pub zeros: Vector,
}

/// Weights from which on the chunks of a product in bfloat16 are multiplied together.
const TOGETHER: usize = 16 * 1024;
/// Words of sides that stand in memory at once: what a usual second-level cache holds, as each is read many times.
const GROUP: usize = 1 << 19;

/// How the gradient of the weights is made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Product {
    /// In single precision: of each chunk as it stands in scratch.
    Direct,
    /// In bfloat16: of sides that are made of it in scratch, of each chunk.
    Apart(Sides),
    /// The same for many chunks at once, whose sides stand in a buffer: large weights are not added up for each chunk.
    Together(Sides, Buffer),
    /// Of transformed tiles.
    Tiles(winograd::Group),
}

/// Where a chunk's part of a gradient of the weights goes.
#[derive(Clone, Copy, Debug)]
struct Slot {
    index: usize,
    accumulate: bool,
    /// The chunk's place among those that are multiplied together.
    place: usize,
}

/// Where the gradient of the data goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Data {
    pub buffer: Buffer,
    pub accumulate: bool,
}

/// Backward convolution.
#[derive(Debug)]
pub(crate) struct ConvolutionBackward {
    pub geometry: Geometry,
    pub chunks: Chunks,
    /// Gradient of the output.
    pub gradient: Gradient,
    /// Input.
    pub view: View,
    /// Weights packed for the gradient of the data.
    pub weights: Buffer,
    pub data: Option<Data>,
    pub gathered: Option<Gathered>,
    /// Partial gradients of the weights: `slots` times `forward_rows` rows of stored output channels.
    pub weight_slots: Buffer,
    pub product: Product,
    /// Partial gradients of the bias.
    pub bias_slots: Option<Buffer>,
    /// Number of partial sums; each is made by one task in a fixed order.
    pub slots: usize,
}

impl ConvolutionBackward {
    pub(crate) fn chunks(geometry: &Geometry) -> Chunks {
        Chunks::new(geometry, true)
    }

    /// How the gradient of the weights is made of so many chunks, and the number of its partial sums: enough for as
    /// many threads, fewer where adding them up would cost more than making them.
    pub(crate) fn product(
        geometry: &Geometry,
        chunks: Chunks,
        tasks: usize,
        allocate: impl FnOnce(usize) -> Buffer,
    ) -> (Product, usize) {
        let weights = geometry.forward_rows() * geometry.output.stride;
        if geometry.is_winograd() {
            let group = winograd::Group::new(geometry, chunks.size, tasks, allocate);
            return (Product::Tiles(group), 1);
        }
        match geometry.precision {
            Precision::F32 => {
                let most = if weights > MANY_WEIGHTS { 4 } else { 8 };
                (Product::Direct, tasks.min(most))
            }
            Precision::Bf16 if weights > TOGETHER => {
                let words = Sides::new(geometry, chunks.size, 1).words();
                let together = (GROUP / words).max(2).min(tasks);
                let sides = Sides::new(geometry, chunks.size, together);
                (Product::Together(sides, allocate(sides.words())), 1)
            }
            Precision::Bf16 => (
                Product::Apart(Sides::new(geometry, chunks.size, 1)),
                tasks.min(8),
            ),
        }
    }

    /// Rows of gradient scratch for a chunk of `outputs` rows.
    fn gradient_rows(&self, outputs: usize) -> usize {
        let g = &self.geometry;
        let (low, high) = g.reach();
        // The last chunk may own an input row more than its output rows cover.
        (outputs as isize + 1 + high.max(0) - low.min(0)) as usize
    }

    /// # Safety
    /// As [`Step::run`]: buffers laid out for this geometry, the worker's own scratch, and the slot
    /// written by this task alone.
    unsafe fn chunk(&self, context: &Context<'_>, task: usize, worker: usize, slot: Slot) {
        let picture = task / self.chunks.per_picture;
        let (first, last) = self.chunks.range(task % self.chunks.per_picture);
        // SAFETY: as promised.
        unsafe {
            if self.geometry.is_pointwise() {
                self.pointwise(context, picture, (first, last), worker, slot);
            } else {
                self.band(context, picture, (first, last), worker, slot);
            }
            self.gather(context, task, picture, first, last);
        }
    }

    /// # Safety
    /// As [`ConvolutionBackward::chunk`].
    unsafe fn pointwise(
        &self,
        context: &Context<'_>,
        picture: usize,
        (first, last): (usize, usize),
        worker: usize,
        slot: Slot,
    ) {
        let g = &self.geometry;
        let (inputs, outputs) = (g.input.stride, g.output.stride);
        let pixels = last - first;
        // SAFETY: as promised.
        unsafe {
            let gradient = context.scratch_map(worker);
            let values = gradient.add(self.chunks.size * outputs);
            context.run(FillGradient {
                gradient: self.gradient.pixel(context, picture, first),
                first: 0,
                channels: outputs,
                pixels,
                to: gradient,
                to_stride: outputs,
                to_plane: None,
                accumulate: false,
            });
            let source = self.view.pixel(context, picture, first);
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
                        .add(picture * g.input.len() + first * inputs),
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
            self.sides(context, room, slot, pixels, (plain, gradient));
            self.bias(context, slot.index, slot.accumulate, gradient, pixels);
        }
    }

    /// Makes the sides of a chunk's product, and multiplies them where they are not for many chunks.
    ///
    /// # Safety
    /// As [`ConvolutionBackward::chunk`]; `room` is the worker's own.
    unsafe fn sides(
        &self,
        context: &Context<'_>,
        room: *mut f32,
        slot: Slot,
        rows: usize,
        from: (Values, Values),
    ) {
        // SAFETY: as promised.
        unsafe {
            match &self.product {
                Product::Direct | Product::Tiles(_) => {}
                Product::Together(sides, buffer) => {
                    sides.fill(context, context.at(*buffer), slot.place, rows, from);
                }
                Product::Apart(sides) => {
                    sides.fill(context, room, 0, rows, from);
                    let to = (self.weight_slot(context, slot.index), slot.accumulate);
                    for task in 0..sides.tasks() {
                        sides.product(context, room, &[sides.segment(0, rows)], task, to);
                    }
                }
            }
        }
    }

    /// All gradients where many chunks are multiplied together.
    fn together(&self, context: &Context<'_>, sides: &Sides, buffer: Buffer) {
        let tasks = context.batch * self.chunks.per_picture;
        for start in (0..tasks).step_by(sides.chunks) {
            let chunks = start..tasks.min(start + sides.chunks);
            context
                .pool
                .run_with_worker(chunks.len(), &|place, worker| {
                    let slot = Slot {
                        index: start + place,
                        accumulate: false,
                        place,
                    };
                    // SAFETY: chunks of one gradient do not overlap, and each has its own place.
                    unsafe { self.chunk(context, start + place, worker, slot) };
                });
            let segments: Vec<Segment> = chunks
                .enumerate()
                .map(|(place, task)| {
                    let (first, last) = self.chunks.range(task % self.chunks.per_picture);
                    sides.segment(place, last - first)
                })
                .collect();
            context.pool.run(sides.tasks(), &|task| {
                // SAFETY: tasks write other rows of the gradient; the sides of all chunks are there.
                unsafe {
                    let to = (self.weight_slot(context, 0), start > 0);
                    sides.product(context, context.at(buffer), &segments, task, to);
                }
            });
        }
    }

    /// Makes rows of the gradient of the output in scratch, laid out as [`padded_rows`] does.
    ///
    /// # Safety
    /// `to` must have room for the rows.
    pub(in crate::steps) unsafe fn fill_gradient(
        &self,
        context: &Context<'_>,
        picture: usize,
        rows: std::ops::Range<isize>,
        padded: (usize, usize),
        to: Values,
    ) {
        let output = &self.geometry.output;
        // SAFETY: as promised; rows are read within the picture.
        unsafe {
            padded_rows(output, rows, padded, to, |pixel, row| {
                context.run(FillGradient {
                    gradient: self.gradient.pixel(context, picture, pixel),
                    first: 0,
                    channels: output.stride,
                    pixels: output.width,
                    to: row,
                    to_stride: output.stride,
                    to_plane: None,
                    accumulate: false,
                });
            });
        }
    }

    /// # Safety
    /// As [`ConvolutionBackward::chunk`].
    unsafe fn band(
        &self,
        context: &Context<'_>,
        picture: usize,
        (first, last): (usize, usize),
        worker: usize,
        slot: Slot,
    ) {
        let g = &self.geometry;
        let (inputs, outputs) = (g.input.stride, g.output.stride);
        let (low, high) = g.reach();
        let (width, left) = g.gradient_width();
        let padded_width = g.stride * width;
        let (top, bottom) = self.input_rows(first, last);
        // Gradient rows from `base`, so that every offset of `reach` has its row.
        let base = first as isize + low.min(0);
        let end = (bottom.div_ceil(g.stride) as isize + high).max(last as isize);
        // SAFETY: as promised.
        unsafe {
            let gradient = context.scratch_map(worker);
            let rows = self.gradient_rows(self.chunks.size);
            let values = gradient.add(rows * width * outputs + BEHIND);
            self.fill_gradient(context, picture, base..end, (width, left), gradient);
            if self.data.is_some() {
                let filled = (end - base) as usize * width * outputs;
                gradient.add(filled).zero(BEHIND);
                self.data_rows(context, picture, top, bottom, gradient.words(), base);
            }
            // Gradient of the weights: the sum runs over the band's pixels.
            let above = (first * g.stride) as isize - g.padding as isize;
            let below = above + self.input_rows_of(last - first) as isize;
            fill_rows(
                context,
                &self.view,
                picture,
                above..below,
                padded_width,
                g.padding,
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
            self.sides(context, room, slot, last - first, from);
            for oy in first..last {
                let more = slot.accumulate || oy > first;
                self.bias(context, slot.index, more, gradient_row(oy), g.output.width);
            }
        }
    }

    /// Input rows that so many output rows read.
    fn input_rows_of(&self, outputs: usize) -> usize {
        (outputs - 1) * self.geometry.stride + self.geometry.kernel
    }

    /// Input rows whose gradient a chunk of output rows makes.
    fn input_rows(&self, first: usize, last: usize) -> (usize, usize) {
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
        picture: usize,
        top: usize,
        bottom: usize,
        gradient: *const f32,
        base: isize,
    ) {
        let g = &self.geometry;
        let Some(data) = self.data else { return };
        let (inputs, outputs) = (g.input.stride, g.output.stride);
        let (width, left) = g.gradient_width();
        let (k, s, p) = (g.kernel, g.stride, g.padding);
        let run = g.backward_run();
        let taps = |phase: usize| {
            (0..k)
                .filter(move |tap| (phase + p + s * k - tap).is_multiple_of(s))
                .map(move |tap| {
                    let offset = (phase + p) as isize - tap as isize;
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
                for (ky, dy) in taps(phase_y) {
                    let row = ((top / s) as isize + dy - base) as usize * width;
                    for (kx, dx) in taps(phase_x).collect::<Vec<_>>().into_iter().rev() {
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
                // SAFETY: as promised. With no tap at all (a 1x1 kernel at stride 2) the product of
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
                            .add(picture * g.input.len() + origin * inputs),
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

    pub(in crate::steps) fn weight_slot(&self, context: &Context<'_>, slot: usize) -> *mut f32 {
        let size = self.geometry.slot_rows() * self.geometry.output.stride;
        // SAFETY: the buffer holds `slots` of this size.
        unsafe { context.at(self.weight_slots).add(slot * size) }
    }

    /// # Safety
    /// As [`ConvolutionBackward::chunk`]; `gradient` has `pixels` pixels.
    pub(in crate::steps) unsafe fn bias(
        &self,
        context: &Context<'_>,
        slot: usize,
        accumulate: bool,
        gradient: Values,
        pixels: usize,
    ) {
        let Some(bias) = self.bias_slots else { return };
        let channels = self.geometry.output.stride;
        // SAFETY: as promised.
        unsafe {
            let to = context.at(bias).add(slot * channels);
            if !accumulate {
                std::ptr::write_bytes(to, 0, channels);
            }
            context.run(ColumnSums {
                rows: gradient,
                stride: channels,
                pixels,
                channels,
                to,
            });
        }
    }

    /// # Safety
    /// As [`ConvolutionBackward::chunk`]; the chunk's gradient of the data is written.
    pub(in crate::steps) unsafe fn gather(
        &self,
        context: &Context<'_>,
        task: usize,
        picture: usize,
        first: usize,
        last: usize,
    ) {
        let (Some(gathered), Some(data)) = (self.gathered, self.data) else {
            return;
        };
        let input = &self.geometry.input;
        let (from, to) = if self.geometry.is_pointwise() {
            (first, last)
        } else {
            let (top, bottom) = self.input_rows(first, last);
            (top * input.width, bottom * input.width)
        };
        // SAFETY: as promised.
        unsafe {
            let dense = context
                .map(data.buffer)
                .add(picture * input.len() + from * input.stride);
            context.run(Gather {
                view: self.view.pixel(context, picture, from),
                dense,
                pooled: gathered.zeros.at(context, picture),
                channels: input.stride,
                pixels: to - from,
                sums: gathered.sums,
                premultiply: gathered.sums == Sums::Norm,
                to: context
                    .at(gathered.buffer)
                    .add(task * SUM_ROWS * input.stride),
                row: input.stride,
            });
        }
    }
}

impl Step for ConvolutionBackward {
    fn run(&self, context: &Context<'_>) {
        match &self.product {
            Product::Tiles(group) => return winograd::backward(self, context, group),
            Product::Together(sides, buffer) => return self.together(context, sides, *buffer),
            Product::Direct | Product::Apart(_) => {}
        }
        let tasks = context.batch * self.chunks.per_picture;
        context.pool.run_with_worker(self.slots, &|index, worker| {
            let from = index * tasks / self.slots;
            let to = (index + 1) * tasks / self.slots;
            for task in from..to {
                let slot = Slot {
                    index,
                    accumulate: task > from,
                    place: 0,
                };
                // SAFETY: a slot is one task's own; chunks of one gradient do not overlap.
                unsafe { self.chunk(context, task, worker, slot) };
            }
        });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        self.gradient.buffers(visit);
        self.view.buffers(visit);
        visit(self.weights);
        match self.product {
            Product::Direct | Product::Apart(_) => {}
            Product::Together(_, buffer) => visit(buffer),
            Product::Tiles(group) => visit(group.tiles),
        }
        visit(self.weight_slots);
        self.bias_slots.into_iter().for_each(&mut *visit);
        self.data.into_iter().for_each(|data| visit(data.buffer));
        self.gathered
            .into_iter()
            .for_each(|gathered| visit(gathered.buffer));
    }

    fn scratch(&self) -> usize {
        let g = &self.geometry;
        if g.is_winograd() {
            return winograd::backward_scratch(g, self.chunks.size);
        }
        let values = if g.is_pointwise() {
            self.chunks.size * (g.input.stride + g.output.stride)
        } else {
            let width = g.gradient_width().0;
            let gradient = self.gradient_rows(self.chunks.size) * g.output.stride;
            let rows = self.input_rows_of(self.chunks.size);
            let unfolded = match g.unfolds() {
                true => self.chunks.size * g.unfolded(),
                false => 0,
            };
            width * (gradient + rows * g.stride * padded(g.input.stride) + unfolded) + BEHIND
        };
        let sides = match &self.product {
            Product::Apart(sides) => sides.words(),
            _ => 0,
        };
        g.words(values) + sides
    }

    fn name(&self) -> &'static str {
        if self.geometry.is_pointwise() {
            "pointwise backward"
        } else if self.geometry.is_winograd() {
            "3x3 backward"
        } else {
            "convolution backward"
        }
    }

    fn shapes(&self) -> String {
        self.geometry.describe()
    }

    fn multiply_adds(&self) -> usize {
        let gradients = 1 + usize::from(self.data.is_some());
        gradients * self.geometry.multiply_adds()
    }
}
