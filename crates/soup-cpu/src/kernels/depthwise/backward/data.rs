//! The gradient of the data: a row of inputs against the rows of outputs that read it.

use super::super::{MANY, Ring, SOME, correlate, together};
use super::DepthwiseBackward;
use crate::simd::{Element, Simd};

impl DepthwiseBackward {
    /// The gradient rows that input row `y` meets at each tap; the row of zeros where there is none.
    #[inline(always)]
    unsafe fn gradient_row(&self, gradients: &Ring, y: usize, ky: usize) -> *mut f32 {
        // SAFETY: the ring has `rows` rows and one of zeros; the rows that `y` meets were filled by `run` before it
        // asks for `y`.
        unsafe {
            let p = &self.plane;
            let from = (y + p.before[0]) as isize - ky as isize;
            let row = if from < 0 || !(from as usize).is_multiple_of(p.stride) {
                -1
            } else {
                from / p.stride as isize
            };
            gradients.row(row, p.out_height).add(gradients.left)
        }
    }

    #[inline(always)]
    pub(super) unsafe fn data_row<S: Simd, E: Element, const K: usize>(
        &self,
        data: *mut E,
        gradients: &Ring,
        derivatives: &Ring,
        y: usize,
    ) {
        // SAFETY: `y` is below the plane's height and `c` below `channels`. What is read left and right of the
        // output's columns is the ring's padding: `kernel` pixels of zeros on each side.
        unsafe {
            if self.plane.stride > 2 {
                return self.data_row_any::<S, E>(data, gradients, derivatives, y);
            }
            let p = &self.plane;
            let mut c = 0;
            while c < self.channels {
                let mut row = self.finished::<S, E>(data, derivatives, y, c);
                // Columns of one parity meet the same taps; a name a number of taps, as they must be known.
                for first in 0..p.stride.min(p.width) {
                    let start = (first + p.before[1]) % p.stride;
                    match (K - start).div_ceil(p.stride) {
                        1 => self.columns::<S, E, K, 1>(&mut row, gradients, y, c, first),
                        2 => self.columns::<S, E, K, 2>(&mut row, gradients, y, c, first),
                        3 => self.columns::<S, E, K, 3>(&mut row, gradients, y, c, first),
                        _ => self.columns::<S, E, K, K>(&mut row, gradients, y, c, first),
                    }
                }
                row.end();
                c += S::LANES;
            }
        }
    }

    /// Columns `first`, `first + stride`, ... of a row of the gradient of the data, which meet `N` taps in
    /// each row of taps.
    #[inline(always)]
    unsafe fn columns<S: Simd, E: Element, const K: usize, const N: usize>(
        &self,
        row: &mut FinishedRow<S, E>,
        gradients: &Ring,
        y: usize,
        c: usize,
        first: usize,
    ) {
        // SAFETY: columns are `first`, `first + stride`, ... below the plane's width; gradients as `data_row` says.
        unsafe {
            let p = &self.plane;
            let count = (p.width - first).div_ceil(p.stride);
            together!(count, (done, T) => {
                self.some_columns::<S, E, K, N, T>(row, gradients, y, c, first, done);
            });
        }
    }

    #[inline(always)]
    unsafe fn some_columns<S: Simd, E: Element, const K: usize, const N: usize, const T: usize>(
        &self,
        row: &mut FinishedRow<S, E>,
        gradients: &Ring,
        y: usize,
        c: usize,
        first: usize,
        done: usize,
    ) {
        // SAFETY: `N` taps from column `at` on stay within the row and its padding of `kernel` pixels; `N - 1` and
        // `kx` name taps of the kernel's `K`.
        unsafe {
            let p = &self.plane;
            let vector = (c / S::LANES * gradients.plane) as isize;
            // The last tap that a column meets reads the first value.
            let kx = (first + p.before[1]) % p.stride;
            let at = ((first + p.before[1]) / p.stride + done) as isize - (N as isize - 1);
            let mut sums = [S::splat(0.0); T];
            let mut ky = (y + p.before[0]) % p.stride;
            while ky < K {
                let from = self.gradient_row(gradients, y, ky);
                let from = from.offset(vector + at * S::LANES as isize);
                let mut w = [S::splat(0.0); N];
                for n in 0..N {
                    let tap = ky * K + kx + (N - 1 - n) * p.stride;
                    w[n] = S::load(self.weights.add(tap * self.weight_row + self.first + c));
                }
                correlate::<S, N, 1, T>(from, &w, &mut sums);
                ky += p.stride;
            }
            for t in 0..T {
                row.put(first + (done + t) * p.stride, sums[t]);
            }
        }
    }

