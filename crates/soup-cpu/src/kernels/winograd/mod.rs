//! 3x3 convolution at stride 1 by Winograd's minimal filtering F(2x2, 3x3): of each 4x4 tile of the input 16
//! combinations, of each 3x3 filter 16, their products, and of these the 2x2 outputs; 16 multiplications where the
//! definition has 36 (Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016).
//!
//! Transformed tiles stand position by position: 16 matrices of tiles by channels, each a side of a product. The
//! gradient of the filters is a sum over tiles, whose sides are pairs of tiles where words hold two values.

use soup_graph::Activation;

use super::activation::{Function, with_function};
use super::filters::{Block, Filters, Part};
use crate::simd::{Element, Kernel, MapKernel, Precision, Simd, Values};

/// Places of a transformed tile.
pub(crate) const POSITIONS: usize = 16;

/// Which side of a product tiles become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// 4x4 tiles, two apart, of the input (or, backward, of the gradient of the output).
    Input,
    /// 2x2 tiles of the gradient of the output, for the gradient of the filters.
    Gradient,
}

/// Transforms a grid of tiles of padded rows in the maps' precision.
pub(crate) struct Transform {
    pub side: Side,
    /// First value of the first tile.
    pub from: Values,
    /// Values from one row to the next.
    pub row: usize,
    pub channels: usize,
    pub tile_rows: usize,
    pub tile_columns: usize,
    /// `POSITIONS` times tiles times channels.
    pub to: Values,
    /// From one position to the next: values, or words where tiles are paired.
    pub plane: usize,
    /// Whether words pair neighbouring tiles, the last of an odd number with zeros.
    pub paired: bool,
}

impl MapKernel for Transform {
    #[inline(always)]
    unsafe fn run<S: Simd, E: Element>(self) {
        // SAFETY: the caller promises rows of whole tiles and room for what becomes of them.
        unsafe {
            match self.side {
                Side::Input => self.tiles::<S, E, Input>(),
                Side::Gradient => self.tiles::<S, E, Gradient>(),
            }
        }
    }
}

trait Tile {
    /// # Safety
    /// A tile of vectors must be at `from`, `row` values from row to row and `pixel` from pixel to pixel.
    unsafe fn transform<S: Simd, E: Element>(
        from: *const E,
        row: usize,
        pixel: usize,
    ) -> [S::V; POSITIONS];
}

struct Input;

impl Tile for Input {
    #[inline(always)]
    unsafe fn transform<S: Simd, E: Element>(
        from: *const E,
        row: usize,
        pixel: usize,
    ) -> [S::V; POSITIONS] {
        // SAFETY: as promised.
        unsafe {
            // [1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1] down the columns, then along the rows.
            let mut down = [[S::splat(0.0); 4]; 4];
            for x in 0..4 {
                let d = [0, 1, 2, 3].map(|y| E::load::<S>(from.add(y * row + x * pixel)));
                down[0][x] = S::sub(d[0], d[2]);
                down[1][x] = S::add(d[1], d[2]);
                down[2][x] = S::sub(d[2], d[1]);
                down[3][x] = S::sub(d[1], d[3]);
            }
            let mut out = [S::splat(0.0); POSITIONS];
            for y in 0..4 {
                let d = down[y];
                out[4 * y] = S::sub(d[0], d[2]);
                out[4 * y + 1] = S::add(d[1], d[2]);
                out[4 * y + 2] = S::sub(d[2], d[1]);
                out[4 * y + 3] = S::sub(d[1], d[3]);
            }
            out
        }
    }
}

struct Gradient;

impl Tile for Gradient {
    #[inline(always)]
    unsafe fn transform<S: Simd, E: Element>(
        from: *const E,
        row: usize,
        pixel: usize,
    ) -> [S::V; POSITIONS] {
        // SAFETY: as promised.
        unsafe {
            let zero = S::splat(0.0);
            // [1 0; 1 1; 1 -1; 0 -1] down the columns, then along the rows.
            let mut down = [[zero; 2]; 4];
            for x in 0..2 {
                let d = [0, 1].map(|y| E::load::<S>(from.add(y * row + x * pixel)));
                down[0][x] = d[0];
                down[1][x] = S::add(d[0], d[1]);
                down[2][x] = S::sub(d[0], d[1]);
                down[3][x] = S::sub(zero, d[1]);
            }
            let mut out = [zero; POSITIONS];
            for y in 0..4 {
                let d = down[y];
                out[4 * y] = d[0];
                out[4 * y + 1] = S::add(d[0], d[1]);
                out[4 * y + 2] = S::sub(d[0], d[1]);
                out[4 * y + 3] = S::sub(zero, d[1]);
            }
            out
        }
    }
}

