//! The chunks of a 3x3 convolution at stride 1 as products of tiles (see [`crate::kernels::winograd`]).

use soup_graph::Activation;

use super::convolution::{ConvolutionBackward, ConvolutionForward, Geometry, fill_rows};
use crate::{
    kernels::{
        gemm::{Gemm, Right, Segment, column_blocks},
        winograd::{Outputs, Stage, Tile, Transform},
    },
    plan::{Buffer, Context},
    simd::{Precision, Values},
};

/// Widest column block, in values: three of the widest vectors.
const BLOCK: usize = 48;

/// Words of padding between one position's matrix and the next. A tile is read and written at all positions at once;
/// matrices whose sizes are multiples of a page would share few sets of the first-level cache.
const CACHE_LINE: usize = 16;

/// The tiles of a chunk of output rows.
#[derive(Clone, Copy, Debug)]
struct Grid {
    tile: Tile,
    rows: usize,
    columns: usize,
}

impl Grid {
    fn new(geometry: &Geometry, output_rows: usize) -> Self {
        let tile = tile(geometry);
        Self {
            tile,
            rows: output_rows.div_ceil(tile.outputs()),
            columns: geometry.output.width.div_ceil(tile.outputs()),
        }
    }

    fn tiles(self) -> usize {
        self.rows * self.columns
    }

    /// Pixels of the padded rows that the tiles overlap, and of one of them.
    fn padded(self) -> (usize, usize) {
        let width = self.tile.outputs() * self.columns + 2;
        (self.padded_rows() * width, width)
    }

    fn padded_rows(self) -> usize {
        self.tile.outputs() * self.rows + 2
    }

    /// Values from one position of transformed tiles to the next.
    fn plane(self, channels: usize, precision: Precision) -> usize {
        self.tiles() * channels + precision.per_word() * CACHE_LINE
    }

    /// Words from one position of products to the next.
    fn product_plane(self, columns: usize) -> usize {
        self.tiles() * columns + CACHE_LINE
    }

    fn products(self) -> usize {
        self.tile.positions() * self.product_plane(BLOCK)
    }
}

/// Size of the tiles of a convolution that has them.
fn tile(geometry: &Geometry) -> Tile {
    geometry.tile().unwrap_or(Tile::F2x2)
}

/// Words of scratch that a tile takes, about.
pub(super) fn tile_words(geometry: &Geometry, backward: bool) -> usize {
    let (input, output) = (geometry.input.stride, geometry.output.stride);
    let words = match backward {
        true => geometry.precision.words(input + output),
        false => geometry.precision.words(input) + BLOCK,
    };
    tile(geometry).positions() * words
}

/// Words of scratch for a forward chunk of so many output rows.
pub(super) fn forward_scratch(geometry: &Geometry, rows: usize) -> usize {
    let grid = Grid::new(geometry, rows);
    let (input, precision) = (geometry.input.stride, geometry.precision);
    let tiles = grid.tile.positions() * grid.plane(input, precision);
    precision.words(grid.padded().0 * input + tiles) + grid.products()
}

/// Words of scratch for a backward chunk of so many output rows.
pub(super) fn backward_scratch(geometry: &Geometry, rows: usize) -> usize {
    let grid = Grid::new(geometry, rows);
    let (input, output) = (geometry.input.stride, geometry.output.stride);
    let precision = geometry.precision;
    let tiles = grid.tile.positions() * grid.plane(output, precision);
    let data = precision.words(tiles) + grid.products();
    precision.words(grid.padded().0 * (input + output)) + data
}

/// Words of transformed tiles that stand in memory at once: a quarter of a usual last-level cache.
const GROUP: usize = 2 << 20;
/// Rows of the gradient of the filters that one task makes.
const ROWS: usize = 96;

/// The transformed tiles of some chunks, from which the gradient of the filters is made in one go: each chunk
/// transforms its own, then each position is one product over all of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    /// Chunks.
    pub size: usize,
    /// All of its tiles.
    pub tiles: Buffer,
    positions: usize,
    /// Pairs of tiles (tiles, in single precision) of a whole chunk.
    pairs: usize,
    inputs: usize,
    outputs: usize,
    /// Words from one position to the next, for the input's channels and the output's.
    planes: [usize; 2],
}

impl Group {
    /// A group for chunks of so many rows, with the buffer that `allocate` gives for so many words.
    pub(crate) fn new(
        geometry: &Geometry,
        rows: usize,
        chunks: usize,
        allocate: impl FnOnce(usize) -> Buffer,
    ) -> Self {
        let pairs = geometry.precision.words(Grid::new(geometry, rows).tiles());
        let (inputs, outputs) = (geometry.input.stride, geometry.output.stride);
        let positions = tile(geometry).positions();
        let words = positions * (pairs * (inputs + outputs) + 2 * CACHE_LINE);
        let size = (GROUP / words).max(4).min(chunks);
        let planes = [inputs, outputs].map(|channels| size * pairs * channels + CACHE_LINE);
        Self {
            size,
            tiles: allocate(positions * (planes[0] + planes[1])),
            positions,
            pairs,
            inputs,
            outputs,
            planes,
        }
    }

