//! Matrix product of a strided, broadcast left operand and a right operand of rows of vectors.
//!
//! One kernel serves every convolution. Forward, rows are pixels and the sum runs over taps and input
//! channels. For the gradient of the data it runs over taps and output channels. For the gradient of
//! the weights rows are input channels and the sum runs over pixels. The left operand is read in place, value by value;
//! the right operand in vectors, from a packed panel or straight from channels-last rows.
//!
//! Both operands are of *words*: single values, or two bfloat16 values that are neighbours in the sum,
//! which one instruction multiplies and adds.

#[cfg(target_arch = "x86_64")]
mod amx_tiles;

use soup_graph::Activation;

use super::activation::{Function, Identity, Silu, with_function};
use crate::simd::{Element, MapKernel, Precision, Simd, Values};

/// One run of the sum: `k` steps from offset `a` on the left and row `b` on the right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// Offset into the left operand, in words.
    pub a: usize,
    /// First row of the right operand.
    pub b: usize,
    /// Number of steps.
    pub k: usize,
}

/// How the right operand is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Right {
    /// Column blocks as [`column_blocks`] cuts them, each a panel of this many rows.
    Panels(usize),
    /// Plain rows with this many words from one to the next.
    Rows(usize),
}

/// Widths, in vectors, of the column blocks for this many vectors.
pub(crate) fn column_blocks(vectors: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut first = 0;
    std::iter::from_fn(move || {
        let width = match vectors - first {
            0 => return None,
            1 => 1,
            2 | 4 => 2,
            _ => 3,
        };
        first += width;
        Some((first - width, width))
    })
}

/// `c[g][m][n] (+)= sum over segments and k of a[g][m][k] b[k][n]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gemm<'a> {
    /// The sum.
    pub segments: &'a [Segment],
    /// Left operand.
    pub a: *const f32,
    /// From one row of the left operand to the next.
    pub a_row: usize,
    /// From one step of the sum to the next.
    pub a_step: usize,
    /// From one group of rows to the next.
    pub a_group: usize,
    /// Right operand.
    pub b: *const f32,
    /// Its layout.
    pub right: Right,
    /// Result: single precision or the maps' own; steps within it are in values.
    pub c: Values,
    /// From one row of the result to the next.
    pub c_row: usize,
    /// From one group of rows to the next.
    pub c_group: usize,
    /// Groups of rows.
    pub groups: usize,
    /// Rows in a group.
    pub rows: usize,
    /// Columns; a multiple of the channel block.
    pub columns: usize,
    /// What the sums start from: one value a column, or null for zeros.
    pub bias: *const f32,
    /// Whether the result is added to what is there (then there is no bias).
    pub accumulate: bool,
    /// What the result goes through before it is stored in the maps' own precision.
    pub activation: Option<Activation>,
}

impl MapKernel for Gemm<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd, E: Element>(self) {
        // SAFETY: the caller promises that all offsets stay within the three matrices.
        unsafe {
            if self.c.precision() != E::PRECISION {
                self.product::<S, E, f32, Identity>();
                return;
            }
            match self.activation {
                // These are compiled into the register blocks, the others take another pass over the result.
                Some(Activation::Silu) => self.product::<S, E, E, Silu>(),
                None | Some(Activation::Relu | Activation::Relu6) => {
                    self.product::<S, E, E, Identity>();
                }
                activation => {
                    self.product::<S, E, E, Identity>();
                    with_function!(activation, F => self.activate::<S, E, F>());
                }
            }
        }
    }
}

