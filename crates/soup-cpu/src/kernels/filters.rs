//! Reorders weights between PyTorch's order (out, in, rows, columns of the kernel) and the engine's, where a row of a
//! product is a vector of channels. Blocks are transposed in registers: value by value, one of the orders would touch a
//! cache line for every value.

use crate::simd::{Element, Kernel, MapKernel, Precision, Simd, Values, WIDEST};

/// Longest side of a kernel.
pub(crate) const LONGEST_SIDE: usize = 11;
/// Rows of one block: all taps of at most 16 channels.
const ROWS: usize = 256;

/// The weights of a convolution, or their gradient, as a matrix: rows are (channel, tap), columns the other channels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filters {
    /// Taps of a kernel, at most [`LONGEST_SIDE`] squared; the values of one kernel stand side by side.
    pub taps: usize,
    pub rows: usize,
    pub columns: usize,
    /// Values from the kernel of one row or column to that of the next. One of them is `taps`.
    pub row_step: usize,
    pub column_step: usize,
}

/// The part of the filters that one task works on: some blocks of one row of blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FilterSlice {
    /// Of channels.
    pub block: usize,
    pub first_column: usize,
}

impl FilterSlice {
    /// Columns of a slice.
    const COLUMNS: usize = 64;

    pub(crate) fn columns(self, filters: &Filters) -> std::ops::Range<usize> {
        self.first_column..filters.columns.min(self.first_column + Self::COLUMNS)
    }
}

/// A block of it: for a channel and tap, `LANES` columns.
pub(super) struct Block([f32; (ROWS + WIDEST) * WIDEST]);

impl Block {
    pub(super) const EMPTY: Self = Self([0.0; (ROWS + WIDEST) * WIDEST]);

    /// The vector of a row.
    #[inline(always)]
    pub(super) unsafe fn at<S: Simd>(&mut self, row: usize) -> *mut f32 {
        // SAFETY: callers stay within the block.
        unsafe { self.0.as_mut_ptr().add(row * S::LANES) }
    }
}

impl Filters {
    /// Channels of a block: an even number, so that two share words.
    fn channels(&self) -> usize {
        (ROWS / self.taps).min(16) & !1
    }

    /// Blocks of channels.
    pub(crate) fn block_count(&self) -> usize {
        self.rows.div_ceil(self.channels())
    }

    fn slices_of_a_row(&self) -> usize {
        self.columns.div_ceil(FilterSlice::COLUMNS)
    }

    /// Slices, each for a task.
    pub(crate) fn slices(&self) -> usize {
        self.block_count() * self.slices_of_a_row()
    }

    pub(crate) fn slice(&self, index: usize) -> FilterSlice {
        FilterSlice {
            block: index / self.slices_of_a_row(),
            first_column: index % self.slices_of_a_row() * FilterSlice::COLUMNS,
        }
    }

    /// First channel and number of channels of a block.
    pub(crate) fn block(&self, index: usize) -> (usize, usize) {
        let first = index * self.channels();
        (first, self.channels().min(self.rows - first))
    }

    /// Reads the kernels of `count` channels from `first` on, of the columns from `column` on; zeros beyond the columns.
    ///
    /// # Safety
    /// `from` must be the weights.
    #[inline(always)]
    pub(super) unsafe fn read<S: Simd>(
        &self,
        from: *const f32,
        (first, count): (usize, usize),
        column: usize,
        to: &mut Block,
    ) {
        let lanes = S::LANES.min(self.columns - column);
        let taps = self.taps;
        // SAFETY: kernels of these channels and columns are there, and the block has room for them and for what a
        // transposed block holds beyond.
        unsafe {
            let from = from.add(first * self.row_step + column * self.column_step);
            let mut whole = 0;
            if lanes == S::LANES && self.row_step == taps {
                // The kernels of a column stand side by side.
                whole = count * taps / S::LANES * S::LANES;
                for row in (0..whole).step_by(S::LANES) {
                    S::transpose(from.add(row), self.column_step, to.at::<S>(row), S::LANES);
                }
            } else if lanes == S::LANES && taps == 1 {
                for row in 0..count {
                    S::store(to.at::<S>(row), S::load(from.add(row * self.row_step)));
                }
                whole = count;
            } else if lanes == S::LANES {
                // A block may reach into the kernels behind, as long as there are any.
                let end = (self.rows - first) * self.row_step - column * taps;
                let last = (lanes - 1) * taps + taps.next_multiple_of(S::LANES);
                while whole < count * taps && whole / taps * self.row_step + last <= end {
                    let from = from.add(whole / taps * self.row_step);
                    for tap in (0..taps).step_by(S::LANES) {
                        S::transpose(from.add(tap), taps, to.at::<S>(whole + tap), S::LANES);
                    }
                    whole += taps;
                }
            }
            for row in whole..count * taps {
                S::store(to.at::<S>(row), S::splat(0.0));
                let from = from.add(row / taps * self.row_step + row % taps);
                for lane in 0..lanes {
                    *to.at::<S>(row).add(lane) = *from.add(lane * self.column_step);
                }
            }
        }
    }