    /// Where the output's tiles start.
    fn outputs_start(&self) -> usize {
        self.positions * self.planes[0]
    }
}

/// Products of all positions of transformed tiles and packed filters, and the outputs of the tiles.
struct Products {
    grid: Grid,
    precision: Precision,
    /// Transformed tiles of `inputs` channels.
    tiles: Values,
    inputs: usize,
    filters: *const f32,
    /// Room for the products of a column block.
    products: *mut f32,
    /// Columns `first..last`.
    columns: (usize, usize),
    bias: *const f32,
    activation: Option<Activation>,
    accumulate: bool,
    /// First pixel and its stride; rows and columns of pixels.
    to: Values,
    stride: usize,
    height: usize,
    width: usize,
}

impl Products {
    /// # Safety
    /// Buffers must be of these sizes.
    unsafe fn run(&self, context: &Context<'_>) {
        let lanes = context.isa.lanes();
        let words = self.precision.words(self.inputs);
        let (tiles, positions) = (self.grid.tiles(), self.grid.tile.positions());
        let (start, end) = self.columns;
        for (first, width) in column_blocks((end - start) / lanes) {
            let (column, width) = (start + first * lanes, width * lanes);
            // SAFETY: the caller's tiles, filters, products and pixels have the sizes that `Grid` and `Packed` say;
            // column blocks cut the columns without a rest, and products have room for the widest.
            unsafe {
                let panel = self.filters.add(column * positions * words);
                let product_plane = self.grid.product_plane(width);
                let plane = self.grid.plane(self.inputs, self.precision);
                for position in 0..positions {
                    context.run(Gemm {
                        segments: &[Segment {
                            a: 0,
                            b: 0,
                            k: words,
                        }],
                        a: self.tiles.add(position * plane).words(),
                        a_row: words,
                        a_step: 1,
                        a_group: 0,
                        b: panel.add(position * words * width),
                        right: Right::Panels(words),
                        c: Values::floats(self.products.add(position * product_plane)),
                        c_row: width,
                        c_group: 0,
                        groups: 1,
                        rows: tiles,
                        columns: width,
                        bias: std::ptr::null(),
                        accumulate: false,
                        activation: None,
                    });
                }
                context.run(Outputs {
                    tile: self.grid.tile,
                    from: self.products,
                    plane: product_plane,
                    columns: width,
                    tile_rows: self.grid.rows,
                    tile_columns: self.grid.columns,
                    bias: if self.bias.is_null() {
                        self.bias
                    } else {
                        self.bias.add(column)
                    },
                    activation: self.activation,
                    accumulate: self.accumulate,
                    to: self.to.add(column),
                    to_pixel: self.stride,
                    to_row: self.width * self.stride,
                    height: self.height,
                    width: self.width,
                });
            }
        }
    }
}

/// Output rows `first..last`, channels `columns.0..columns.1`, of one image.
///
/// # Safety
/// As [`crate::plan::Step::run`]; scratch is the worker's own.
pub(super) unsafe fn forward(
    step: &ConvolutionForward,
    context: &Context<'_>,
    image: usize,
    (first, last): (usize, usize),
    columns: (usize, usize),
    scratch: Values,
) {
    let g = &step.geometry;
    let grid = Grid::new(g, last - first);
    let (pixels, width) = grid.padded();
    let inputs = g.input.stride;
    // SAFETY: chunks and columns of one output do not overlap, by the caller's word; scratch is the worker's own, as
    // large as `forward_scratch` says: padded rows, transformed tiles, products of a block.
    unsafe {
        let tiles = scratch.add(pixels * inputs);
        let plane = grid.plane(inputs, g.precision);
        let products = tiles.add(grid.tile.positions() * plane).words();
        let top = first as isize - 1;
        let rows = top..top + grid.padded_rows() as isize;
        fill_rows(context, &step.view, image, rows, width, 1, scratch);
        context.run(Transform {
            tile: grid.tile,
            stage: Stage::Input,
            from: scratch,
            row: width * inputs,
            channels: inputs,
            tile_rows: grid.rows,
            tile_columns: grid.columns,
            to: tiles,
            plane,
            paired: false,
        });
        let start = image * g.output.len() + first * g.output.width * g.output.stride;
        Products {
            grid,
            precision: g.precision,
            tiles,
            inputs,
            filters: context.at(step.weights),
            products,
            columns,
            bias: step
                .bias
                .map_or(std::ptr::null(), |bias| context.at(bias).cast_const()),
            activation: step.activation,
            accumulate: false,
            to: context.map(step.output).add(start),
            stride: g.output.stride,
            height: last - first,
            width: g.output.width,
        }
        .run(context);
    }
}

