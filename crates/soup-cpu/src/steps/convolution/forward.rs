//! Forward: read through what is pending, multiplied, statistics taken on the way out.

use std::ops::Range;

use soup_graph::Activation;

use super::{BEHIND, Chunks, Geometry, fill_pixels, fill_rows};
use crate::{
    kernels::{
        gemm::{Gemm, Right, Segment, column_blocks},
        statistics::ChunkStatistics,
    },
    plan::{Buffer, Context, Step, View},
    simd::{Values, WIDEST},
    steps::winograd,
};

/// Forward convolution.
#[derive(Debug)]
pub(crate) struct ConvolutionForward {
    pub geometry: Geometry,
    pub chunks: Chunks,
    pub view: View,
    /// Packed weights.
    pub weights: Buffer,
    /// One value a stored output channel.
    pub bias: Option<Buffer>,
    /// What the output is stored through.
    pub activation: Option<Activation>,
    /// Parts that the output's channels are cut into, each a task; one where statistics are taken.
    pub parts: usize,
    pub output: Buffer,
    /// Mean and M2 of every chunk, each a row of stored channels.
    pub statistics: Option<Buffer>,
}

impl ConvolutionForward {
    /// Parts of the output's channels, so that a batch has tasks for so many threads. Each part reads its own
    /// weights, all parts read the same pixels.
    pub(crate) fn parts(geometry: &Geometry, batch: usize, threads: usize, lanes: usize) -> usize {
        let tasks = batch * geometry.forward_chunks().per_image;
        let blocks = column_blocks(geometry.output.stride / lanes).count();
        (2 * threads).div_ceil(tasks).clamp(1, blocks)
    }

    /// # Safety
    /// The chunk's output is written.
    unsafe fn take_statistics(
        &self,
        context: &Context<'_>,
        task: usize,
        output: Values,
        pixels: usize,
    ) {
        let Some(statistics) = self.statistics else {
            return;
        };
        let channels = self.geometry.output.stride;
        // SAFETY: the caller has written the chunk's pixels; every chunk has its two rows of stored channels.
        unsafe {
            let to = context.at(statistics).add(task * 2 * channels);
            context.run(ChunkStatistics {
                raw: output,
                stride: channels,
                channels,
                pixels,
                mean: to,
                m2: to.add(channels),
            });
        }
    }

    /// Where a chunk's output begins, by the image and the chunk's first row (or pixel, for 1x1).
    ///
    /// # Safety
    /// The chunk must be one of the batch.
    unsafe fn place(&self, context: &Context<'_>, image: usize, first: usize) -> Values {
        let (shape, halo) = (&self.geometry.output, self.geometry.halos[1]);
        let at = match halo {
            0 => first * self.chunks.row * shape.stride,
            _ => (first + halo) * shape.row_with_halo(halo) + halo * shape.stride,
        };
        // SAFETY: the chunk is one of the batch, by the caller's word, and `words_with_halo` made room for the halos.
        unsafe {
            context
                .map(self.output)
                .add(image * shape.len_with_halo(halo) + at)
        }
    }

    /// Writes the halo of rows of the output. Its memory is shared with other tensors, so every run writes it.
    ///
    /// # Safety
    /// As above; nobody else may write there.
    unsafe fn clear_halo(&self, context: &Context<'_>, image: usize, rows: Range<usize>) {
        let (shape, halo) = (&self.geometry.output, self.geometry.halos[1]);
        if halo == 0 {
            return;
        }
        let (row, edge) = (shape.row_with_halo(halo), halo * shape.stride);
        // SAFETY: rows are of the image, the image of the batch, and `words_with_halo` made room for the halos and
        // for what is behind the last.
        unsafe {
            let start = context
                .map(self.output)
                .add(image * shape.len_with_halo(halo));
            for y in rows.clone() {
                let line = start.add((y + halo) * row);
                line.zero(edge);
                line.add(row - edge).zero(edge);
            }
            if rows.start == 0 {
                start.zero(halo * row);
            }
            if rows.end == shape.height {
                let below = start.add((rows.end + halo) * row);
                let behind = if image + 1 == context.batch {
                    BEHIND
                } else {
                    0
                };
                below.zero(halo * row + behind);
            }
        }
    }

    /// Values of a chunk's input in scratch, whole words.
    fn input_values(&self) -> usize {
        let g = &self.geometry;
        if g.is_pointwise() {
            return self.chunks.size * g.input.stride;
        }
        let rows = (self.chunks.size - 1) * g.stride + g.kernel;
        // Whole words, as channels and what is behind are.
        rows * g.padded_width() * g.input.stride + BEHIND
    }

    /// Pixels of a row of the input as the product reads it: of the map with its halo, or in scratch.
    fn input_width(&self) -> usize {
        let g = &self.geometry;
        match g.halos[0] {
            0 => g.padded_width(),
            halo => g.input.width + 2 * halo,
        }
    }

    fn segments(&self) -> Vec<Segment> {
        let g = &self.geometry;
        if g.unfolds() {
            let k = g.panel_rows();
            return vec![Segment { a: 0, b: 0, k }];
        }
        let run = g.forward_run();
        (0..g.kernel)
            .map(|ky| Segment {
                a: g.words(ky * self.input_width() * g.input.stride),
                b: ky * run,
                k: run,
            })
            .collect()
    }
}

