//! Backward: the gradient of the output and the input are made in scratch once and feed both gradients.

mod band;
mod pointwise;

use super::{BEHIND, Chunks, Geometry, MANY_WEIGHTS, PackedOperands, padded_rows};
use crate::{
    kernels::{
        gather::{Gather, SUM_ROWS, Sums},
        gemm::Segment,
        vector::ColumnSums,
        view::FillGradient,
    },
    plan::{Buffer, Context, Gradient, Step, Vector, View},
    simd::{Precision, Values, padded},
    steps::winograd,
};

/// Sums gathered over each chunk of the gradient of the data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gathered {
    /// `SUM_ROWS` rows of stored channels for every chunk.
    pub buffer: Buffer,
    pub sums: Sums,
    /// Chunks of one image.
    pub per_image: usize,
    /// A vector of zeros.
    pub zeros: Vector,
}

/// Weights from which on chunks of a product in bfloat16 are multiplied in groups.
const GROUPED_WEIGHTS: usize = 16 * 1024;
/// Words of packed operands in memory at once: what a usual second-level cache holds, as each is read many times.
const GROUP: usize = 1 << 19;

/// How the gradient of the weights is made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Product {
    /// In single precision: of each chunk as it is in scratch.
    Direct,
    /// In bfloat16: of operands packed in scratch, chunk by chunk.
    Packed(PackedOperands),
    /// The same for groups of chunks, whose operands are packed in a buffer: large weights are not added up for each
    /// chunk.
    Grouped(PackedOperands, Buffer),
    /// Of transformed tiles.
    Tiles(winograd::Group),
}