/// All gradients of a convolution, group by group of its chunks.
///
/// # Safety
/// As [`crate::plan::Step::run`].
pub(super) unsafe fn backward(step: &ConvolutionBackward, context: &Context<'_>, group: &Group) {
    let g = &step.geometry;
    let blocks = group.inputs.div_ceil(ROWS);
    step.by_groups(
        context,
        group.size,
        &|task, place, worker| {
            // SAFETY: chunks of one gradient do not overlap, and each has its own place in the group.
            unsafe { backward_chunk(step, context, group, task, place, worker) };
        },
        |place, rows| Segment {
            a: place * group.pairs * group.inputs,
            b: place * group.pairs,
            k: g.precision.words(Grid::new(g, rows).tiles()),
        },
        |segments, accumulate| {
            context.pool.run(group.positions * blocks, &|task| {
                let (position, row) = (task / blocks, task % blocks * ROWS);
                // SAFETY: tasks write other rows of the gradient; all chunks of the group are transformed.
                unsafe {
                    let tiles = context.at(group.tiles);
                    let left = tiles.add(position * group.planes[0] + row);
                    let right = tiles.add(group.outputs_start());
                    let to = step.weight_slot(context, 0);
                    context.run(Gemm {
                        segments,
                        a: left,
                        a_row: 1,
                        a_step: group.inputs,
                        a_group: 0,
                        b: right.add(position * group.planes[1]),
                        right: Right::Rows(group.outputs),
                        c: Values::floats(to.add((position * group.inputs + row) * group.outputs)),
                        c_row: group.outputs,
                        c_group: 0,
                        groups: 1,
                        rows: ROWS.min(group.inputs - row),
                        columns: group.outputs,
                        bias: std::ptr::null(),
                        accumulate,
                        activation: None,
                    });
                }
            });
        },
    );
}

/// The gradient of the input that a chunk gives, and its transformed tiles at place `index` of the group.
///
/// # Safety
/// As [`crate::plan::Step::run`].
unsafe fn backward_chunk(
    step: &ConvolutionBackward,
    context: &Context<'_>,
    group: &Group,
    task: usize,
    index: usize,
    worker: usize,
) {
    let image = task / step.chunks.per_image;
    let (first, last) = step.chunks.range(task % step.chunks.per_image);
    let scratch = context.scratch_map(worker);
    let g = &step.geometry;
    let grid = Grid::new(g, last - first);
    let (pixels, width) = grid.padded();
    let (inputs, outputs) = (g.input.stride, g.output.stride);
    let rows = first as isize - 1..(first + grid.padded_rows()) as isize - 1;
    // SAFETY: no other chunk writes these input rows or this place of the group, by the caller's word; scratch is the
    // worker's own, as large as `backward_scratch` says.
    unsafe {
        let gradient = scratch;
        let values = gradient.add(pixels * outputs);
        let room = values.add(pixels * inputs);
        step.fill_gradient(context, image, rows.clone(), (width, 1), gradient);
        if let Some(data) = step.data {
            let plane = grid.plane(outputs, g.precision);
            context.run(Transform {
                tile: grid.tile,
                stage: Stage::Input,
                from: gradient,
                row: width * outputs,
                channels: outputs,
                tile_rows: grid.rows,
                tile_columns: grid.columns,
                to: room,
                plane,
                paired: false,
            });
            let start = image * g.input.len() + first * g.input.width * inputs;
            Products {
                grid,
                precision: g.precision,
                tiles: room,
                inputs: outputs,
                filters: context.at(step.weights),
                products: room.add(grid.tile.positions() * plane).words(),
                columns: (0, inputs),
                bias: std::ptr::null(),
                activation: None,
                accumulate: data.accumulate,
                to: context.map(data.buffer).add(start),
                stride: inputs,
                height: last - first,
                width: g.input.width,
            }
            .run(context);
        }
        fill_rows(context, &step.view, image, rows, width, 1, values);
        let left = context.at(group.tiles).add(index * group.pairs * inputs);
        let right = context
            .at(group.tiles)
            .add(group.outputs_start() + index * group.pairs * outputs);
        for (stage, from, channels, plane, to) in [
            (Stage::Input, values, inputs, group.planes[0], left),
            // The first pixel of the first row, after the padding.
            (
                Stage::Gradient,
                gradient.add((width + 1) * outputs),
                outputs,
                group.planes[1],
                right,
            ),
        ] {
            context.run(Transform {
                tile: grid.tile,
                stage,
                from,
                row: width * channels,
                channels,
                tile_rows: grid.rows,
                tile_columns: grid.columns,
                to: Values::new(to, g.precision),
                plane,
                paired: true,
            });
        }
        for oy in first..last {
            let row = gradient.add(((oy - first + 1) * width + 1) * outputs);
            step.bias(context, task, oy > first, row, g.output.width);
        }
        step.gather(context, task, image, first, last);
    }
}
