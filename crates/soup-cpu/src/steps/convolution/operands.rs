//! The gradient of the weights in bfloat16, a product over pixels.
//!
//! Its operands are packed from what a chunk has in scratch. The left one is transposed: channels are rows and pixels are
//! contiguous, so that a tap is the same matrix read from another pixel on. With a stride each phase has a matrix of its
//! own. Words of the right one pair neighbouring pixels. Pixels are counted over whole padded rows: where a row of the
//! left operand has padding, or the next row's pixels, the right operand has zeros.

use super::Geometry;
use crate::{
    kernels::{
        gemm::{Gemm, Right, Segment},
        vector::{PairPixels, TransposePixels},
    },
    plan::Context,
    simd::{Precision, Values},
};

/// Pixels that an AMX tile holds.
const AMX_K: usize = 32;
/// Rows of the gradient that one task makes.
const ROWS: usize = 96;
/// Words of padding behind each row of the left operand. Rows a multiple of a page apart would share few sets of the
/// first-level cache.
const CACHE_LINE: usize = 16;

/// Layout of the packed operands of some chunks, one chunk after the other in each row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PackedOperands {
    kernel: usize,
    stride: usize,
    inputs: usize,
    /// Rows of the gradient for each tap: not the zeros that a pixel ends with.
    rows: usize,
    outputs: usize,
    /// Pixels of a padded row, and of an output row.
    width: usize,
    columns: usize,
    /// Chunks.
    pub chunks: usize,
    /// Words of a chunk in a row of the left operand.
    left: usize,
    /// Pairs of a chunk in the right operand.
    right: usize,
}

impl PackedOperands {
    /// Operands of so many chunks of up to `rows` output rows (pixels, for a pointwise convolution).
    pub(crate) fn new(geometry: &Geometry, rows: usize, chunks: usize) -> Self {
        let pointwise = geometry.is_pointwise();
        // Unfolded pixels are inputs of one tap.
        let (kernel, stride, inputs, made) = match geometry.unfolds() {
            true => (1, 1, geometry.unfolded(), geometry.forward_rows()),
            false => {
                let inputs = geometry.input.stride;
                (geometry.kernel, geometry.stride, inputs, inputs)
            }
        };
        let mut this = Self {
            kernel,
            stride,
            inputs,
            rows: made,
            outputs: geometry.output.stride,
            width: if pointwise {
                1
            } else {
                geometry.gradient_width().0
            },
            columns: if pointwise { 1 } else { geometry.output.width },
            chunks,
            left: 0,
            right: 0,
        };
        this.right = this.pairs(rows);
        let last = kernel - 1;
        this.left = (this.shift(last, last) + 2 * this.right).next_multiple_of(AMX_K) / 2;
        this
    }

    /// Pairs of pixels of a chunk of so many output rows, whole AMX tiles.
    fn pairs(&self, rows: usize) -> usize {
        (rows * self.width).next_multiple_of(AMX_K) / 2
    }

    /// Pixel of its phase that a tap starts from.
    fn shift(&self, ky: usize, kx: usize) -> usize {
        ky / self.stride * self.width + kx / self.stride
    }

    /// Phases of the taps along one axis.
    fn phases(&self) -> usize {
        self.stride.min(self.kernel)
    }

    fn left_row(&self) -> usize {
        self.chunks * self.left + CACHE_LINE
    }

    /// Words of one phase of the left operand.
    fn phase(&self) -> usize {
        self.inputs * self.left_row()
    }

    /// Where the right operand starts.
    fn right_start(&self) -> usize {
        self.phases() * self.phases() * self.phase()
    }

    /// Words of both operands.
    pub(crate) fn words(&self) -> usize {
        self.right_start() + self.chunks * self.right * self.outputs
    }

    /// Packs the operands of chunk `index` of so many output rows from its padded (or unfolded) input, and its gradient
    /// from the first pixel on.
    ///
    /// # Safety
    /// `to` must have room for the words, and scratch the rows that the chunk's size asks for.
    pub(super) unsafe fn pack(
        &self,
        context: &Context<'_>,
        to: *mut f32,
        index: usize,
        rows: usize,
        (values, gradient): (Values, Values),
    ) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let phases = self.phases();
        // SAFETY: the caller gives room for `words()` and rows as padded as `band` makes them, whose phases and taps
        // reach no further; `index` is below `chunks`.
        unsafe {
            for (y, x) in (0..phases).flat_map(|y| (0..phases).map(move |x| (y, x))) {
                // The last phases of a kernel that they do not divide have a row less.
                let rows = rows + (self.kernel - 1 - y) / self.stride;
                let row = self.stride * self.width * inputs;
                context.isa.run(TransposePixels {
                    from: values.add(y * row + x * inputs),
                    row: self.stride * row,
                    stride: self.stride * inputs,
                    width: self.width,
                    channels: inputs,
                    pixels: rows * self.width,
                    to: to.add((y * phases + x) * self.phase() + index * self.left),
                    to_row: self.left_row(),
                    words: self.left,
                });
            }
            let to = to.add(self.right_start() + index * self.right * outputs);
            let pixels = (rows - 1) * self.width + self.columns;
            context.isa.run(PairPixels {
                from: gradient,
                channels: outputs,
                pixels,
                to,
            });
            let made = pixels.div_ceil(2);
            Values::floats(to.add(made * outputs)).zero((self.pairs(rows) - made) * outputs);
        }
    }

    /// The sum over chunk `index` of so many output rows.
    pub(super) fn segment(&self, index: usize, rows: usize) -> Segment {
        Segment {
            a: index * self.left,
            b: index * self.right,
            k: self.pairs(rows),
        }
    }

    /// Tasks of the whole product, each some rows of the gradient.
    pub(super) fn tasks(&self) -> usize {
        self.kernel * self.kernel * self.rows.div_ceil(ROWS)
    }

    /// Rows of the gradient, one for every tap and input channel, that a task makes.
    ///
    /// # Safety
    /// `operands` must have been packed, and `to` be the whole gradient.
    pub(super) unsafe fn product(
        &self,
        context: &Context<'_>,
        operands: *mut f32,
        segments: &[Segment],
        task: usize,
        (to, accumulate): (*mut f32, bool),
    ) {
        let blocks = self.rows.div_ceil(ROWS);
        let (tap, row) = (task / blocks, task % blocks * ROWS);
        let (ky, kx) = (tap / self.kernel, tap % self.kernel);
        let phase = ky % self.stride * self.phases() + kx % self.stride;
        // SAFETY: the caller has packed the operands and gives the whole gradient, of which a task makes rows of one
        // tap. A tap may start from the second pixel of a word, which products allow.
        unsafe {
            let left = operands.add(phase * self.phase() + row * self.left_row());
            context.run(Gemm {
                segments,
                a: Values::new(left, Precision::Bf16)
                    .add(self.shift(ky, kx))
                    .words(),
                a_row: self.left_row(),
                a_step: 1,
                a_group: 0,
                b: operands.add(self.right_start()),
                right: Right::Rows(self.outputs),
                c: Values::floats(to.add((tap * self.rows + row) * self.outputs)),
                c_row: self.outputs,
                c_group: 0,
                groups: 1,
                rows: ROWS.min(self.rows - row),
                columns: self.outputs,
                bias: std::ptr::null(),
                accumulate,
                activation: None,
            });
        }
    }
}