impl Gemm<'_> {
    #[inline(always)]
    unsafe fn product<S: Simd, E: Element, T: Element, F: Function>(&self) {
        // SAFETY: column blocks cut `columns` without a rest, so every block's part of the three matrices and of the
        // bias is within them, and `group` is below `groups`.
        unsafe {
            for (first, width) in column_blocks(self.columns / S::LANES) {
                let column = first * S::LANES;
                let bias = if self.bias.is_null() {
                    self.bias
                } else {
                    self.bias.add(column)
                };
                let (b, b_row) = match self.right {
                    Right::Panels(rows) => (self.b.add(column * rows), width * S::LANES),
                    Right::Rows(stride) => (self.b.add(column), stride),
                };
                #[cfg(target_arch = "x86_64")]
                if S::AMX_TILES
                    && let Some(k) = self.amx_k::<E>()
                {
                    let (tiles, right) = (&mut crate::simd::Amx, (b, b_row));
                    let c = self.c.of::<T>().add(column);
                    match width {
                        1 => self.amx_rows::<S, E, T, F, _, 1>(tiles, k, right, bias, c),
                        2 => self.amx_rows::<S, E, T, F, _, 2>(tiles, k, right, bias, c),
                        _ => self.amx_rows::<S, E, T, F, _, 3>(tiles, k, right, bias, c),
                    }
                    continue;
                }
                for group in 0..self.groups {
                    let a = self.a.add(group * self.a_group);
                    let c = self.c.of::<T>().add(group * self.c_group + column);
                    match width {
                        1 => self.rows::<S, E, T, F, 1>(a, b, b_row, bias, c),
                        2 => self.rows::<S, E, T, F, 2>(a, b, b_row, bias, c),
                        _ => self.rows::<S, E, T, F, 3>(a, b, b_row, bias, c),
                    }
                }
            }
        }
    }

    /// All rows of a group, in register blocks of eight rows: with three vectors 24 of 32 registers. Where there are 16
    /// registers blocks have four rows.
    #[inline(always)]
    unsafe fn rows<S: Simd, E: Element, T: Element, F: Function, const N: usize>(
        &self,
        a: *const f32,
        b: *const f32,
        b_row: usize,
        bias: *const f32,
        c: *mut T,
    ) {
        // SAFETY: blocks are of rows below `rows` of one group; `b` and `c` begin with this block's `N` vectors.
        unsafe {
            let mut row = 0;
            if S::LANES == 16 {
                while row + 8 <= self.rows {
                    let (a, c) = (a.add(row * self.a_row), c.add(row * self.c_row));
                    self.register_block::<S, E, T, F, 8, N>(a, b, b_row, bias, c);
                    row += 8;
                }
            }
            while row + 4 <= self.rows {
                let (a, c) = (a.add(row * self.a_row), c.add(row * self.c_row));
                self.register_block::<S, E, T, F, 4, N>(a, b, b_row, bias, c);
                row += 4;
            }
            let (a, c) = (a.add(row * self.a_row), c.add(row * self.c_row));
            match self.rows - row {
                0 => {}
                1 => self.register_block::<S, E, T, F, 1, N>(a, b, b_row, bias, c),
                2 => self.register_block::<S, E, T, F, 2, N>(a, b, b_row, bias, c),
                _ => self.register_block::<S, E, T, F, 3, N>(a, b, b_row, bias, c),
            }
        }
    }

    /// Identity and rectifiers are one: a value between two bounds.
    #[inline(always)]
    fn bounds(&self) -> [f32; 2] {
        match self.activation {
            Some(Activation::Relu) => [0.0, f32::INFINITY],
            Some(Activation::Relu6) => [0.0, 6.0],
            _ => [f32::NEG_INFINITY, f32::INFINITY],
        }
    }

    /// The micro-kernel: a block of `M` rows by `N` vectors, held in registers over the whole sum.
    #[inline(always)]
    unsafe fn register_block<
        S: Simd,
        E: Element,
        T: Element,
        F: Function,
        const M: usize,
        const N: usize,
    >(
        &self,
        a: *const f32,
        b: *const f32,
        b_row: usize,
        bias: *const f32,
        c: *mut T,
    ) {
        // SAFETY: all segments of `M` rows of the left operand, and the same rows of the right operand, are within the
        // matrices by the caller's word; `c` has `M` rows of `N` vectors, the bias `N` vectors. `raw` holds `M` times
        // `N` vectors. The cast of the sums is made where `M` and `N` are 4 and 3.
        unsafe {
            let mut sums = [[S::splat(0.0); N]; M];
            if !bias.is_null() {
                for m in 0..M {
                    for n in 0..N {
                        sums[m][n] = S::load(bias.add(n * S::LANES));
                    }
                }
            } else if self.accumulate {
                for m in 0..M {
                    for n in 0..N {
                        sums[m][n] = T::load::<S>(c.add(m * self.c_row + n * S::LANES));
                    }
                }
            }
            for segment in self.segments {
                let mut left = a.add(segment.a);
                let mut right = b.add(segment.b * b_row);
                if S::FOUR_BY_THREE && E::PRECISION == Precision::F32 && (M, N) == (4, 3) {
                    let sums = &mut *(&raw mut sums).cast::<[[S::V; 3]; 4]>();
                    let left = (left, self.a_row, self.a_step);
                    S::four_by_three(sums, left, (right, b_row), segment.k);
                    continue;
                }
                for _ in 0..segment.k {
                    let mut columns = [S::splat(0.0); N];
                    for n in 0..N {
                        columns[n] = S::load(right.add(n * S::LANES));
                    }
                    for m in 0..M {
                        let value = S::splat(left.add(m * self.a_row).read_unaligned());
                        for n in 0..N {
                            sums[m][n] = E::multiply_add::<S>(value, columns[n], sums[m][n]);
                        }
                    }
                    left = left.add(self.a_step);
                    right = right.add(b_row);
                }
            }
            if F::PLAIN {
                let [least, most] = self.bounds();
                for m in 0..M {
                    for n in 0..N {
                        let value = S::at_most(S::at_least(sums[m][n], least), most);
                        T::store::<S>(c.add(m * self.c_row + n * S::LANES), value);
                    }
                }
                return;
            }
            // By way of memory: so long a loop is not unrolled, and an array indexed at run time is not in registers.
            let mut raw = [[S::splat(0.0); N]; M];
            for m in 0..M {
                for n in 0..N {
                    S::store(
                        raw.as_mut_ptr().cast::<S::V>().add(m * N + n).cast(),
                        sums[m][n],
                    );
                }
            }
            let raw = std::hint::black_box(raw.as_ptr()).cast::<S::V>();
            for m in 0..M {
                for n in 0..N {
                    let value = F::value::<S, E>(S::load(raw.add(m * N + n).cast()));
                    T::store::<S>(c.add(m * self.c_row + n * S::LANES), value);
                }
            }
        }
    }

    /// Takes the stored result through an activation.
    #[inline(always)]
    unsafe fn activate<S: Simd, T: Element, F: Function>(&self) {
        // SAFETY: these are the places of the result that `product` has written.
        unsafe {
            for group in 0..self.groups {
                for row in 0..self.rows {
                    let start = group * self.c_group + row * self.c_row;
                    let c = self.c.of::<T>().add(start);
                    for column in (0..self.columns).step_by(S::LANES) {
                        let place = c.add(column);
                        T::store::<S>(place, F::value::<S, T>(T::load::<S>(place)));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
