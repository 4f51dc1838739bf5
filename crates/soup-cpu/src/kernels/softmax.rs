//! Softmax over the places of a map, channel by channel.

use super::activation::exp;
use crate::simd::{Kernel, Simd};

/// Smaller exponents are 0 in all but name.
const LEAST_EXPONENT: f32 = -87.0;

/// A map whose places weigh `exp(sharpness (x - peak))` in each channel.
#[derive(Clone, Copy)]
pub(crate) struct Places {
    pub values: *const f32,
    /// Values from one place to the next: channels in whole vectors.
    pub stride: usize,
    pub count: usize,
    pub sharpness: f32,
}

/// What the weights of a channel's places come to.
pub(crate) struct Totals {
    pub places: Places,
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
            let Places {
                values,
                stride,
                count,
                sharpness,
            } = self.places;
            for c in (0..stride).step_by(S::LANES) {
                let value = |place: usize| S::load(values.add(place * stride + c));
                let mut peak = value(0);
                for place in 1..count {
                    peak = match sharpness < 0.0 {
                        true => S::min(peak, value(place)),
                        false => S::max(peak, value(place)),
                    };
                }
                let mut total = S::splat(0.0);
                let mut weighted = S::splat(0.0);
                for place in 0..count {
                    let above = S::sub(value(place), peak);
                    let weight = weight::<S>(above, sharpness);
                    total = S::add(total, weight);
                    weighted = S::mul_add(weight, above, weighted);
                }
                for (row, sum) in [peak, total, weighted].into_iter().enumerate() {
                    S::store(self.to.add(row * stride + c), sum);
                }
            }
        }
    }
}

/// The weight of every place, times a factor.
pub(crate) struct Weights {
    pub places: Places,
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
            let Places {
                values,
                stride,
                count,
                sharpness,
            } = self.places;
            for c in (0..stride).step_by(S::LANES) {
                let (peak, factor) = (S::load(self.peak.add(c)), S::load(self.factor.add(c)));
                for place in 0..count {
                    let at = place * stride + c;
                    let above = S::sub(S::load(values.add(at)), peak);
                    let weight = weight::<S>(above, sharpness);
                    S::store(self.to.add(at), S::mul(factor, weight));
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn weight<S: Simd>(above: S::V, sharpness: f32) -> S::V {
    // SAFETY: no pointers; the instruction set is the caller's promise.
    unsafe {
        let exponent = S::mul(S::splat(sharpness), above);
        exp::<S, f32>(S::at_least(exponent, LEAST_EXPONENT))
    }
}
