//! The gradient of the weights: a row of outputs against the rows of inputs that it read.

use super::super::{Ring, SOME, taps};
use super::DepthwiseBackward;
use crate::simd::{Element, Simd};

/// `sums[r][k] += sum of d[t] rows[r][t STRIDE + k]` over `T` neighbouring outputs.
#[inline(always)]
unsafe fn correlate_weights<
    S: Simd,
    const R: usize,
    const K: usize,
    const STRIDE: usize,
    const T: usize,
>(
    d: *const f32,
    rows: &[*const f32; R],
    sums: &mut [[S::V; K]; R],
) {
    // SAFETY: the caller's rows reach that far.
    unsafe {
        let mut gradients = [S::splat(0.0); T];
        for t in 0..T {
            gradients[t] = S::load(d.add(t * S::LANES));
        }
        // As in `correlate`.
        for t in 0..T {
            for r in 0..R {
                for k in 0..K {
                    let value = S::load(rows[r].add((t * STRIDE + k) * S::LANES));
                    sums[r][k] = S::mul_add(gradients[t], value, sums[r][k]);
                }
            }
        }
    }
}

impl DepthwiseBackward {
    #[inline(always)]
    pub(super) unsafe fn weight_row<S: Simd, E: Element, const K: usize>(
        &self,
        values: &Ring,
        gradients: &Ring,
        oy: usize,
    ) {
        // SAFETY: `oy` is below the output's height; both rings hold the rows that it meets.
        unsafe {
            match self.plane.stride {
                1 => self.strided_weight_row::<S, K, 1>(values, gradients, oy),
                2 => self.strided_weight_row::<S, K, 2>(values, gradients, oy),
                _ => self.weight_row_any::<S, E>(values, gradients, oy),
            }
        }
    }

    #[inline(always)]
    unsafe fn strided_weight_row<S: Simd, const K: usize, const STRIDE: usize>(
        &self,
        values: &Ring,
        gradients: &Ring,
        oy: usize,
    ) {
        // SAFETY: `c` is below `channels` and `ky` and the rows of taps that are named below `K`.
        unsafe {
            let mut c = 0;
            while c < self.channels {
                // As many rows of taps as stay in 16 registers.
                match K {
                    3 => self.tap_rows::<S, 3, K, STRIDE>(values, gradients, oy, c, 0),
                    _ => {
                        let mut ky = 0;
                        while ky + 2 <= K {
                            self.tap_rows::<S, 2, K, STRIDE>(values, gradients, oy, c, ky);
                            ky += 2;
                        }
                        while ky < K {
                            self.tap_rows::<S, 1, K, STRIDE>(values, gradients, oy, c, ky);
                            ky += 1;
                        }
                    }
                }
                c += S::LANES;
            }
        }
    }

    /// Gradient of `R` rows of taps from row `ky` on, of a vector of channels.
    #[inline(always)]
    unsafe fn tap_rows<S: Simd, const R: usize, const K: usize, const STRIDE: usize>(
        &self,
        values: &Ring,
        gradients: &Ring,
        oy: usize,
        c: usize,
        ky: usize,
    ) {
        // SAFETY: the slot has `K` times `K` taps, `weight_row` values apart; rows of the ring reach to the last
        // output's last tap, as `Plane::padded_width` makes them.
        unsafe {
            let p = &self.plane;
            let vector = c / S::LANES;
            let slot = self.weight_gradient.add(self.first + c);
            let slot = slot.add(ky * K * self.weight_row);
            let top = (oy * STRIDE + ky) as isize - p.before[0] as isize;
            let mut rows = [std::ptr::null(); R];
            let mut sums = [[S::splat(0.0); K]; R];
            for r in 0..R {
                let row = values.row(top + r as isize, p.height);
                rows[r] = row.add(vector * values.plane).cast_const();
                sums[r] = taps::<S, K>(slot.add(r * K * self.weight_row), self.weight_row);
            }
            let mut d = gradients
                .pixels(oy)
                .add(vector * gradients.plane)
                .cast_const();
            let mut ox = 0;
            while ox + SOME <= p.out_width {
                correlate_weights::<S, R, K, STRIDE, SOME>(d, &rows, &mut sums);
                for r in 0..R {
                    rows[r] = rows[r].add(SOME * STRIDE * S::LANES);
                }
                d = d.add(SOME * S::LANES);
                ox += SOME;
            }
            while ox < p.out_width {
                correlate_weights::<S, R, K, STRIDE, 1>(d, &rows, &mut sums);
                for r in 0..R {
                    rows[r] = rows[r].add(STRIDE * S::LANES);
                }
                d = d.add(S::LANES);
                ox += 1;
            }
            for r in 0..R {
                for kx in 0..K {
                    S::store(slot.add((r * K + kx) * self.weight_row), sums[r][kx]);
                }
            }
        }
    }

    #[inline(always)]
    pub(super) unsafe fn weight_row_any<S: Simd, E: Element>(
        &self,
        values: &Ring,
        gradients: &Ring,
        oy: usize,
    ) {
        // SAFETY: `ky` and `kx` are below `kernel`, `ox` below the output's width: within the padded rows of the ring
        // and the taps of the slot.
        unsafe {
            let p = &self.plane;
            let top = (oy * p.stride) as isize - p.before[0] as isize;
            let gradient = gradients.pixels(oy);
            for ky in 0..p.kernel {
                let row = values.row(top + ky as isize, p.height);
                for kx in 0..p.kernel {
                    let tap = (ky * p.kernel + kx) * self.weight_row;
                    let mut c = 0;
                    while c < self.channels {
                        let slot = self.weight_gradient.add(tap + self.first + c);
                        let mut sum = S::load(slot);
                        let gradient = gradient.add(c / S::LANES * gradients.plane);
                        let row = row.add(c / S::LANES * values.plane);
                        for ox in 0..p.out_width {
                            let d = S::load(gradient.add(ox * S::LANES));
                            let x = row.add((ox * p.stride + kx) * S::LANES);
                            sum = S::mul_add(d, S::load(x), sum);
                        }
                        S::store(slot, sum);
                        c += S::LANES;
                    }
                }
            }
        }
    }
}