impl Transform {
    #[inline(always)]
    unsafe fn tiles<S: Simd, E: Element, T: Tile>(&self) {
        // SAFETY: as for the kernel.
        unsafe {
            let tiles = self.tile_rows * self.tile_columns;
            let from = |tile: usize, c: usize| {
                let (y, x) = (tile / self.tile_columns, tile % self.tile_columns);
                let at = 2 * y * self.row + 2 * x * self.channels + c;
                self.from.of::<E>().add(at).cast_const()
            };
            if self.paired && E::PRECISION == Precision::Bf16 {
                for pair in 0..tiles.div_ceil(2) {
                    let to = self.to.words().add(pair * self.channels);
                    for c in (0..self.channels).step_by(S::LANES) {
                        let low = T::transform::<S, E>(from(2 * pair, c), self.row, self.channels);
                        let high = if 2 * pair + 1 < tiles {
                            T::transform::<S, E>(from(2 * pair + 1, c), self.row, self.channels)
                        } else {
                            [S::splat(0.0); POSITIONS]
                        };
                        for p in 0..POSITIONS {
                            S::store_pair_bf16(to.add(p * self.plane + c), low[p], high[p]);
                        }
                    }
                }
                return;
            }
            for tile in 0..tiles {
                let to = self.to.of::<E>().add(tile * self.channels);
                for c in (0..self.channels).step_by(S::LANES) {
                    let out = T::transform::<S, E>(from(tile, c), self.row, self.channels);
                    for p in 0..POSITIONS {
                        E::store::<S>(to.add(p * self.plane + c), out[p]);
                    }
                }
            }
        }
    }
}

/// Makes the 2x2 outputs of a grid of tiles from their products.
pub(crate) struct Outputs {
    /// `POSITIONS` times tiles times columns.
    pub from: *const f32,
    /// Values from one position to the next.
    pub plane: usize,
    pub columns: usize,
    pub tile_rows: usize,
    pub tile_columns: usize,
    /// One value a column, or null for zeros.
    pub bias: *const f32,
    pub activation: Option<Activation>,
    /// Whether the outputs are added to what is there.
    pub accumulate: bool,
    /// First output pixel; `height` by `width` of them, which may cut the last tiles.
    pub to: Values,
    pub to_pixel: usize,
    pub to_row: usize,
    pub height: usize,
    pub width: usize,
}

impl MapKernel for Outputs {
    #[inline(always)]
    unsafe fn run<S: Simd, E: Element>(self) {
        // SAFETY: the caller promises products of all tiles and room for the pixels.
        unsafe { with_function!(self.activation, F => self.tiles::<S, E, F>()) }
    }
}

impl Outputs {
    #[inline(always)]
    unsafe fn tiles<S: Simd, E: Element, F: Function>(&self) {
        // SAFETY: as for the kernel.
        unsafe {
            for tile in 0..self.tile_rows * self.tile_columns {
                let (y, x) = (
                    2 * (tile / self.tile_columns),
                    2 * (tile % self.tile_columns),
                );
                let to = self.to.of::<E>().add(y * self.to_row + x * self.to_pixel);
                for c in (0..self.columns).step_by(S::LANES) {
                    let from = self.from.add(tile * self.columns + c);
                    // [1 1 1 0; 0 1 -1 -1] down the columns, then along the rows.
                    let mut down = [[S::splat(0.0); 4]; 2];
                    for column in 0..4 {
                        let m = [0, 1, 2, 3]
                            .map(|row| S::load(from.add((4 * row + column) * self.plane)));
                        down[0][column] = S::add(S::add(m[0], m[1]), m[2]);
                        down[1][column] = S::sub(S::sub(m[1], m[2]), m[3]);
                    }
                    let bias = if self.bias.is_null() {
                        S::splat(0.0)
                    } else {
                        S::load(self.bias.add(c))
                    };
                    for (dy, d) in down.into_iter().enumerate() {
                        let out = [
                            S::add(S::add(d[0], d[1]), d[2]),
                            S::sub(S::sub(d[1], d[2]), d[3]),
                        ];
                        for (dx, value) in out.into_iter().enumerate() {
                            if y + dy >= self.height || x + dx >= self.width {
                                continue;
                            }
                            let place = to.add(dy * self.to_row + dx * self.to_pixel + c);
                            let mut value = F::value::<S, E>(S::add(value, bias));
                            if self.accumulate {
                                value = S::add(value, E::load::<S>(place));
                            }
                            E::store::<S>(place, value);
                        }
                    }
                }
            }
        }
    }
}

/// Packs one panel of the combinations of filters: rows of positions and channels, vectors of columns, as
/// [`Right::Panels`](super::gemm::Right::Panels) has them.
pub(crate) struct PackFilters {
    pub from: *const f32,
    pub filters: Filters,
    /// The panel's columns: the first, and how many with padding.
    pub first: usize,
    pub width: usize,
    /// Channels of a position with padding.
    pub stored_channels: usize,
    /// Whether filters are turned by half a turn, as the gradient of the input needs them.
    pub turned: bool,
    /// In the maps' precision; places of padding are zeros already.
    pub to: Values,
}

