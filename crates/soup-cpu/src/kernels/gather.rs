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

/// Gathers the sums over the pixels of one picture, or adds to them.
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

impl MapKernel for Gather {
    #[inline(always)]
    unsafe fn run<S: Simd, E: Element>(self) {
        // SAFETY: the caller promises valid rows of `channels` values.
        unsafe {
            with_function!(self.view.activation, F => match self.sums {
                Sums::Norm => self.norm::<S, E, F>(),
                Sums::Gated => self.gated::<S, E, F>(),
            });
        }
    }
}

impl Gather {
    #[inline(always)]
    unsafe fn norm<S: Simd, E: Element, F: Function>(&self) {
        // SAFETY: as for the kernel.
        unsafe {
            let (raws, denses) = (self.view.raw.of::<E>(), self.dense.of::<E>());
            let mut c = 0;
            while c < self.channels {
                let [scale, shift, mean, inverse] =
                    [0, 1, 2, 3].map(|row| S::load(self.view.norm.row(row).add(c)));
                let gate = S::load(self.view.gate.add(c));
                let pooled = S::load(self.pooled.add(c));
                let mut sum = S::splat(0.0);
                let mut product = S::splat(0.0);
                for pixel in 0..self.pixels {
                    let at = pixel * self.view.stride + c;
                    let raw = E::load::<S>(raws.add(at));
                    let slope = F::both::<S, E>(S::mul_add(raw, scale, shift)).1;
                    let da = S::mul_add(E::load::<S>(denses.add(at)), gate, pooled);
                    let dy = S::mul(da, slope);
                    if self.premultiply {
                        E::store::<S>(denses.add(at), dy);
                    }
                    sum = S::add(sum, dy);
                    product = S::mul_add(dy, S::mul(S::sub(raw, mean), inverse), product);
                }
                S::store(self.to.add(c), sum);
                S::store(self.to.add(self.row + c), product);
                c += S::LANES;
            }
        }
    }

    #[inline(always)]
    unsafe fn gated<S: Simd, E: Element, F: Function>(&self) {
        // SAFETY: as for the kernel.
        unsafe {
            let (raws, denses) = (self.view.raw.of::<E>(), self.dense.of::<E>());
            let mut c = 0;
            while c < self.channels {
                let [scale, shift, mean, inverse] =
                    [0, 1, 2, 3].map(|row| S::load(self.view.norm.row(row).add(c)));
                let mut sums = [S::splat(0.0); SUM_ROWS];
                for pixel in 0..self.pixels {
                    let at = pixel * self.view.stride + c;
                    let raw = E::load::<S>(raws.add(at));
                    let (value, slope) = F::both::<S, E>(S::mul_add(raw, scale, shift));
                    let dense = E::load::<S>(denses.add(at));
                    let hat = S::mul(S::sub(raw, mean), inverse);
                    let d = S::mul(dense, slope);
                    sums[0] = S::add(sums[0], d);
                    sums[1] = S::mul_add(d, hat, sums[1]);
                    sums[2] = S::mul_add(dense, value, sums[2]);
                    sums[3] = S::add(sums[3], slope);
                    sums[4] = S::mul_add(slope, hat, sums[4]);
                }
                for (row, sum) in sums.into_iter().enumerate() {
                    S::store(self.to.add(row * self.row + c), sum);
                }
                c += S::LANES;
            }
        }
    }
}
