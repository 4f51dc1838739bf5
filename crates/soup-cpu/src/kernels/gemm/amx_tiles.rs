//! The product of pairs of bfloat16 in AMX tiles.

use std::mem::MaybeUninit;

use super::{Function, Gemm};
use crate::simd::{
    Element, Precision, Simd,
    amx_tiles::{AmxTiles, ROWS},
};

impl Gemm<'_> {
    /// Words of the sum that one AMX tile holds, where the product can use them.
    pub(super) fn amx_k<E: Element>(&self) -> Option<usize> {
        if E::PRECISION != Precision::Bf16 || self.a_step != 1 {
            return None;
        }
        let whole = |k: &usize| self.segments.iter().all(|segment| segment.k % k == 0);
        [16, 8].into_iter().find(whole)
    }

    /// All rows of a block of columns: first the whole tiles of all groups, two at a time, then the remaining rows of
    /// each group.
    #[inline(always)]
    pub(super) unsafe fn amx_rows<
        S: Simd,
        E: Element,
        T: Element,
        F: Function,
        X: AmxTiles,
        const N: usize,
    >(
        &self,
        tiles: &mut X,
        k: usize,
        right: (*const f32, usize),
        bias: *const f32,
        c: *mut T,
    ) {
        let whole = self.rows / ROWS;
        let kinds = [(0, ROWS, whole), (whole * ROWS, self.rows % ROWS, 1)];
        for (first, rows, of_group) in kinds {
            if rows == 0 || of_group == 0 {
                continue;
            }
            let place = |tile: usize| (tile / of_group, first + tile % of_group * ROWS);
            let count = self.groups * of_group;
            // SAFETY: there are tiles (`S::AMX_TILES`); each pair of tiles is of rows below `rows` of groups below
            // `groups`, and `begin` comes before and `end` after what is done with them.
            unsafe {
                tiles.begin(rows, k);
                let mut tile = 0;
                while tile + 2 <= count {
                    let places = [place(tile), place(tile + 1)];
                    self.amx_block::<S, E, T, F, X, 2, N>(tiles, k, (places, rows), right, bias, c);
                    tile += 2;
                }
                if tile < count {
                    let places = [place(tile)];
                    self.amx_block::<S, E, T, F, X, 1, N>(tiles, k, (places, rows), right, bias, c);
                }
                tiles.end();
            }
        }
    }

    /// `M` tiles of so many rows, each from its group and row on, by `N` vectors.
    #[inline(always)]
    unsafe fn amx_block<
        S: Simd,
        E: Element,
        T: Element,
        F: Function,
        X: AmxTiles,
        const M: usize,
        const N: usize,
    >(
        &self,
        tiles: &mut X,
        k: usize,
        (places, rows): ([(usize, usize); M], usize),
        (b, b_row): (*const f32, usize),
        bias: *const f32,
        c: *mut T,
    ) {
        let width = N * S::LANES;
        let mut raw = MaybeUninit::<[f32; 2 * ROWS * 3 * 16]>::uninit();
        let raw = raw.as_mut_ptr().cast::<f32>();
        // SAFETY: tiles are configured by `amx_rows` for these rows and this `k`, which divides every segment. `raw` has
        // room for both tiles of rows by three vectors of 16, of which `N` are written and read; the result's places
        // are those of `rows` rows of the group.
        unsafe {
            tiles.zero();
            for segment in self.segments.iter().filter(|segment| segment.k > 0) {
                let left = places.map(|(group, row)| {
                    let start = group * self.a_group + row * self.a_row;
                    self.a.add(start + segment.a)
                });
                let right = b.add(segment.b * b_row);
                tiles.add::<M, N>((left, self.a_row), (right, b_row), k, segment.k / k);
            }
            tiles.store::<M, N>(raw, width);
            let [least, most] = self.bounds();
            for (m, (group, row)) in places.into_iter().enumerate() {
                for r in 0..rows {
                    let raw = raw.add((m * ROWS + r) * width);
                    let c = c.add(group * self.c_group + (row + r) * self.c_row);
                    for n in 0..N {
                        let place = c.add(n * S::LANES);
                        let mut value = S::load(raw.add(n * S::LANES));
                        if !bias.is_null() {
                            value = S::add(value, S::load(bias.add(n * S::LANES)));
                        } else if self.accumulate {
                            value = S::add(value, T::load::<S>(place));
                        }
                        value = match F::PLAIN {
                            true => S::at_most(S::at_least(value, least), most),
                            false => F::value::<S, E>(value),
                        };
                        T::store::<S>(place, value);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use soup_graph::Activation;

    use super::{
        super::{Identity, Right, Segment},
        *,
    };
    use crate::simd::{Bf16, Isa, MapKernel, Values};

    /// AMX tiles emulated by the definition of `tdpbf16ps`.
    struct Emulated {
        rows: usize,
        k: usize,
        sums: [[f32; 48]; 2 * ROWS],
    }

    impl AmxTiles for Emulated {
        unsafe fn begin(&mut self, rows: usize, k: usize) {
            assert!((k == 8 || k == 16) && (1..=ROWS).contains(&rows));
            (self.rows, self.k) = (rows, k);
        }
        unsafe fn zero(&mut self) {
            self.sums = [[0.0; 48]; 2 * ROWS];
        }
        unsafe fn add<const M: usize, const N: usize>(
            &mut self,
            (left, left_row): ([*const f32; M], usize),
            (right, right_row): (*const f32, usize),
            k: usize,
            steps: usize,
        ) {
            assert!(k == self.k && steps > 0);
            let halves = |word: *const f32| {
                // SAFETY: the caller promises words here.
                let word = unsafe { word.read_unaligned() }.to_bits();
                [word << 16, word & 0xffff_0000].map(f32::from_bits)
            };
            for (tile, left) in left.into_iter().enumerate() {
                for (m, n) in (0..self.rows).flat_map(|m| (0..16 * N).map(move |n| (m, n))) {
                    for i in 0..k * steps {
                        // SAFETY: the caller gives rows of `k` times `steps` words of both operands.
                        let (a, b) = unsafe {
                            (
                                halves(left.add(m * left_row + i)),
                                halves(right.add(i * right_row + n)),
                            )
                        };
                        self.sums[tile * ROWS + m][n] += a[0] * b[0];
                        self.sums[tile * ROWS + m][n] += a[1] * b[1];
                    }
                }
            }
        }
        unsafe fn repeat(&mut self, _times: usize) {}
        unsafe fn store<const M: usize, const N: usize>(&mut self, to: *mut f32, row: usize) {
            for (m, sums) in self.sums.iter().enumerate() {
                if m / ROWS < M && m % ROWS < self.rows {
                    // SAFETY: the caller promises room.
                    unsafe {
                        std::ptr::copy_nonoverlapping(sums.as_ptr(), to.add(m * row), 16 * N);
                    }
                }
            }
        }
        unsafe fn end(&mut self) {
            self.k = 0;
        }
    }

    /// A product in emulated AMX tiles, one block of columns wide.
    struct InTiles<'a, 'b>(&'a Gemm<'b>);

    impl MapKernel for InTiles<'_, '_> {
        #[inline(always)]
        unsafe fn run<S: Simd, E: Element>(self) {
            let Self(gemm) = self;
            let tiles = &mut Emulated {
                rows: 0,
                k: 0,
                sums: [[0.0; 48]; 2 * ROWS],
            };
            // SAFETY: the test gives matrices of the stated sizes.
            unsafe {
                let k = gemm.amx_k::<E>().unwrap();
                let (right, bias, c) = ((gemm.b, gemm.columns), gemm.bias, gemm.c.of::<f32>());
                match gemm.columns / S::LANES {
                    1 => gemm.amx_rows::<S, E, f32, Identity, _, 1>(tiles, k, right, bias, c),
                    2 => gemm.amx_rows::<S, E, f32, Identity, _, 2>(tiles, k, right, bias, c),
                    _ => gemm.amx_rows::<S, E, f32, Identity, _, 3>(tiles, k, right, bias, c),
                }
            }
        }
    }

    /// Products in AMX tiles, emulated and where there are any the processor's, against the same products in vectors.
    #[test]
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn tiles_agree_with_vectors() {
        let vectors = Isa::Avx512Bf16;
        if !vectors.is_available() {
            eprintln!("skipped: no vectors of 16 values with products of bfloat16 here");
            return;
        }
        let number = |i: usize| Bf16::from_f32(((i * 7919 + 13) % 101) as f32 / 50.0 - 1.0);
        for (groups, rows, k, steps, columns) in [
            (1, 16, 16, 1, 16),
            (1, 37, 8, 3, 32),
            (3, 15, 8, 1, 16),
            (2, 48, 16, 2, 48),
            (5, 21, 16, 3, 48),
        ] {
            let words = k * steps;
            let a_group = rows * 2 * words + 3;
            let a: Vec<Bf16> = (0..2 * groups * a_group).map(number).collect();
            let b: Vec<Bf16> = (0..4 * words * columns).map(|i| number(i + 5)).collect();
            let bias: Vec<f32> = (0..columns).map(|i| i as f32 / 16.0).collect();
            for (accumulate, bias) in [
                (false, std::ptr::null()),
                (true, std::ptr::null()),
                (false, bias.as_ptr()),
            ] {
                for activation in [None, Some(Activation::Relu), Some(Activation::Relu6)] {
                    let mut c = [(); 3].map(|()| vec![0.25; groups * rows * columns]);
                    let segments = [
                        Segment {
                            a: 0,
                            b: 0,
                            k: words,
                        },
                        Segment {
                            a: words,
                            b: words,
                            k: words,
                        },
                    ];
                    let [wanted, emulated, real] = c.each_mut().map(|c| Gemm {
                        segments: &segments,
                        a: a.as_ptr().cast(),
                        a_row: 2 * words,
                        a_step: 1,
                        a_group,
                        b: b.as_ptr().cast(),
                        right: Right::Rows(columns),
                        c: Values::floats(c.as_mut_ptr()),
                        c_row: columns,
                        c_group: rows * columns,
                        groups,
                        rows,
                        columns,
                        bias,
                        accumulate,
                        activation,
                    });
                    // SAFETY: the instruction sets are available and the matrices have the stated sizes.
                    unsafe {
                        vectors.run_on(Precision::Bf16, wanted);
                        vectors.run_on(Precision::Bf16, InTiles(&emulated));
                        if Isa::Amx.is_available() {
                            Isa::Amx.run_on(Precision::Bf16, real);
                        }
                    }
                    let [wanted, emulated, real] = c;
                    let real = Isa::Amx.is_available().then_some(real);
                    for (kind, found) in [("emulated", Some(emulated)), ("real", real)] {
                        let Some(found) = found else { continue };
                        for (at, (&want, &got)) in wanted.iter().zip(&found).enumerate() {
                            assert!(
                                (got - want).abs() <= 1e-4 * want.abs().max(1.0),
                                "{kind} {groups}x{rows}x{words}x{columns} {accumulate} {activation:?} at {at}: \
                                 {got} {want}"
                            );
                        }
                    }
                }
            }
        }
    }
}