impl Step for ConvolutionForward {
    unsafe fn run(&self, context: &Context<'_>) {
        let g = &self.geometry;
        let segments = self.segments();
        let channels = g.output.stride;
        let blocks: Vec<(usize, usize)> = column_blocks(channels / context.isa.lanes()).collect();
        let tasks = context.batch * self.chunks.per_image;
        context
            .pool
            .run_with_worker(tasks * self.parts, &|task, worker| {
                let (task, part) = (task / self.parts, task % self.parts);
                let image = task / self.chunks.per_image;
                let (first, last) = self.chunks.range(task % self.chunks.per_image);
                let scratch = context.scratch_map(worker);
                let pixels = (last - first) * self.chunks.row;
                let cut = |part: usize| {
                    let block = part * blocks.len() / self.parts;
                    let column = blocks
                        .get(block)
                        .map(|&(first, _)| first * context.isa.lanes());
                    column.unwrap_or(channels)
                };
                let (column, end) = (cut(part), cut(part + 1));
                // SAFETY: chunks and parts of one output do not overlap; scratch is the worker's own and as large as
                // `scratch()` says; all offsets follow from the geometry that the buffers were made for.
                unsafe {
                    let output = self.place(context, image, first);
                    if part == 0 {
                        self.clear_halo(context, image, first..last);
                    }
                    if g.is_winograd() {
                        let (rows, columns) = ((first, last), (column, end));
                        winograd::forward(self, context, image, rows, columns, scratch);
                        self.take_statistics(context, task, output, pixels);
                        return;
                    }
                    let rows = g.panel_rows();
                    let mut gemm = Gemm {
                        segments: &segments,
                        a: scratch.words(),
                        a_row: g.words(g.stride * g.input.stride),
                        a_step: 1,
                        a_group: g.words(g.stride * self.input_width() * g.input.stride),
                        b: context.at(self.weights).add(column * rows),
                        right: Right::Panels(rows),
                        c: output.add(column),
                        c_row: channels,
                        c_group: g.output.row_with_halo(g.halos[1]),
                        groups: last - first,
                        rows: g.output.width,
                        columns: end - column,
                        bias: self.bias.map_or(std::ptr::null(), |bias| {
                            context.at(bias).add(column).cast_const()
                        }),
                        accumulate: false,
                        activation: self.activation,
                    };
                    if g.is_pointwise() {
                        let source = self.view.pixel(context, image, first);
                        if self.view.plain {
                            gemm.a = source.raw.words();
                        } else {
                            fill_pixels(context, &self.view, source, pixels, scratch);
                        }
                        gemm.groups = 1;
                        gemm.rows = pixels;
                    } else if g.halos[0] > 0 {
                        // The rows stand in the map as they would in scratch.
                        let halo = g.halos[0];
                        let row = g.input.row_with_halo(halo);
                        let [above, left] = g.before.map(|zeros| halo - zeros);
                        let start = image * g.input.len_with_halo(halo)
                            + (first * g.stride + above) * row
                            + left * g.input.stride;
                        gemm.a = context.map(self.view.map).add(start).words();
                    } else {
                        let [above, left] = g.before;
                        let top = (first * g.stride) as isize - above as isize;
                        let bottom = ((last - 1) * g.stride + g.kernel) as isize - above as isize;
                        let width = g.padded_width();
                        fill_rows(
                            context,
                            &self.view,
                            image,
                            top..bottom,
                            width,
                            left,
                            scratch,
                        );
                        let filled = (bottom - top) as usize * width * g.input.stride;
                        scratch.add(filled).zero(BEHIND);
                        if g.unfolds() {
                            let unfolded = scratch.add(self.input_values());
                            g.unfold(
                                context.isa,
                                scratch,
                                width,
                                last - first,
                                unfolded,
                                g.output.width,
                            );
                            gemm.a = unfolded.words();
                            gemm.a_row = g.words(g.unfolded());
                            gemm.a_group = g.words(g.output.width * g.unfolded());
                            if g.halos[1] == 0 {
                                // Rows are contiguous in input and output: AMX tiles may reach over their ends.
                                gemm.groups = 1;
                                gemm.rows = pixels;
                            }
                        }
                    }
                    context.run(gemm);
                    self.take_statistics(context, task, output, pixels);
                }
            });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        self.view.buffers(visit);
        visit(self.weights);
        visit(self.output);
        self.bias.into_iter().for_each(&mut *visit);
        self.statistics.into_iter().for_each(visit);
    }

    fn scratch(&self) -> usize {
        let g = &self.geometry;
        if g.is_winograd() {
            return winograd::forward_scratch(g, self.chunks.size);
        }
        if g.unfolds() {
            let pixels = self.chunks.size * g.output.width;
            return g.words(self.input_values() + pixels * g.unfolded()) + WIDEST;
        }
        g.words(self.input_values())
    }

    fn name(&self) -> &'static str {
        if self.geometry.is_pointwise() {
            "pointwise forward"
        } else if self.geometry.is_winograd() {
            "3x3 forward"
        } else {
            "convolution forward"
        }
    }

    fn shapes(&self) -> String {
        self.geometry.describe()
    }

    fn multiply_adds(&self) -> usize {
        self.geometry.multiply_adds()
    }
}
