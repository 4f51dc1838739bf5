//! 3x3 convolution at stride 1 by Winograd's minimal filtering: the input's tiles and the 3x3 filters are transformed,
//! multiplied position by position, and the products transformed back to outputs (see [`tile`]).
//!
//! For each position the transformed tiles are a matrix of tiles by channels, an operand of a product. The gradient of
//! the filters is a sum over tiles, so words of two values pair neighbouring tiles there.

mod tile;

use soup_graph::Activation;

use super::activation::{Function, with_function};
use super::filters::{Block, FilterSlice, Filters};
use crate::simd::{Element, Kernel, MapKernel, Precision, Simd, Values};
use tile::{Algorithm, F2x2, F4x4, LONGEST, TileVectors, transform};
pub(crate) use tile::{Stage, Tile};

/// Transforms a grid of tiles of padded rows in the maps' precision.
pub(crate) struct Transform {
    pub tile: Tile,
    /// [`Stage::Input`] or [`Stage::Gradient`].
    pub stage: Stage,
    /// First value of the first tile.
    pub from: Values,
    /// Values from one row to the next.
    pub row: usize,
    pub channels: usize,
    pub tile_rows: usize,
    pub tile_columns: usize,
    /// Positions times tiles times channels.
    pub to: Values,
    /// From one position to the next: values, or words where tiles are paired.
    pub plane: usize,
    /// Whether words pair neighbouring tiles, the last of an odd number with zeros.
    pub paired: bool,
}

impl MapKernel for Transform {
    #[inline(always)]
    unsafe fn run<S: Simd, E: Element>(self) {
        // SAFETY: the caller promises rows of whole tiles and room for the transformed tiles.
        unsafe {
            match (self.tile, self.stage) {
                (Tile::F2x2, Stage::Gradient) => self.tiles::<S, E, F2x2>(Stage::Gradient),
                (Tile::F2x2, _) => self.tiles::<S, E, F2x2>(Stage::Input),
                (Tile::F4x4, Stage::Gradient) => self.tiles::<S, E, F4x4>(Stage::Gradient),
                (Tile::F4x4, _) => self.tiles::<S, E, F4x4>(Stage::Input),
            }
        }
    }
}

impl Transform {
    #[inline(always)]
    unsafe fn tiles<S: Simd, E: Element, A: Algorithm>(&self, stage: Stage) {
        // SAFETY: every tile is of the grid and `c` below `channels`, so `to` has a place for it at each position, in
        // pairs of tiles where they are paired.
        unsafe {
            let side = A::TILE.side();
            let tiles = self.tile_rows * self.tile_columns;
            if self.paired && E::PRECISION == Precision::Bf16 {
                for pair in 0..tiles.div_ceil(2) {
                    let to = self.to.words().add(pair * self.channels);
                    for c in (0..self.channels).step_by(S::LANES) {
                        let low = self.transformed::<S, E, A>(stage, 2 * pair, c);
                        let high = match 2 * pair + 1 < tiles {
                            true => self.transformed::<S, E, A>(stage, 2 * pair + 1, c),
                            false => [[S::splat(0.0); LONGEST]; LONGEST],
                        };
                        for y in 0..side {
                            for x in 0..side {
                                let to = to.add((side * y + x) * self.plane + c);
                                S::store_pair_bf16(to, low[y][x], high[y][x]);
                            }
                        }
                    }
                }
                return;
            }
            for tile in 0..tiles {
                let to = self.to.of::<E>().add(tile * self.channels);
                for c in (0..self.channels).step_by(S::LANES) {
                    let tile_values = self.transformed::<S, E, A>(stage, tile, c);
                    for y in 0..side {
                        for x in 0..side {
                            let to = to.add((side * y + x) * self.plane + c);
                            E::store::<S>(to, tile_values[y][x]);
                        }
                    }
                }
            }
        }
    }
}

impl Transform {
    #[inline(always)]
    unsafe fn transformed<S: Simd, E: Element, A: Algorithm>(
        &self,
        stage: Stage,
        tile: usize,
        c: usize,
    ) -> TileVectors<S> {
        let (y, x) = (tile / self.tile_columns, tile % self.tile_columns);
        let first = A::TILE.outputs() * (y * self.row + x * self.channels) + c;
        // SAFETY: the rows that the caller gives hold whole tiles, with the two columns and rows that reach into the
        // next ones.
        unsafe {
            let from = self.from.of::<E>().add(first).cast_const();
            transform!(A, S, stage, y, x => E::load::<S>(from.add(y * self.row + x * self.channels)))
        }
    }
}

/// Makes the outputs of a grid of tiles from their products.
pub(crate) struct Outputs {
    pub tile: Tile,
    /// Positions times tiles times columns.
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
        unsafe {
            with_function!(self.activation, F => match self.tile {
                Tile::F2x2 => self.tiles::<S, E, F, F2x2>(),
                Tile::F4x4 => self.tiles::<S, E, F, F4x4>(),
            });
        }
    }
}

