//! The sums that batch norm and gates need of a gradient that reached a view.

use super::activation::{Function, with_function};
use super::view::PixelView;
use crate::simd::{Element, MapKernel, Simd, Values};

/// Rows of a chunk's sums, each one value a channel.
pub(crate) const SUM_ROWS: usize = 5;

/// Which sums are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sums {
    /// Rows 0 and 1: `sum dy`, `sum dy xhat`, with `dy = (dense gate + pooled) act'`.
    Norm,
    /// Without gate and pooled applied, so that they may be known later:
    /// 0 `sum dense act'`, 1 `sum dense act' xhat`, 2 `sum dense act`, 3 `sum act'`, 4 `sum act' xhat`.
    Gated,
}

/// Gathers the sums over the pixels of one image, or adds to them.
pub(crate) struct Gather {
    pub view: PixelView,
    pub dense: Values,
    pub pooled: *const f32,
    pub channels: usize,
    pub pixels: usize,
    pub sums: Sums,
    /// Whether `dense` is multiplied by `act'` in place (only with [`Sums::Norm`]).
    pub premultiply: bool,
    /// `SUM_ROWS` rows of `row` values.
    pub to: *mut f32,
    pub row: usize,
}

/// Pixels whose values of a vector of channels are added up in registers: memory is walked pixel by pixel, which
/// prefetching follows, and sums are read and written once for so many.
const PIXELS: usize = 4;

impl MapKernel for Gather {
    #[inline(always)]
    unsafe fn run<S: Simd, E: Element>(self) {
        // SAFETY: the caller promises valid rows of `channels` values.
        unsafe {
            let rows = match self.sums {
                Sums::Norm => 2,
                Sums::Gated => SUM_ROWS,
            };
            for row in 0..rows {
                std::ptr::write_bytes(self.to.add(row * self.row), 0, self.channels);
            }
            with_function!(self.view.activation, F => {
                let mut pixel = 0;
                while pixel + PIXELS <= self.pixels {
                    self.block::<S, E, F, PIXELS>(pixel);
                    pixel += PIXELS;
                }
                while pixel < self.pixels {
                    self.block::<S, E, F, 1>(pixel);
                    pixel += 1;
                }
            });
        }
    }
}

impl Gather {
    /// All channels of `T` pixels.
    #[inline(always)]
    unsafe fn block<S: Simd, E: Element, F: Function, const T: usize>(&self, first: usize) {
        // SAFETY: pixels `first` to `first + T` are below `pixels`, `c` below `channels`, a multiple of the widest
        // vector.
        unsafe {
            let stride = self.view.stride;
            let raw = self.view.raw.of::<E>().add(first * stride);
            let dense = self.dense.of::<E>().add(first * stride);
            for c in (0..self.channels).step_by(S::LANES) {
                let (raw, dense) = (raw.add(c), dense.add(c));
                match self.sums {
                    Sums::Norm => self.norm::<S, E, F, T>(raw, dense, c),
                    Sums::Gated => self.gated::<S, E, F, T>(raw, dense, c),
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn norm<S: Simd, E: Element, F: Function, const T: usize>(
        &self,
        raw: *const E,
        dense: *mut E,
        c: usize,
    ) {
        // SAFETY: `T` pixels from both pointers on are there, `stride` values apart; norm, gate, `pooled` and the
        // sums have a vector at `c`.
        unsafe {
            let [scale, shift, mean, inverse] =
                [0, 1, 2, 3].map(|row| S::load(self.view.norm.row(row).add(c)));
            let gate = S::load(self.view.gate.add(c));
            let pooled = S::load(self.pooled.add(c));
            let mut sums = self.load::<S, 2>(c);
            for t in 0..T {
                let at = t * self.view.stride;
                let raw = E::load::<S>(raw.add(at));
                let derivative = F::both::<S, E>(S::mul_add(raw, scale, shift)).1;
                let da = S::mul_add(E::load::<S>(dense.add(at)), gate, pooled);
                let dy = S::mul(da, derivative);
                if self.premultiply {
                    E::store::<S>(dense.add(at), dy);
                }
                sums[0] = S::add(sums[0], dy);
                sums[1] = S::mul_add(dy, S::mul(S::sub(raw, mean), inverse), sums[1]);
            }
            self.store::<S, 2>(c, sums);
        }
    }

    #[inline(always)]
    unsafe fn gated<S: Simd, E: Element, F: Function, const T: usize>(
        &self,
        raw: *const E,
        dense: *const E,
        c: usize,
    ) {
        // SAFETY: `T` pixels from both pointers on are there, `stride` values apart; norm and sums have a vector at
        // `c`.
        unsafe {
            let [scale, shift, mean, inverse] =
                [0, 1, 2, 3].map(|row| S::load(self.view.norm.row(row).add(c)));
            let mut sums = self.load::<S, SUM_ROWS>(c);
            for t in 0..T {
                let at = t * self.view.stride;
                let raw = E::load::<S>(raw.add(at));
                let (value, derivative) = F::both::<S, E>(S::mul_add(raw, scale, shift));
                let dense = E::load::<S>(dense.add(at));
                let hat = S::mul(S::sub(raw, mean), inverse);
                let d = S::mul(dense, derivative);
                sums[0] = S::add(sums[0], d);
                sums[1] = S::mul_add(d, hat, sums[1]);
                sums[2] = S::mul_add(dense, value, sums[2]);
                sums[3] = S::add(sums[3], derivative);
                sums[4] = S::mul_add(derivative, hat, sums[4]);
            }
            self.store::<S, SUM_ROWS>(c, sums);
        }
    }

    #[inline(always)]
    unsafe fn load<S: Simd, const ROWS: usize>(&self, c: usize) -> [S::V; ROWS] {
        // SAFETY: `to` has at least `ROWS` rows of `row` values, and `c` is a vector of one.
        unsafe {
            let mut sums = [S::splat(0.0); ROWS];
            for row in 0..ROWS {
                sums[row] = S::load(self.to.add(row * self.row + c));
            }
            sums
        }
    }

    #[inline(always)]
    unsafe fn store<S: Simd, const ROWS: usize>(&self, c: usize, sums: [S::V; ROWS]) {
        // SAFETY: `to` has at least `ROWS` rows of `row` values, and `c` is a vector of one.
        unsafe {
            for row in 0..ROWS {
                S::store(self.to.add(row * self.row + c), sums[row]);
            }
        }
    }
}
