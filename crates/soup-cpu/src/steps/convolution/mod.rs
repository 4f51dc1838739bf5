//! Dense convolution, forward and backward, in chunks that stay in a core's cache.
//!
//! A chunk is a run of pixels (1x1) or a band of output rows of one image. Forward: the input is
//! read through its pending transform into scratch, multiplied by the packed weights, and the raw
//! output's statistics are taken while it is still in cache. Backward: the raw gradient and the
//! input are made in scratch once and feed the gradients of data and weights at once.

use crate::{
    kernels::{
        depthwise::Plane,
        vector::Unfold,
        view::{Fill, PixelView},
        winograd::Tile,
    },
    plan::{Context, MapShape, View},
    simd::{Isa, Precision, Values},
    steps::{
        weights::{Layout, panel_rows},
        winograd,
    },
};

mod backward;
mod forward;
mod operands;

pub(crate) use backward::{ConvolutionBackward, Data, Gathered, Product};
pub(crate) use forward::ConvolutionForward;
pub(crate) use operands::PackedOperands;

/// Words of scratch that a chunk aims at: half of a core's second-level cache.
const SCRATCH_TARGET: usize = 128 * 1024;

/// Stored channels from which on Winograd's tiles are used.
const WINOGRAD_CHANNELS: usize = 32;
/// Shortest side of an output from which on Winograd's tiles are large.
const LARGE_TILES: usize = 8;
/// Words of scratch that a backward chunk of Winograd's tiles aims at: more tiles share one pass over the partial
/// gradients.
const TILES_TARGET: usize = 2 * SCRATCH_TARGET;

/// Words of the sum that an AMX tile holds.
const AMX_K: usize = 16;
/// Values behind the rows in scratch that the last AMX tile of a sum may read.
const BEHIND: usize = 2 * AMX_K;

/// Least channels of a product in AMX tiles.
const UNFOLDED: usize = 16;

/// Weights above which partial sums are fewer.
const MANY_WEIGHTS: usize = 128 * 1024;

/// Sizes of a convolution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub kernel: usize,
    pub stride: usize,
    /// Zeros above and left of the map. Below and right there are as many as the output reads.
    pub before: [usize; 2],
    pub input: MapShape,
    pub output: MapShape,
    pub precision: Precision,
    /// Whether products use AMX tiles. These are so fast that Winograd's transforms would take longer than they save.
    pub amx_tiles: bool,
    /// Widths of the halos of input and output: pixels of zeros stored around the map. An input whose halo has the zeros
    /// that it is read with is multiplied in place; others are copied to scratch first.
    pub halos: [usize; 2],
}

impl Geometry {
    /// `channels x height x width`, kernel and stride, channels out.
    pub(crate) fn describe(&self) -> String {
        let (input, output) = (&self.input, &self.output);
        format!(
            "{}x{}x{} by {}/{} to {}",
            input.channels, input.height, input.width, self.kernel, self.stride, output.channels
        )
    }

    /// Of one image.
    fn multiply_adds(&self) -> usize {
        let taps = self.kernel * self.kernel;
        self.output.pixels() * taps * self.input.channels * self.output.channels
    }

    /// Words that so many values take: channels are padded to whole words.
    fn words(&self, values: usize) -> usize {
        self.precision.words(values)
    }

    fn is_pointwise(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.before == [0, 0]
    }

    /// The Winograd tiles to use, if any. They take less than half of the multiplications, but with few channels the
    /// transforms cost more than that saves.
    pub(crate) fn tile(&self) -> Option<Tile> {
        let serve = !self.amx_tiles
            && (self.kernel, self.stride, self.before) == (3, 1, [1, 1])
            && self.input.stride.min(self.output.stride) >= WINOGRAD_CHANNELS;
        let side = self.output.height.min(self.output.width);
        let large = self.precision == Precision::F32 && side >= LARGE_TILES;
        serve.then_some(if large { Tile::F4x4 } else { Tile::F2x2 })
    }

    pub(crate) fn is_winograd(&self) -> bool {
        self.tile().is_some()
    }

    /// The halo that suits the input in inference.
    pub(crate) fn halo(&self) -> usize {
        match self.by_rows() && !self.unfolds() {
            true => {
                let [below, right] = self.behind();
                let [above, left] = self.before;
                above.max(left).max(below).max(right)
            }
            false => 0,
        }
    }

    /// Rows below and columns right of the map that the output reads.
    fn behind(&self) -> [usize; 2] {
        let sides = [
            (self.input.height, self.output.height, self.before[0]),
            (self.input.width, self.output.width, self.before[1]),
        ];
        sides.map(|(side, out, before)| {
            ((out - 1) * self.stride + self.kernel).saturating_sub(before + side)
        })
    }

    /// Whether the output is made row by row, so that it can have a halo.
    pub(crate) fn by_rows(&self) -> bool {
        self.kernel > 1 && !self.is_winograd()
    }