impl MapKernel for PackFilters {
    #[inline(always)]
    unsafe fn run<S: Simd, E: Element>(self) {
        let filters = &self.filters;
        let mut block = Block::EMPTY;
        // SAFETY: the caller promises filters and a panel of these sizes.
        unsafe {
            for column in (0..self.width).step_by(S::LANES) {
                if self.first + column >= filters.columns {
                    return;
                }
                for index in 0..filters.block_count() {
                    let (channel, count) = filters.block(index);
                    let channels = (channel, count);
                    filters.read::<S>(self.from, channels, self.first + column, &mut block);
                    for row in (0..count).step_by(E::PRECISION.per_word()) {
                        let low = combinations::<S>(block.at::<S>(row * 9), self.turned);
                        let to = |position: usize| {
                            let line = position * self.stored_channels + channel + row;
                            let line = E::PRECISION.words(line) * self.width + column;
                            self.to.words().add(line)
                        };
                        if E::PRECISION == Precision::F32 {
                            for position in 0..POSITIONS {
                                S::store(to(position), low[position]);
                            }
                            continue;
                        }
                        let high = match row + 1 < count {
                            true => combinations::<S>(block.at::<S>(row * 9 + 9), self.turned),
                            false => [S::splat(0.0); POSITIONS],
                        };
                        for position in 0..POSITIONS {
                            S::store_pair_bf16(to(position), low[position], high[position]);
                        }
                    }
                }
            }
        }
    }
}

/// The 16 combinations of the vectors of nine taps.
#[inline(always)]
unsafe fn combinations<S: Simd>(taps: *const f32, turned: bool) -> [S::V; POSITIONS] {
    // SAFETY: the caller promises nine vectors.
    unsafe {
        // [1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1] down the columns, then along the rows.
        let g = |tap: usize| S::load(taps.add(if turned { 8 - tap } else { tap } * S::LANES));
        let mut down = [[S::splat(0.0); 3]; 4];
        for x in 0..3 {
            let column = combine::<S>([g(x), g(3 + x), g(6 + x)]);
            for y in 0..4 {
                down[y][x] = column[y];
            }
        }
        let mut out = [S::splat(0.0); POSITIONS];
        for y in 0..4 {
            let row = combine::<S>(down[y]);
            for x in 0..4 {
                out[4 * y + x] = row[x];
            }
        }
        out
    }
}

#[inline(always)]
unsafe fn combine<S: Simd>([first, middle, last]: [S::V; 3]) -> [S::V; 4] {
    // SAFETY: no pointers; the instruction set is the caller's promise.
    unsafe {
        let half = S::splat(0.5);
        let ends = S::mul(S::add(first, last), half);
        let middle = S::mul(middle, half);
        [first, S::add(ends, middle), S::sub(ends, middle), last]
    }
}

/// Adds the partial gradients of the combinations of a block of channels' filters and makes those of the filters of
/// them.
pub(crate) struct ReduceFilters {
    /// `slots` times `POSITIONS` times stored channels times stored columns.
    pub from: *const f32,
    pub slots: usize,
    pub stored_channels: usize,
    pub stored_columns: usize,
    pub filters: Filters,
    /// Which gradients.
    pub part: Part,
    /// The gradients of all filters.
    pub to: *mut f32,
}

impl Kernel for ReduceFilters {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let filters = &self.filters;
        let (first, count) = filters.block(self.part.block);
        let mut block = Block::EMPTY;
        // SAFETY: the caller promises slots of these sizes and room for the gradients.
        unsafe {
            let plane = self.stored_channels * self.stored_columns;
            for column in self.part.columns(filters).step_by(S::LANES) {
                for row in 0..count {
                    let mut u = [S::splat(0.0); POSITIONS];
                    let from = self.from.add((first + row) * self.stored_columns + column);
                    for slot in 0..self.slots {
                        for position in 0..POSITIONS {
                            let value = S::load(from.add((slot * POSITIONS + position) * plane));
                            u[position] = S::add(u[position], value);
                        }
                    }
                    let mut down = [[S::splat(0.0); 4]; 3];
                    for x in 0..4 {
                        let part = separate::<S>([u[x], u[4 + x], u[8 + x], u[12 + x]]);
                        for y in 0..3 {
                            down[y][x] = part[y];
                        }
                    }
                    for y in 0..3 {
                        let part = separate::<S>(down[y]);
                        for x in 0..3 {
                            S::store(block.at::<S>(row * 9 + 3 * y + x), part[x]);
                        }
                    }
                }
                filters.add::<S>(self.to, (first, count), column, &mut block);
            }
        }
    }
}

#[inline(always)]
unsafe fn separate<S: Simd>(u: [S::V; 4]) -> [S::V; 3] {
    // SAFETY: no pointers; the instruction set is the caller's promise.
    unsafe {
        let half = S::splat(0.5);
        let sum = S::mul(S::add(u[1], u[2]), half);
        let difference = S::mul(S::sub(u[1], u[2]), half);
        [S::add(u[0], sum), difference, S::add(sum, u[3])]
    }
}
