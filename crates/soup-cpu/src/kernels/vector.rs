//! Short vectors, one a picture: linear layers of heads and of squeeze-excite.

use crate::simd::{Kernel, Simd};

/// Dot product of two runs of `n` values.
#[inline(always)]
unsafe fn dot<S: Simd>(a: *const f32, b: *const f32, n: usize) -> f32 {
    // SAFETY: the caller promises `n` values at both pointers.
    unsafe {
        let mut sums = [S::splat(0.0); 4];
        let mut i = 0;
        while i + 4 * S::LANES <= n {
            for (lane, sum) in sums.iter_mut().enumerate() {
                let at = i + lane * S::LANES;
                *sum = S::mul_add(S::load(a.add(at)), S::load(b.add(at)), *sum);
            }
            i += 4 * S::LANES;
        }
        while i + S::LANES <= n {
            sums[0] = S::mul_add(S::load(a.add(i)), S::load(b.add(i)), sums[0]);
            i += S::LANES;
        }
        let mut sum = S::sum(S::add(S::add(sums[0], sums[1]), S::add(sums[2], sums[3])));
        while i < n {
            sum += *a.add(i) * *b.add(i);
            i += 1;
        }
        sum
    }
}

/// `to += factor * from` over `n` values.
#[inline(always)]
unsafe fn add_scaled<S: Simd>(to: *mut f32, from: *const f32, factor: f32, n: usize) {
    // SAFETY: the caller promises `n` values at both pointers.
    unsafe {
        let factors = S::splat(factor);
        let mut i = 0;
        while i + S::LANES <= n {
            let place = to.add(i);
            S::store(
                place,
                S::mul_add(factors, S::load(from.add(i)), S::load(place)),
            );
            i += S::LANES;
        }
        while i < n {
            *to.add(i) += factor * *from.add(i);
            i += 1;
        }
    }
}

/// Outputs `first..last` of a linear layer for every picture.
pub(crate) struct LinearForward {
    pub input: *const f32,
    pub input_stride: usize,
    pub inputs: usize,
    pub weights: *const f32,
    /// One value an output, or null.
    pub bias: *const f32,
    pub output: *mut f32,
    pub output_stride: usize,
    pub first: usize,
    pub last: usize,
    pub pictures: usize,
}

impl Kernel for LinearForward {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller promises matrices of the stated sizes.
        unsafe {
            for output in self.first..self.last {
                let weights = self.weights.add(output * self.inputs);
                let bias = if self.bias.is_null() {
                    0.0
                } else {
                    *self.bias.add(output)
                };
                for picture in 0..self.pictures {
                    let input = self.input.add(picture * self.input_stride);
                    *self.output.add(picture * self.output_stride + output) =
                        bias + dot::<S>(input, weights, self.inputs);
                }
            }
        }
    }
}

/// Gradient of the weights (and bias) of outputs `first..last`; added to what is there.
pub(crate) struct LinearWeights {
    pub input: *const f32,
    pub input_stride: usize,
    pub inputs: usize,
    pub gradient: *const f32,
    pub gradient_stride: usize,
    pub weights: *mut f32,
    /// One value an output, or null.
    pub bias: *mut f32,
    pub first: usize,
    pub last: usize,
    pub pictures: usize,
}

impl Kernel for LinearWeights {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller promises matrices of the stated sizes.
        unsafe {
            for output in self.first..self.last {
                for picture in 0..self.pictures {
                    let d = *self.gradient.add(picture * self.gradient_stride + output);
                    let input = self.input.add(picture * self.input_stride);
                    let weights = self.weights.add(output * self.inputs);
                    add_scaled::<S>(weights, input, d, self.inputs);
                    if !self.bias.is_null() {
                        *self.bias.add(output) += d;
                    }
                }
            }
        }
    }
}

/// Gradient of one picture's input; written or added.
pub(crate) struct LinearInput {
    pub gradient: *const f32,
    pub outputs: usize,
    pub weights: *const f32,
    pub to: *mut f32,
    pub inputs: usize,
    pub accumulate: bool,
}

impl Kernel for LinearInput {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller promises matrices of the stated sizes.
        unsafe {
            if !self.accumulate {
                std::ptr::write_bytes(self.to, 0, self.inputs);
            }
            for output in 0..self.outputs {
                let d = *self.gradient.add(output);
                let weights = self.weights.add(output * self.inputs);
                add_scaled::<S>(self.to, weights, d, self.inputs);
            }
        }
    }
}

/// Mean over the pixels of one picture of a filled view: adds `pixels` rows to `to`, then scales.
pub(crate) struct ColumnSums {
    pub rows: *const f32,
    pub stride: usize,
    pub pixels: usize,
    pub channels: usize,
    pub to: *mut f32,
}

impl Kernel for ColumnSums {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller promises rows of `channels` values, a multiple of the channel block.
        unsafe {
            let mut c = 0;
            while c < self.channels {
                let mut sum = S::load(self.to.add(c));
                for pixel in 0..self.pixels {
                    sum = S::add(sum, S::load(self.rows.add(pixel * self.stride + c)));
                }
                S::store(self.to.add(c), sum);
                c += S::LANES;
            }
        }
    }
}

/// `to = a + b` or `to *= ...` style passes over whole buffers are cheap beside convolutions; the
/// few that exist are here.
pub(crate) struct AddInto {
    pub from: *const f32,
    pub to: *mut f32,
    pub values: usize,
}

impl Kernel for AddInto {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller promises `values` values at both pointers.
        unsafe { add_scaled::<S>(self.to, self.from, 1.0, self.values) }
    }
}

/// Zeroes a gradient wherever the rectified value is not positive.
pub(crate) struct MaskRelu {
    pub value: *const f32,
    pub gradient: *mut f32,
    pub values: usize,
}

impl Kernel for MaskRelu {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller promises `values` values (a multiple of the channel block).
        unsafe {
            let zero = S::splat(0.0);
            let mut i = 0;
            while i < self.values {
                let place = self.gradient.add(i);
                let value = S::load(self.value.add(i));
                S::store(place, S::where_positive(value, S::load(place), zero));
                i += S::LANES;
            }
        }
    }
}