    /// Words of so many stored images with their halos. With a halo also what a sum may read behind the last one.
    pub(crate) fn words_with_halo(&self, batch: usize) -> usize {
        let [_, halo] = self.halos;
        let behind = if halo > 0 { BEHIND } else { 0 };
        self.words(batch * self.output.len_with_halo(halo) + behind)
    }

    /// How a forward convolution is cut.
    pub(crate) fn forward_chunks(&self) -> Chunks {
        Chunks::new(self, false)
    }

    /// How weights are packed for the output and for the gradient of the input.
    pub(crate) fn layouts(&self) -> [Layout; 2] {
        match self.tile() {
            Some(tile) => [Layout::ForwardFilters(tile), Layout::BackwardFilters(tile)],
            None => [Layout::Forward, Layout::Backward],
        }
    }

    /// Whether the few channels of an image are laid out for the product as each output pixel meets them.
    fn unfolds(&self) -> bool {
        self.amx_tiles
            && self.input.stride < self.output.stride.min(UNFOLDED)
            && !self.is_pointwise()
    }

    /// Values of an unfolded pixel: whole AMX tiles.
    fn unfolded(&self) -> usize {
        self.forward_rows().next_multiple_of(UNFOLDED)
    }

    /// Unfolds the padded input rows of so many output rows, into rows of `width` pixels.
    ///
    /// # Safety
    /// Rows must be as wide as `padded_width` says, and `to` have room, for a vector more too.
    unsafe fn unfold(
        &self,
        isa: Isa,
        from: Values,
        padded_width: usize,
        rows: usize,
        to: Values,
        width: usize,
    ) {
        let channels = self.input.stride;
        // SAFETY: the caller gives all that `rows` output rows read, in rows of `padded_width` pixels, and room for what
        // they are unfolded to and a vector more.
        unsafe {
            isa.run(Unfold {
                from: from.words(),
                row: self.words(padded_width * channels),
                step: self.words(self.stride * channels),
                kernel: self.kernel,
                run: self.words(self.kernel * channels),
                rows,
                stride: self.stride,
                pixels: self.output.width,
                to: to.words(),
                words: self.words(self.unfolded()),
                width,
            });
        }
    }

    /// Words that one row of the kernel takes in a panel, of so many channels. Where a product in AMX tiles reads its left
    /// operand from scratch it is padded to whole tiles: what is read behind a row's last tap is finite, and multiplied by
    /// zeros.
    fn run(&self, channels: usize) -> usize {
        let words = self.words(self.kernel * channels);
        match self.amx_tiles && !self.is_pointwise() && !self.unfolds() {
            true => words.next_multiple_of(AMX_K),
            false => words,
        }
    }

    /// The same for the output's gradient: with a stride a sum takes only some of a row's taps.
    pub(crate) fn backward_run(&self) -> usize {
        match self.stride {
            1 => self.run(self.output.stride),
            _ => self.words(self.kernel * self.output.stride),
        }
    }

    pub(crate) fn forward_run(&self) -> usize {
        self.run(self.input.stride)
    }

    /// Words of a column of the packed weights, for the output and for the gradient of the input.
    fn panel_rows(&self) -> usize {
        panel_rows(self.kernel * self.forward_run())
    }

    fn backward_panel_rows(&self) -> usize {
        panel_rows(self.kernel * self.backward_run())
    }

    /// Rows of a partial gradient of the weights, as the products make it.
    pub(crate) fn slot_rows(&self) -> usize {
        match self.tile() {
            Some(tile) => tile.positions() * self.input.stride,
            None => self.forward_rows(),
        }
    }

    /// The same for a depthwise kernel.
    pub(crate) fn plane(&self) -> Plane {
        Plane {
            height: self.input.height,
            width: self.input.width,
            out_height: self.output.height,
            out_width: self.output.width,
            kernel: self.kernel,
            stride: self.stride,
            before: self.before,
        }
    }

    /// Rows of the forward weights: one for every tap and stored input channel. Packed they are words.
    pub(crate) fn forward_rows(&self) -> usize {
        self.kernel * self.kernel * self.input.stride
    }

    /// Width of the padded input rows in scratch.
    fn padded_width(&self) -> usize {
        (self.input.width + 2 * self.before[1])
            .max((self.output.width - 1) * self.stride + self.kernel)
    }

    /// Smallest and largest offset from `y / stride` to an output row (column, for axis 1) that reads input row `y`.
    fn reach(&self, axis: usize) -> (isize, isize) {
        let (k, s, p) = (
            self.kernel as isize,
            self.stride as isize,
            self.before[axis] as isize,
        );
        ((p - (k - 1)).div_euclid(s), (s - 1 + p).div_euclid(s))
    }

    /// Width of the padded gradient rows in scratch, and zeros before the first column. Input rows beside them are
    /// `stride` times as wide.
    fn gradient_width(&self) -> (usize, usize) {
        let (low, high) = self.reach(1);
        let columns = self.input.width.div_ceil(self.stride) as isize + high;
        let width = (columns.max(self.output.width as isize) - low.min(0)) as usize;
        let padded = self.padded_width().div_ceil(self.stride);
        (width.max(padded), (-low.min(0)) as usize)
    }
}

