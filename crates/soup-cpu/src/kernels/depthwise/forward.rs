//! The output and its statistics.

use soup_graph::Activation;

use super::{BLOCK, MANY, Plane, Ring, SOME, correlate, fill_row, taps, together};
use crate::{
    kernels::{
        activation::{Function, Identity, Silu, with_function},
        view::PixelView,
    },
    simd::{Element, MapKernel, Simd, Values},
};

/// Forward: raw output, mean and M2 of every channel over the image.
pub(crate) struct DepthwiseForward {
    pub plane: Plane,
    /// Input, from its first pixel.
    pub view: PixelView,
    pub first: usize,
    pub channels: usize,
    /// Weights, tap by tap, `weight_row` values from one tap to the next.
    pub weights: *const f32,
    pub weight_row: usize,
    /// One value a channel.
    pub bias: *const f32,
    /// What the output is stored through.
    pub activation: Option<Activation>,
    pub out: Values,
    pub out_stride: usize,
    /// Means and M2s, one a channel; null where not wanted.
    pub mean: *mut f32,
    pub m2: *mut f32,
    pub scratch: *mut f32,
}

impl MapKernel for DepthwiseForward {
    #[inline(always)]
    unsafe fn run<S: Simd, E: Element>(self) {
        // SAFETY: the caller promises buffers of the plane's sizes and scratch as `Plane::scratch`.
        unsafe {
            let p = self.plane;
            let rows = p.ring_rows();
            let widths = [p.padded_width(), p.width];
            let ring = Ring::new::<S>(self.scratch, rows, self.channels, widths, p.before[1]);
            let sums = self
                .scratch
                .add((p.ring_rows() + 1) * p.padded_width() * BLOCK);
            std::ptr::write_bytes(sums, 0, 3 * BLOCK);
            let mut next = 0;
            for oy in 0..p.out_height {
                let top = (oy * p.stride) as isize - p.before[0] as isize;
                let last = (top + p.kernel as isize - 1).min(p.height as isize - 1);
                while (next as isize) <= last {
                    fill_row::<S, E>(&self.view, &p, &ring, next, self.first, self.channels, None);
                    next += 1;
                }
                match self.activation {
                    // Compiled into the row; the others pass over it again.
                    Some(Activation::Silu) => self.any_row::<S, E, Silu>(&ring, oy),
                    activation => {
                        self.any_row::<S, E, Identity>(&ring, oy);
                        if activation.is_some() {
                            with_function!(activation, F => self.activate::<S, E, F>(oy));
                        }
                    }
                }
                if !self.mean.is_null() {
                    self.row_sums::<S, E>(oy, sums);
                }
            }
            if !self.mean.is_null() {
                self.finish::<S, E>(sums);
            }
        }
    }
}

impl DepthwiseForward {
    #[inline(always)]
    unsafe fn any_row<S: Simd, E: Element, F: Function>(&self, ring: &Ring, oy: usize) {
        // SAFETY: `oy` is below the output's height and the ring holds the rows that it meets.
        unsafe {
            match self.plane.kernel {
                3 => self.row::<S, E, F, 3>(ring, oy),
                5 => self.row::<S, E, F, 5>(ring, oy),
                _ => self.row_any::<S, E, F>(ring, oy),
            }
        }
    }