/// Where a chunk's part of a gradient of the weights goes.
#[derive(Clone, Copy, Debug)]
struct Slot {
    index: usize,
    accumulate: bool,
    /// The chunk's place in its group.
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
            Precision::Bf16 if weights > GROUPED_WEIGHTS => {
                let words = PackedOperands::new(geometry, chunks.size, 1).words();
                let together = (GROUP / words).max(2).min(tasks);
                let operands = PackedOperands::new(geometry, chunks.size, together);
                (Product::Grouped(operands, allocate(operands.words())), 1)
            }
            Precision::Bf16 => (
                Product::Packed(PackedOperands::new(geometry, chunks.size, 1)),
                tasks.min(8),
            ),
        }
    }

    /// # Safety
    /// As [`Step::run`]: buffers laid out for this geometry, the worker's own scratch, and the slot
    /// written by this task alone.
    unsafe fn chunk(&self, context: &Context<'_>, task: usize, worker: usize, slot: Slot) {
        let image = task / self.chunks.per_image;
        let (first, last) = self.chunks.range(task % self.chunks.per_image);
        // SAFETY: the caller gives this chunk scratch and a slot that no other task has; `range` keeps it within the
        // image.
        unsafe {
            if self.geometry.is_pointwise() {
                self.pointwise(context, image, (first, last), worker, slot);
            } else {
                self.band(context, image, (first, last), worker, slot);
            }
            self.gather(context, task, image, first, last);
        }
    }

    /// Packs the operands of a chunk's product, and multiplies them unless the chunks are grouped.
    ///
    /// # Safety
    /// As [`ConvolutionBackward::chunk`]; `room` is the worker's own.
    unsafe fn pack_operands(
        &self,
        context: &Context<'_>,
        room: *mut f32,
        slot: Slot,
        rows: usize,
        from: (Values, Values),
    ) {
        // SAFETY: `room` is behind the rows that `from` points to and has `PackedOperands::words`, as `scratch()` counts; a
        // buffer for grouped operands has them `chunks` times, of which this task has `slot.place`.
        unsafe {
            match &self.product {
                Product::Direct | Product::Tiles(_) => {}
                Product::Grouped(operands, buffer) => {
                    operands.pack(context, context.at(*buffer), slot.place, rows, from);
                }
                Product::Packed(operands) => {
                    operands.pack(context, room, 0, rows, from);
                    let to = (self.weight_slot(context, slot.index), slot.accumulate);
                    for task in 0..operands.tasks() {
                        operands.product(context, room, &[operands.segment(0, rows)], task, to);
                    }
                }
            }
        }
    }

    /// All gradients where chunks are multiplied in groups.
    ///
    /// # Safety
    /// As [`Step::run`].
    unsafe fn grouped(&self, context: &Context<'_>, operands: &PackedOperands, buffer: Buffer) {
        self.by_groups(
            context,
            operands.chunks,
            &|task, place, worker| {
                let slot = Slot {
                    index: task,
                    accumulate: false,
                    place,
                };
                // SAFETY: chunks of one gradient do not overlap, and each has its own place.
                unsafe { self.chunk(context, task, worker, slot) };
            },
            |place, rows| operands.segment(place, rows),
            |segments, accumulate| {
                context.pool.run(operands.tasks(), &|task| {
                    // SAFETY: tasks write other rows of the gradient; the operands of all chunks are packed.
                    unsafe {
                        let to = (self.weight_slot(context, 0), accumulate);
                        operands.product(context, context.at(buffer), segments, task, to);
                    }
                });
            },
        );
    }

    /// Runs the chunks in groups of so many. `make` prepares the operands of each chunk (by its task, its place in the group
    /// and the worker). Then `multiply` adds the products of the group's segments to those of the groups before.
    pub(in crate::steps) fn by_groups(
        &self,
        context: &Context<'_>,
        size: usize,
        make: &(dyn Fn(usize, usize, usize) + Sync),
        segment: impl Fn(usize, usize) -> Segment,
        multiply: impl Fn(&[Segment], bool),
    ) {
        let tasks = context.batch * self.chunks.per_image;
        for start in (0..tasks).step_by(size) {
            let count = size.min(tasks - start);
            context.pool.run_with_worker(count, &|place, worker| {
                make(start + place, place, worker);
            });
            let segments: Vec<Segment> = (0..count)
                .map(|place| {
                    let chunk = (start + place) % self.chunks.per_image;
                    let (first, last) = self.chunks.range(chunk);
                    segment(place, last - first)
                })
                .collect();
            multiply(&segments, start > 0);
        }
    }

    /// Makes rows of the gradient of the output in scratch, laid out as [`padded_rows`] does.
    ///
    /// # Safety
    /// `to` must have room for the rows.
    pub(in crate::steps) unsafe fn fill_gradient(
        &self,
        context: &Context<'_>,
        image: usize,
        rows: std::ops::Range<isize>,
        padded: (usize, usize),
        to: Values,
    ) {
        let output = &self.geometry.output;
        // SAFETY: the caller gives room for the rows; `padded_rows` asks only for rows within the image, of which
        // the map and its gradient have every pixel.
        unsafe {
            padded_rows(output, rows, padded, to, |pixel, row| {
                context.run(FillGradient {
                    gradient: self.gradient.pixel(context, image, pixel),
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
        // SAFETY: there are bias gradients for every slot, the slot is this task's alone, and the caller gives
        // `pixels` pixels.
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
        image: usize,
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
        // SAFETY: the chunk's pixels are within the image, and the sums have `SUM_ROWS` rows for every task.
        unsafe {
            let dense = context
                .map(data.buffer)
                .add(image * input.len() + from * input.stride);
            context.run(Gather {
                view: self.view.pixel(context, image, from),
                dense,
                pooled: gathered.zeros.at(context, image),
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
    unsafe fn run(&self, context: &Context<'_>) {
        match &self.product {
            // SAFETY: the caller's promise is the one that both ask for.
            Product::Tiles(group) => return unsafe { winograd::backward(self, context, group) },
            Product::Grouped(operands, buffer) => {
                // SAFETY: as above.
                return unsafe { self.grouped(context, operands, *buffer) };
            }
            Product::Direct | Product::Packed(_) => {}
        }
        let tasks = context.batch * self.chunks.per_image;
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
            Product::Direct | Product::Packed(_) => {}
            Product::Grouped(_, buffer) => visit(buffer),
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
        let operands = match &self.product {
            Product::Packed(operands) => operands.words(),
            _ => 0,
        };
        g.words(values) + operands
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