/// How a convolution's output is cut into chunks; the same whatever the number of threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunks {
    /// Output rows (or pixels, for 1x1) of one image.
    length: usize,
    /// Rows or pixels in a chunk but the last.
    pub size: usize,
    /// Pixels in a row (1 for 1x1).
    row: usize,
    /// Chunks of one image.
    pub per_image: usize,
}

impl Chunks {
    fn new(geometry: &Geometry, backward: bool) -> Self {
        let (input, output) = (geometry.input, geometry.output);
        let (length, row, wanted) = if let Some(tile) = geometry.tile() {
            // Large tiles have more positions, whose filters must serve as many tiles.
            let target = match (backward, tile) {
                (false, Tile::F2x2) => SCRATCH_TARGET,
                _ => TILES_TARGET,
            };
            let tiles = target / winograd::tile_words(geometry, backward);
            let rows = tile.outputs() * (tiles / output.width.div_ceil(tile.outputs())).max(1);
            (output.height, output.width, rows)
        } else if geometry.is_pointwise() {
            let values = input.stride + output.stride;
            let size = (SCRATCH_TARGET / values).clamp(32, 1024);
            (output.pixels(), 1, size)
        } else {
            let mut values = match backward {
                false => geometry.stride * geometry.padded_width() * input.stride,
                true => {
                    let pixels = geometry.stride * geometry.stride * input.stride + output.stride;
                    geometry.gradient_width().0 * pixels
                }
            };
            if geometry.unfolds() {
                values += geometry.gradient_width().0 * geometry.unfolded();
            }
            let words = geometry.words(values);
            (output.height, output.width, (SCRATCH_TARGET / words).max(4))
        };
        let per_image = length.div_ceil(wanted);
        let mut size = length.div_ceil(per_image);
        if geometry.is_pointwise() {
            size = size.next_multiple_of(8);
        } else if let Some(tile) = geometry.tile() {
            size = size.next_multiple_of(tile.outputs());
        }
        Self {
            length,
            size,
            row,
            per_image: length.div_ceil(size),
        }
    }

    pub(super) fn range(&self, chunk: usize) -> (usize, usize) {
        let first = chunk * self.size;
        (first, (first + self.size).min(self.length))
    }

    /// Output pixels in each chunk of an image.
    pub(crate) fn pixels(&self) -> Vec<usize> {
        (0..self.per_image)
            .map(|chunk| {
                let (first, last) = self.range(chunk);
                (last - first) * self.row
            })
            .collect()
    }
}

/// Reads rows `first..last` of a view (rows may lie outside) into scratch with `left` zero columns
/// on the left and zeros up to `width`.
///
/// # Safety
/// `to` must have room for the rows.
pub(super) unsafe fn fill_rows(
    context: &Context<'_>,
    view: &View,
    image: usize,
    rows: std::ops::Range<isize>,
    width: usize,
    left: usize,
    to: Values,
) {
    let shape = &view.shape;
    // SAFETY: the caller gives room for the rows; `padded_rows` asks only for rows within the image, of which the
    // map has every pixel.
    unsafe {
        padded_rows(shape, rows, (width, left), to, |pixel, row| {
            let pixels = view.pixel(context, image, pixel);
            fill_pixels(context, view, pixels, shape.width, row);
        });
    }
}

/// Lays out rows of a map (they may lie outside) with `left` zero columns on the left and zeros up to `width`. `fill`
/// writes a row's pixels, by the index of the first one and the destination.
///
/// # Safety
/// `to` must have room for the rows.
unsafe fn padded_rows(
    shape: &MapShape,
    rows: std::ops::Range<isize>,
    (width, left): (usize, usize),
    to: Values,
    fill: impl Fn(usize, Values),
) {
    let stride = shape.stride;
    let right = left + shape.width;
    for (index, y) in rows.enumerate() {
        // SAFETY: the caller gives room for `width` pixels in every row, which are at least `left` and the image's own.
        unsafe {
            let row = to.add(index * width * stride);
            if y < 0 || y as usize >= shape.height {
                row.zero(width * stride);
                continue;
            }
            row.zero(left * stride);
            row.add(right * stride).zero((width - right) * stride);
            fill(y as usize * shape.width, row.add(left * stride));
        }
    }
}

/// Reads a run of pixels through a view.
///
/// # Safety
/// Pixels and destination must be valid.
unsafe fn fill_pixels(
    context: &Context<'_>,
    view: &View,
    pixels: PixelView,
    count: usize,
    to: Values,
) {
    // SAFETY: the caller says that `count` pixels are at both places; norm, gate and map have the stored channels,
    // which are whole vectors.
    unsafe {
        if view.plain {
            to.copy_from(pixels.raw, count * view.shape.stride);
            return;
        }
        context.run(Fill {
            view: pixels,
            first: 0,
            channels: view.shape.stride,
            pixels: count,
            to,
            to_stride: view.shape.stride,
            to_plane: None,
            derivative: std::ptr::null_mut(),
        });
    }
}