    #[inline(always)]
    unsafe fn pixel<S: Simd>(
        &self,
        gradients: &Ring,
        y: usize,
        x: usize,
        c: usize,
        mut sum: S::V,
    ) -> S::V {
        // SAFETY: `from` is a column of the output or of the ring's padding behind it; taps are below `kernel`
        // squared.
        unsafe {
            let p = &self.plane;
            for ky in 0..p.kernel {
                let row = self.gradient_row(gradients, y, ky);
                for kx in 0..p.kernel {
                    let from = (x + p.before[1]) as isize - kx as isize;
                    if from < 0 || !(from as usize).is_multiple_of(p.stride) {
                        continue;
                    }
                    let plane = (c / S::LANES * gradients.plane) as isize;
                    let ox = plane + from / p.stride as isize * S::LANES as isize;
                    let tap = (ky * p.kernel + kx) * self.weight_row;
                    let w = S::load(self.weights.add(tap + self.first + c));
                    sum = S::mul_add(S::load(row.offset(ox)), w, sum);
                }
            }
            sum
        }
    }

    #[inline(always)]
    pub(super) unsafe fn data_row_any<S: Simd, E: Element>(
        &self,
        data: *mut E,
        gradients: &Ring,
        derivatives: &Ring,
        y: usize,
    ) {
        // SAFETY: `y` is below the plane's height, `x` below its width, `c` below `channels`.
        unsafe {
            let mut c = 0;
            while c < self.channels {
                let mut row = self.finished::<S, E>(data, derivatives, y, c);
                for x in 0..self.plane.width {
                    row.put(x, self.pixel::<S>(gradients, y, x, c, S::splat(0.0)));
                }
                row.end();
                c += S::LANES;
            }
        }
    }

    /// Where row `y` of the gradient of the data goes, for the channels from `c`.
    #[inline(always)]
    unsafe fn finished<S: Simd, E: Element>(
        &self,
        data: *mut E,
        derivatives: &Ring,
        y: usize,
        c: usize,
    ) -> FinishedRow<S, E> {
        // SAFETY: `y` is below the plane's height: `data` and the raw map have this row, and with `sums` the norm has
        // its rows and the ring the derivatives of `y`.
        unsafe {
            let channel = self.first + c;
            let at = y * self.plane.width * self.view.stride + channel;
            let mut row = FinishedRow {
                to: data.add(at),
                stride: self.view.stride,
                accumulate: self.accumulate,
                raw: self.view.raw.of::<E>().add(at),
                derivatives: std::ptr::null(),
                mean: S::splat(0.0),
                inverse: S::splat(0.0),
                sums: [std::ptr::null_mut(); 2],
                sum: S::splat(0.0),
                product: S::splat(0.0),
            };
            if !self.sums.is_null() {
                row.derivatives = derivatives.pixels(y).add(c / S::LANES * derivatives.plane);
                row.mean = S::load(self.view.norm.row(2).add(channel));
                row.inverse = S::load(self.view.norm.row(3).add(channel));
                row.sums = [0, 1].map(|index| self.sums.add(index * self.sums_row + channel));
            }
            row
        }
    }
}

/// One row and vector of channels of the gradient of the data on its way to memory: multiplied by the
/// activation's derivative and added to the norm's sums where these are wanted.
struct FinishedRow<S: Simd, E: Element> {
    to: *mut E,
    stride: usize,
    accumulate: bool,
    raw: *const E,
    /// Null where no sums are wanted.
    derivatives: *const f32,
    mean: S::V,
    inverse: S::V,
    sums: [*mut f32; 2],
    sum: S::V,
    product: S::V,
}

impl<S: Simd, E: Element> FinishedRow<S, E> {
    #[inline(always)]
    unsafe fn put(&mut self, x: usize, mut value: S::V) {
        // SAFETY: `x` is below the plane's width, for which `finished` gave the row's start, its derivatives and raw
        // values.
        unsafe {
            let place = self.to.add(x * self.stride);
            if self.accumulate {
                value = S::add(E::load::<S>(place), value);
            }
            if !self.derivatives.is_null() {
                value = S::mul(value, S::load(self.derivatives.add(x * S::LANES)));
                let raw = E::load::<S>(self.raw.add(x * self.stride));
                self.sum = S::add(self.sum, value);
                self.product = S::mul_add(value, S::sub(raw, self.mean), self.product);
            }
            E::store::<S>(place, value);
        }
    }

    /// Adds the row to the sums.
    #[inline(always)]
    unsafe fn end(self) {
        if self.derivatives.is_null() {
            return;
        }
        // SAFETY: with derivatives there are sums: two vectors within the rows that `finished` pointed to, which this task
        // alone writes.
        unsafe {
            let [sum, product] = self.sums;
            S::store(sum, S::add(S::load(sum), self.sum));
            S::store(
                product,
                S::mul_add(self.product, self.inverse, S::load(product)),
            );
        }
    }
}
