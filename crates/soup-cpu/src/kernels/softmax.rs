//! Softmax over the places of a map, channel by channel.

use super::activation::exp;
use crate::simd::{Kernel, Simd};

/// Smaller exponents are 0 in all but name.
const LEAST_EXPONENT: f32 = -87.0;

/// What the weights `exp(sharpness (x - peak))` of a channel's places come to.
pub(crate) struct Totals {
    pub values: *const f32,
    /// Values from one place to the next: channels in whole vectors.
    pub stride: usize,
    pub places: usize,
    pub sharpness: f32,
    /// Three rows of `stride` values: the value with the largest exponent, the sum of the weights, and the sum of
    /// `weight (x - peak)`.
    pub to: *mut f32,
}

impl Kernel for Totals {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller promises a map of this size and room for three rows.
        unsafe {
            let sharpness = S::splat(self.sharpness);
            for c in (0..self.stride).step_by(S::LANES) {
                let value = |place: usize| S::load(self.values.add(place * self.stride + c));
                let mut peak = value(0);
                for place in 1..self.places {
                    peak = match self.sharpness < 0.0 {
                        true => S::min(peak, value(place)),
                        false => S::max(peak, value(place)),
                    };
                }
                let mut total = S::splat(0.0);
                let mut weighted = S::splat(0.0);
                for place in 0..self.places {
                    let above = S::sub(value(place), peak);
                    let weight = weight::<S>(S::mul(sharpness, above));
                    total = S::add(total, weight);
                    weighted = S::mul_add(weight, above, weighted);
                }
                for (row, sum) in [peak, total, weighted].into_iter().enumerate() {
                    S::store(self.to.add(row * self.stride + c), sum);
                }
            }
        }
    }
}

/// `factor exp(sharpness (x - peak))` of every place.
pub(crate) struct Weights {
    pub values: *const f32,
    pub stride: usize,
    pub places: usize,
    pub sharpness: f32,
    /// One value a channel.
    pub peak: *const f32,
    pub factor: *const f32,
    /// Laid out as the values.
    pub to: *mut f32,
}

impl Kernel for Weights {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller promises two maps of this size and a row each of peaks and factors.
        unsafe {
            let sharpness = S::splat(self.sharpness);
            for c in (0..self.stride).step_by(S::LANES) {
                let (peak, factor) = (S::load(self.peak.add(c)), S::load(self.factor.add(c)));
                for place in 0..self.places {
                    let at = place * self.stride + c;
                    let above = S::sub(S::load(self.values.add(at)), peak);
                    let weight = weight::<S>(S::mul(sharpness, above));
                    S::store(self.to.add(at), S::mul(factor, weight));
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn weight<S: Simd>(exponent: S::V) -> S::V {
    // SAFETY: no pointers; the instruction set is the caller's promise.
    unsafe { exp::<S, f32>(S::max(exponent, S::splat(LEAST_EXPONENT))) }
}
