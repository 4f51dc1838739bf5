//! Mean and M2 (the sum of squared deviations from the mean) of the channels of a chunk of pixels, for batch norm.
//! Chunks are combined as in Chan, Golub and LeVeque, "Algorithms for computing the sample variance" (1983).

use crate::simd::{Element, MapKernel, Simd, Values};

/// Writes mean and M2 of each channel over `pixels` pixels.
///
/// Sums run over the difference from the first pixel, so that a large mean costs no precision.
pub(crate) struct ChunkStatistics {
    pub raw: Values,
    pub stride: usize,
    pub channels: usize,
    pub pixels: usize,
    /// Means, one a channel.
    pub mean: *mut f32,
    /// Sums of squared deviations from the mean, one a channel.
    pub m2: *mut f32,
}

impl MapKernel for ChunkStatistics {
    #[inline(always)]
    unsafe fn run<S: Simd, E: Element>(self) {
        // SAFETY: the caller promises valid rows of `channels` values.
        unsafe {
            let mut c = 0;
            while c + 2 * S::LANES <= self.channels {
                self.block::<S, E, 2>(c);
                c += 2 * S::LANES;
            }
            while c < self.channels {
                self.block::<S, E, 1>(c);
                c += S::LANES;
            }
        }
    }
}

impl ChunkStatistics {
    #[inline(always)]
    unsafe fn block<S: Simd, E: Element, const N: usize>(&self, c: usize) {
        // SAFETY: `N` vectors from channel `c` on are below `channels`, in every pixel and in both rows of
        // statistics.
        unsafe {
            let first = self.raw.of::<E>().add(c);
            let mut origin = [S::splat(0.0); N];
            for n in 0..N {
                origin[n] = E::load::<S>(first.add(n * S::LANES));
            }
            let mut sum = [S::splat(0.0); N];
            let mut squares = [S::splat(0.0); N];
            for pixel in 0..self.pixels {
                let raw = first.add(pixel * self.stride);
                for n in 0..N {
                    let d = S::sub(E::load::<S>(raw.add(n * S::LANES)), origin[n]);
                    sum[n] = S::add(sum[n], d);
                    squares[n] = S::mul_add(d, d, squares[n]);
                }
            }
            let share = S::splat(1.0 / self.pixels as f32);
            for n in 0..N {
                let offset = S::mul(sum[n], share);
                let at = c + n * S::LANES;
                S::store(self.mean.add(at), S::add(origin[n], offset));
                let m2 = S::sub(squares[n], S::mul(sum[n], offset));
                S::store(self.m2.add(at), S::at_least(m2, 0.0));
            }
        }
    }
}