    /// Adds what [`Filters::read`] would read. The kernels of a column must stand side by side.
    ///
    /// # Safety
    /// `to` must be the gradients of the weights.
    #[inline(always)]
    pub(super) unsafe fn add<S: Simd>(
        &self,
        to: *mut f32,
        (first, count): (usize, usize),
        column: usize,
        from: &mut Block,
    ) {
        let lanes = S::LANES.min(self.columns - column);
        let mut transposed = [0.0f32; WIDEST * WIDEST];
        // SAFETY: the gradients are laid out as the weights that `read` takes: only kernels of the `count` channels
        // and `lanes` columns are touched, and the block holds all that `whole` and `count` name.
        unsafe {
            let to = to.add(first * self.row_step + column * self.column_step);
            let whole = count * self.taps / S::LANES * S::LANES;
            for row in (0..whole).step_by(S::LANES) {
                let transposed = transposed.as_mut_ptr();
                S::transpose(from.at::<S>(row), S::LANES, transposed, S::LANES);
                for lane in 0..lanes {
                    let place = to.add(lane * self.column_step + row);
                    let value = S::load(transposed.add(lane * S::LANES));
                    S::store(place, S::add(S::load(place), value));
                }
            }
            for row in whole..count * self.taps {
                for lane in 0..lanes {
                    *to.add(lane * self.column_step + row) += *from.at::<S>(row).add(lane);
                }
            }
        }
    }
}

/// Packs one panel of weights: for every tap and channel a vector of columns, two channels side by side where they share
/// words, as [`Right::Panels`](super::gemm::Right::Panels) has them.
pub(crate) struct PackPanel {
    pub from: *const f32,
    pub filters: Filters,
    /// The panel's columns: the first, and how many with padding.
    pub first: usize,
    pub width: usize,
    /// Channels of a tap with padding.
    pub stored_channels: usize,
    /// Side of the kernel, and values from the taps of one row of it to those of the next.
    pub side: usize,
    pub run: usize,
    /// Whether its columns are to stand from right to left.
    pub mirrored: bool,
    /// In the maps' precision; places of padding are zeros already.
    pub to: Values,
}