impl Outputs {
    #[inline(always)]
    unsafe fn tiles<S: Simd, E: Element, F: Function, A: Algorithm>(&self) {
        // SAFETY: the products have this tile at every position, and only pixels within `height` and `width` are
        // written, `columns` values each.
        unsafe {
            let (outputs, side) = (A::TILE.outputs(), A::TILE.side());
            for tile in 0..self.tile_rows * self.tile_columns {
                let (y, x) = (tile / self.tile_columns, tile % self.tile_columns);
                let (y, x) = (outputs * y, outputs * x);
                let to = self.to.of::<E>().add(y * self.to_row + x * self.to_pixel);
                for c in (0..self.columns).step_by(S::LANES) {
                    let from = self.from.add(tile * self.columns + c);
                    let tile_values = transform!(A, S, Stage::Outputs, y, x => S::load(from.add((side * y + x) * self.plane)));
                    let bias = if self.bias.is_null() {
                        S::splat(0.0)
                    } else {
                        S::load(self.bias.add(c))
                    };
                    for dy in 0..outputs.min(self.height - y) {
                        for dx in 0..outputs.min(self.width - x) {
                            let place = to.add(dy * self.to_row + dx * self.to_pixel + c);
                            let mut value = F::value::<S, E>(S::add(tile_values[dy][dx], bias));
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

/// Packs one panel of transformed filters: rows of positions and channels, vectors of columns, as
/// [`Right::Panels`](super::gemm::Right::Panels) has them.
pub(crate) struct PackFilters {
    pub tile: Tile,
    pub from: *const f32,
    pub filters: Filters,
    /// The panel's columns: the first, and how many with padding.
    pub first: usize,
    pub width: usize,
    /// Channels of a position with padding.
    pub stored_channels: usize,
    /// Whether filters are rotated by half a turn, as the gradient of the input needs them.
    pub rotated: bool,
    /// In the maps' precision; places of padding are zeros already.
    pub to: Values,
}

impl MapKernel for PackFilters {
    #[inline(always)]
    unsafe fn run<S: Simd, E: Element>(self) {
        // SAFETY: the caller promises filters and a panel of these sizes.
        unsafe {
            match self.tile {
                Tile::F2x2 => self.panel::<S, E, F2x2>(),
                Tile::F4x4 => self.panel::<S, E, F4x4>(),
            }
        }
    }
}

impl PackFilters {
    #[inline(always)]
    unsafe fn panel<S: Simd, E: Element, A: Algorithm>(&self) {
        let filters = &self.filters;
        let side = A::TILE.side();
        let mut block = Block::EMPTY;
        // SAFETY: `first + column` is below the columns of the filters; the panel has a line for every position,
        // stored channel and column of `width`.
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
                        let low = self.transformed::<S, A>(block.at::<S>(row * 9));
                        let high = match E::PRECISION == Precision::Bf16 && row + 1 < count {
                            true => self.transformed::<S, A>(block.at::<S>(row * 9 + 9)),
                            false => [[S::splat(0.0); LONGEST]; LONGEST],
                        };
                        for y in 0..side {
                            for x in 0..side {
                                let line = (side * y + x) * self.stored_channels + channel + row;
                                let line = E::PRECISION.words(line) * self.width + column;
                                let to = self.to.words().add(line);
                                match E::PRECISION {
                                    Precision::F32 => S::store(to, low[y][x]),
                                    Precision::Bf16 => {
                                        S::store_pair_bf16(to, low[y][x], high[y][x]);
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// The transform of the vectors of nine taps.
    #[inline(always)]
    unsafe fn transformed<S: Simd, A: Algorithm>(&self, taps: *const f32) -> TileVectors<S> {
        // SAFETY: the caller promises nine vectors.
        unsafe {
            transform!(A, S, Stage::Taps, y, x => {
                let tap = 3 * y + x;
                S::load(taps.add(if self.rotated { 8 - tap } else { tap } * S::LANES))
            })
        }
    }
}

/// Adds the partial gradients of a block of channels' transformed filters and transforms them back to those of the
/// filters.
pub(crate) struct ReduceFilters {
    pub tile: Tile,
    /// `slots` times positions times stored channels times stored columns.
    pub from: *const f32,
    pub slots: usize,
    pub stored_channels: usize,
    pub stored_columns: usize,
    pub filters: Filters,
    /// Which gradients.
    pub slice: FilterSlice,
    /// The gradients of all filters.
    pub to: *mut f32,
}

impl Kernel for ReduceFilters {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller promises slots of these sizes and room for the gradients.
        unsafe {
            match self.tile {
                Tile::F2x2 => self.slice::<S, F2x2>(),
                Tile::F4x4 => self.slice::<S, F4x4>(),
            }
        }
    }
}

impl ReduceFilters {
    #[inline(always)]
    unsafe fn slice<S: Simd, A: Algorithm>(&self) {
        let filters = &self.filters;
        let (first, count) = filters.block(self.slice.block);
        let (side, positions) = (A::TILE.side(), A::TILE.positions());
        let mut block = Block::EMPTY;
        // SAFETY: slots have `positions` planes of stored channels by stored columns, and the slice is one of the
        // filters'.
        unsafe {
            let plane = self.stored_channels * self.stored_columns;
            for column in self.slice.columns(filters).step_by(S::LANES) {
                for row in 0..count {
                    let from = self.from.add((first + row) * self.stored_columns + column);
                    let taps = transform!(A, S, Stage::TapGradients, y, x => {
                        let mut sum = S::splat(0.0);
                        for slot in 0..self.slots {
                            let position = slot * positions + side * y + x;
                            sum = S::add(sum, S::load(from.add(position * plane)));
                        }
                        sum
                    });
                    for y in 0..3 {
                        for x in 0..3 {
                            S::store(block.at::<S>(row * 9 + 3 * y + x), taps[y][x]);
                        }
                    }
                }
                filters.add::<S>(self.to, (first, count), column, &mut block);
            }
        }
    }
}
