//! 3x3 convolution at stride 1 by Winograd's minimal filtering: of each tile of the input values at points, of each 3x3
//! filter the same, their products, and of these the outputs (see [`tile`]).
//!
//! Transformed tiles stand position by position: a matrix of tiles by channels for each, a side of a product. The
//! gradient of the filters is a sum over tiles, whose sides are pairs of tiles where words hold two values.

mod tile;

use soup_graph::Activation;

use super::activation::{Function, with_function};
use super::filters::{Block, Filters, Part};
use crate::simd::{Element, Kernel, MapKernel, Precision, Simd, Values};
use tile::{Four, LONGEST, Law, Square, Two, square};
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
        // SAFETY: the caller promises rows of whole tiles and room for what becomes of them.
        unsafe {
            match (self.tile, self.stage) {
                (Tile::Two, Stage::Gradient) => self.tiles::<S, E, Two>(Stage::Gradient),
                (Tile::Two, _) => self.tiles::<S, E, Two>(Stage::Input),
                (Tile::Four, Stage::Gradient) => self.tiles::<S, E, Four>(Stage::Gradient),
                (Tile::Four, _) => self.tiles::<S, E, Four>(Stage::Input),
            }
        }
    }
}

impl Transform {
    #[inline(always)]
    unsafe fn tiles<S: Simd, E: Element, L: Law>(&self, stage: Stage) {
        // SAFETY: every tile is of the grid and `c` below `channels`, so `to` has a place for it at each position, in
        // pairs of tiles where they are paired.
        unsafe {
            let side = L::TILE.side();
            let tiles = self.tile_rows * self.tile_columns;
            if self.paired && E::PRECISION == Precision::Bf16 {
                for pair in 0..tiles.div_ceil(2) {
                    let to = self.to.words().add(pair * self.channels);
                    for c in (0..self.channels).step_by(S::LANES) {
                        let low = self.square::<S, E, L>(stage, 2 * pair, c);
                        let high = match 2 * pair + 1 < tiles {
                            true => self.square::<S, E, L>(stage, 2 * pair + 1, c),
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
                    let square = self.square::<S, E, L>(stage, tile, c);
                    for y in 0..side {
                        for x in 0..side {
                            let to = to.add((side * y + x) * self.plane + c);
                            E::store::<S>(to, square[y][x]);
                        }
                    }
                }
            }
        }
    }
}

impl Transform {
    #[inline(always)]
    unsafe fn square<S: Simd, E: Element, L: Law>(
        &self,
        stage: Stage,
        tile: usize,
        c: usize,
    ) -> Square<S> {
        let (y, x) = (tile / self.tile_columns, tile % self.tile_columns);
        let first = L::TILE.outputs() * (y * self.row + x * self.channels) + c;
        // SAFETY: the rows that the caller gives hold whole tiles, with the two columns and rows that reach into the
        // next ones.
        unsafe {
            let from = self.from.of::<E>().add(first).cast_const();
            square!(L, S, stage, y, x => E::load::<S>(from.add(y * self.row + x * self.channels)))
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
                Tile::Two => self.tiles::<S, E, F, Two>(),
                Tile::Four => self.tiles::<S, E, F, Four>(),
            });
        }
    }
}

impl Outputs {
    #[inline(always)]
    unsafe fn tiles<S: Simd, E: Element, F: Function, L: Law>(&self) {
        // SAFETY: the products have this tile at every position, and only pixels within `height` and `width` are
        // written, `columns` values each.
        unsafe {
            let (outputs, side) = (L::TILE.outputs(), L::TILE.side());
            for tile in 0..self.tile_rows * self.tile_columns {
                let (y, x) = (tile / self.tile_columns, tile % self.tile_columns);
                let (y, x) = (outputs * y, outputs * x);
                let to = self.to.of::<E>().add(y * self.to_row + x * self.to_pixel);
                for c in (0..self.columns).step_by(S::LANES) {
                    let from = self.from.add(tile * self.columns + c);
                    let square = square!(L, S, Stage::Outputs, y, x => S::load(from.add((side * y + x) * self.plane)));
                    let bias = if self.bias.is_null() {
                        S::splat(0.0)
                    } else {
                        S::load(self.bias.add(c))
                    };
                    for dy in 0..outputs.min(self.height - y) {
                        for dx in 0..outputs.min(self.width - x) {
                            let place = to.add(dy * self.to_row + dx * self.to_pixel + c);
                            let mut value = F::value::<S, E>(S::add(square[dy][dx], bias));
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
                Tile::Two => self.panel::<S, E, Two>(),
                Tile::Four => self.panel::<S, E, Four>(),
            }
        }
    }
}

impl PackFilters {
    #[inline(always)]
    unsafe fn panel<S: Simd, E: Element, L: Law>(&self) {
        let filters = &self.filters;
        let side = L::TILE.side();
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
                        let low = self.square::<S, L>(block.at::<S>(row * 9));
                        let high = match E::PRECISION == Precision::Bf16 && row + 1 < count {
                            true => self.square::<S, L>(block.at::<S>(row * 9 + 9)),
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

    /// The combinations of the vectors of nine taps.
    #[inline(always)]
    unsafe fn square<S: Simd, L: Law>(&self, taps: *const f32) -> Square<S> {
        // SAFETY: the caller promises nine vectors.
        unsafe {
            square!(L, S, Stage::Taps, y, x => {
                let tap = 3 * y + x;
                S::load(taps.add(if self.rotated { 8 - tap } else { tap } * S::LANES))
            })
        }
    }
}

/// Adds the partial gradients of the combinations of a block of channels' filters and makes those of the filters of
/// them.
pub(crate) struct ReduceFilters {
    pub tile: Tile,
    /// `slots` times positions times stored channels times stored columns.
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
        // SAFETY: the caller promises slots of these sizes and room for the gradients.
        unsafe {
            match self.tile {
                Tile::Two => self.part::<S, Two>(),
                Tile::Four => self.part::<S, Four>(),
            }
        }
    }
}

impl ReduceFilters {
    #[inline(always)]
    unsafe fn part<S: Simd, L: Law>(&self) {
        let filters = &self.filters;
        let (first, count) = filters.block(self.part.block);
        let (side, positions) = (L::TILE.side(), L::TILE.positions());
        let mut block = Block::EMPTY;
        // SAFETY: slots have `positions` planes of stored channels by stored columns, and the part is one of the
        // filters'.
        unsafe {
            let plane = self.stored_channels * self.stored_columns;
            for column in self.part.columns(filters).step_by(S::LANES) {
                for row in 0..count {
                    let from = self.from.add((first + row) * self.stored_columns + column);
                    let taps = square!(L, S, Stage::Separate, y, x => {
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