impl MapKernel for PackPanel {
    #[inline(always)]
    unsafe fn run<S: Simd, E: Element>(self) {
        let filters = &self.filters;
        let mut block = Block::EMPTY;
        // SAFETY: the caller promises weights and a panel of these sizes.
        unsafe {
            for column in (0..self.width).step_by(S::LANES) {
                if self.first + column >= filters.columns {
                    return;
                }
                for index in 0..filters.block_count() {
                    let (channel, count) = filters.block(index);
                    let channels = (channel, count);
                    filters.read::<S>(self.from, channels, self.first + column, &mut block);
                    for tap in 0..filters.taps {
                        let (ky, kx) = (tap / self.side, tap % self.side);
                        let kx = match self.mirrored {
                            true => self.side - 1 - kx,
                            false => kx,
                        };
                        let place = ky * self.run + kx * self.stored_channels;
                        for row in (0..count).step_by(E::PRECISION.per_word()) {
                            let line = place + channel + row;
                            let line = E::PRECISION.words(line) * self.width + column;
                            let mut vector = |row: usize| match row < count {
                                true => S::load(block.at::<S>(row * filters.taps + tap)),
                                false => S::splat(0.0),
                            };
                            let to = self.to.words().add(line);
                            match E::PRECISION {
                                Precision::F32 => S::store(to, vector(row)),
                                Precision::Bf16 => {
                                    S::store_pair_bf16(to, vector(row), vector(row + 1));
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Adds the sums over slots of the partial gradients of a block of channels to the gradients of the weights.
pub(crate) struct ReduceRows {
    /// `slots` times: for every tap and stored channel a row of stored columns.
    pub from: *const f32,
    pub slots: usize,
    pub stored_channels: usize,
    pub stored_columns: usize,
    pub filters: Filters,
    /// Which gradients.
    pub slice: FilterSlice,
    pub to: *mut f32,
}

impl Kernel for ReduceRows {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let filters = &self.filters;
        let mut block = Block::EMPTY;
        let (first, count) = filters.block(self.slice.block);
        let slot_len = filters.taps * self.stored_channels * self.stored_columns;
        // SAFETY: the caller promises slots of these sizes and room for the gradients.
        unsafe {
            for column in self.slice.columns(filters).step_by(S::LANES) {
                for tap in 0..filters.taps {
                    for row in 0..count {
                        let line = tap * self.stored_channels + first + row;
                        let from = self.from.add(line * self.stored_columns + column);
                        let mut sum = S::load(from);
                        for slot in 1..self.slots {
                            sum = S::add(sum, S::load(from.add(slot * slot_len)));
                        }
                        S::store(block.at::<S>(row * filters.taps + tap), sum);
                    }
                }
                filters.add::<S>(self.to, (first, count), column, &mut block);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Isa, padded};

    fn value(i: usize) -> f32 {
        (i * 7919 % 4096) as f32 - 2048.0
    }

    fn filters(taps: usize, inputs: usize, outputs: usize, forward: bool) -> Filters {
        let steps = [taps, inputs * taps];
        let [(rows, row_step), (columns, column_step)] = match forward {
            true => [(inputs, steps[0]), (outputs, steps[1])],
            false => [(outputs, steps[1]), (inputs, steps[0])],
        };
        Filters {
            taps,
            rows,
            columns,
            row_step,
            column_step,
        }
    }

    /// Every instruction set against the definition: sizes around those of a block and of a vector, both orders. The
    /// weights end where their memory ends, so that a sanitizer detects reads beyond it.
    #[test]
    fn panels_and_sums_agree_with_the_definition() {
        let sizes = [
            (1, 1),
            (3, 17),
            (17, 3),
            (16, 16),
            (24, 40),
            (33, 65),
            (40, 24),
        ];
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            for side in [1, 2, 3, 5, 7, LONGEST_SIDE] {
                for (inputs, outputs) in sizes {
                    for forward in [false, true] {
                        pack(
                            isa,
                            side,
                            filters(side * side, inputs, outputs, forward),
                            forward,
                        );
                    }
                    reduce(isa, filters(side * side, inputs, outputs, true));
                }
            }
        }
    }

    fn pack(isa: Isa, side: usize, filters: Filters, forward: bool) {
        let (stored, width) = (padded(filters.rows), padded(filters.columns));
        let from: Vec<f32> = (0..filters.taps * filters.rows * filters.columns)
            .map(value)
            .collect();
        for precision in [Precision::F32, Precision::Bf16] {
            let shared = precision.per_word();
            let mut to = vec![0.0f32; filters.taps * stored / shared * width];
            let panel = PackPanel {
                from: from.as_ptr(),
                filters,
                first: 0,
                width,
                stored_channels: stored,
                side,
                run: side * stored,
                mirrored: !forward,
                to: Values::new(to.as_mut_ptr(), precision),
            };
            // SAFETY: the instruction set is there; the panel has room for all taps and channels.
            unsafe { isa.run_on(precision, panel) };
            for tap in 0..filters.taps {
                let place = match forward {
                    true => tap,
                    false => tap / side * side + side - 1 - tap % side,
                };
                for row in 0..stored {
                    for column in 0..width {
                        let line = place * stored + row;
                        let word = to[line / shared * width + column].to_bits();
                        let found = match precision {
                            Precision::F32 => f32::from_bits(word),
                            // Whole numbers of 12 bits lose some of them: the expected ones too.
                            Precision::Bf16 => {
                                f32::from_bits((word >> (16 * (line % 2)) & 0xffff) << 16)
                            }
                        };
                        let known = row < filters.rows && column < filters.columns;
                        let expected = match known {
                            true => {
                                from[row * filters.row_step + column * filters.column_step + tap]
                            }
                            false => 0.0,
                        };
                        let error = (found - expected).abs();
                        let allowed = match precision {
                            Precision::F32 => 0.0,
                            Precision::Bf16 => expected.abs() / 256.0,
                        };
                        assert!(error <= allowed, "{isa:?} {filters:?} {found} {expected}");
                    }
                }
            }
        }
    }

    fn reduce(isa: Isa, filters: Filters) {
        let (stored_channels, stored_columns) = (padded(filters.rows), padded(filters.columns));
        let slot = filters.taps * stored_channels * stored_columns;
        let slots = 3;
        let from: Vec<f32> = (0..slots * slot).map(value).collect();
        let mut to = vec![1.0; filters.taps * filters.rows * filters.columns];
        for slice in 0..filters.slices() {
            let slice = filters.slice(slice);
            // SAFETY: the instruction set is there; all slots and gradients are.
            unsafe {
                isa.run(ReduceRows {
                    from: from.as_ptr(),
                    slots,
                    stored_channels,
                    stored_columns,
                    filters,
                    slice,
                    to: to.as_mut_ptr(),
                });
            }
        }
        for column in 0..filters.columns {
            for row in 0..filters.rows {
                for tap in 0..filters.taps {
                    let at = (tap * stored_channels + row) * stored_columns + column;
                    let sum: f32 = (0..slots).map(|n| from[n * slot + at]).sum();
                    let found = to[column * filters.column_step + row * filters.row_step + tap];
                    assert_eq!(found, 1.0 + sum, "{isa:?} {filters:?}");
                }
            }
        }
    }
}