    /// Takes a stored row through an activation.
    #[inline(always)]
    unsafe fn activate<S: Simd, E: Element, F: Function>(&self, oy: usize) {
        // SAFETY: `oy` and `ox` are pixels of the output, `c` a vector of the block's channels; the row was written
        // before.
        unsafe {
            let p = &self.plane;
            let out = self.out.of::<E>();
            let out = out.add(oy * p.out_width * self.out_stride + self.first);
            for ox in 0..p.out_width {
                for c in (0..self.channels).step_by(S::LANES) {
                    let place = out.add(ox * self.out_stride + c);
                    E::store::<S>(place, F::value::<S, E>(E::load::<S>(place)));
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn row<S: Simd, E: Element, F: Function, const K: usize>(&self, ring: &Ring, oy: usize) {
        // SAFETY: `oy` is below the output's height and the ring holds the rows that it meets; `K` is the kernel.
        unsafe {
            match self.plane.stride {
                1 => self.strided_row::<S, E, F, K, 1>(ring, oy),
                2 => self.strided_row::<S, E, F, K, 2>(ring, oy),
                _ => self.row_any::<S, E, F>(ring, oy),
            }
        }
    }

    #[inline(always)]
    unsafe fn strided_row<S: Simd, E: Element, F: Function, const K: usize, const STRIDE: usize>(
        &self,
        ring: &Ring,
        oy: usize,
    ) {
        // SAFETY: the ring has the `K` rows or its row of zeros; the output has row `oy` and, from `first` on, the
        // channels `c`.
        unsafe {
            let p = &self.plane;
            let top = (oy * STRIDE) as isize - p.before[0] as isize;
            let mut rows = [std::ptr::null_mut(); K];
            for (ky, row) in rows.iter_mut().enumerate() {
                *row = ring.row(top + ky as isize, p.height);
            }
            let out = self.out.of::<E>();
            let out = out.add(oy * p.out_width * self.out_stride + self.first);
            let mut c = 0;
            while c < self.channels {
                let from = rows.map(|row| row.add(c / S::LANES * ring.plane).cast_const());
                let to = out.add(c);
                together!(p.out_width, (ox, T) => {
                    self.outputs::<S, E, F, K, STRIDE, T>(&from, to, c, ox);
                });
                c += S::LANES;
            }
        }
    }

    /// `T` neighbouring outputs of a vector of channels, from column `ox`.
    #[inline(always)]
    unsafe fn outputs<
        S: Simd,
        E: Element,
        F: Function,
        const K: usize,
        const STRIDE: usize,
        const T: usize,
    >(
        &self,
        rows: &[*const f32; K],
        out: *mut E,
        c: usize,
        ox: usize,
    ) {
        // SAFETY: `T` outputs from `ox` on are within the row; their taps reach to `padded_width` at most, as long as
        // the ring's rows are. Weights have `K` times `K` rows, the bias every channel.
        unsafe {
            let weights = self.weights.add(self.first + c);
            let mut sums = [S::load(self.bias.add(self.first + c)); T];
            for ky in 0..K {
                let w = taps::<S, K>(weights.add(ky * K * self.weight_row), self.weight_row);
                correlate::<S, K, STRIDE, T>(rows[ky].add(ox * STRIDE * S::LANES), &w, &mut sums);
            }
            for t in 0..T {
                let place = out.add((ox + t) * self.out_stride);
                E::store::<S>(place, F::value::<S, E>(sums[t]));
            }
        }
    }

    #[inline(always)]
    unsafe fn row_any<S: Simd, E: Element, F: Function>(&self, ring: &Ring, oy: usize) {
        // SAFETY: taps of output `ox` reach to `padded_width` at most, as long as the ring's rows are; weights have
        // `kernel` squared rows.
        unsafe {
            let p = &self.plane;
            let top = (oy * p.stride) as isize - p.before[0] as isize;
            let out = self.out.of::<E>();
            let out = out.add(oy * p.out_width * self.out_stride + self.first);
            for ox in 0..p.out_width {
                let mut c = 0;
                while c < self.channels {
                    let plane = c / S::LANES * ring.plane;
                    let mut sum = S::load(self.bias.add(self.first + c));
                    for ky in 0..p.kernel {
                        let row = ring.row(top + ky as isize, p.height);
                        for kx in 0..p.kernel {
                            let x = row.add(plane + (ox * p.stride + kx) * S::LANES);
                            let tap = (ky * p.kernel + kx) * self.weight_row;
                            let w = self.weights.add(tap + self.first + c);
                            sum = S::mul_add(S::load(x), S::load(w), sum);
                        }
                    }
                    E::store::<S>(out.add(ox * self.out_stride + c), F::value::<S, E>(sum));
                    c += S::LANES;
                }
            }
        }
    }

    /// Adds a row to origin, sum and sum of squares (about the plane's first pixel).
    #[inline(always)]
    unsafe fn row_sums<S: Simd, E: Element>(&self, oy: usize, sums: *mut f32) {
        // SAFETY: `sums` has three rows of `BLOCK` values, the block no more channels than that, and row `oy` is
        // written.
        unsafe {
            let p = &self.plane;
            let out = self.out.of::<E>();
            let out = out.add(oy * p.out_width * self.out_stride + self.first);
            let mut c = 0;
            while c < self.channels {
                let origin = E::load::<S>(self.out.of::<E>().add(self.first + c));
                let mut sum = S::load(sums.add(c));
                let mut squares = S::load(sums.add(BLOCK + c));
                for ox in 0..p.out_width {
                    let d = S::sub(E::load::<S>(out.add(ox * self.out_stride + c)), origin);
                    sum = S::add(sum, d);
                    squares = S::mul_add(d, d, squares);
                }
                S::store(sums.add(c), sum);
                S::store(sums.add(BLOCK + c), squares);
                c += S::LANES;
            }
        }
    }

    #[inline(always)]
    unsafe fn finish<S: Simd, E: Element>(&self, sums: *mut f32) {
        // SAFETY: `sums` has three rows of `BLOCK` values; mean and M2 have a value for every channel, of which
        // this task writes its block's.
        unsafe {
            let share = S::splat(1.0 / (self.plane.out_height * self.plane.out_width) as f32);
            let mut c = 0;
            while c < self.channels {
                let origin = E::load::<S>(self.out.of::<E>().add(self.first + c));
                let sum = S::load(sums.add(c));
                let offset = S::mul(sum, share);
                let squares = S::load(sums.add(BLOCK + c));
                S::store(self.mean.add(self.first + c), S::add(origin, offset));
                let m2 = S::at_least(S::sub(squares, S::mul(sum, offset)), 0.0);
                S::store(self.m2.add(self.first + c), m2);
                c += S::LANES;
            }
        }
    }
}
