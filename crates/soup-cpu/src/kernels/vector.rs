//! Short vectors, one an image: linear layers of heads and of squeeze-excite.

use crate::simd::{Element, Kernel, MapKernel, Simd, Values, WIDEST};

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

/// Outputs `first..last` of a linear layer for every image.
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
    pub images: usize,
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
                for image in 0..self.images {
                    let input = self.input.add(image * self.input_stride);
                    *self.output.add(image * self.output_stride + output) =
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
    pub images: usize,
}

impl Kernel for LinearWeights {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller promises matrices of the stated sizes.
        unsafe {
            for output in self.first..self.last {
                for image in 0..self.images {
                    let d = *self.gradient.add(image * self.gradient_stride + output);
                    let input = self.input.add(image * self.input_stride);
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

/// Gradient of one image's input; written or added.
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

/// Adds each column of rows of values to `to`.
pub(crate) struct ColumnSums {
    /// Single precision or the maps' own.
    pub rows: Values,
    pub stride: usize,
    pub pixels: usize,
    pub channels: usize,
    pub to: *mut f32,
}

impl MapKernel for ColumnSums {
    #[inline(always)]
    unsafe fn run<S: Simd, E: Element>(self) {
        // SAFETY: the caller promises rows of `channels` values, a multiple of the channel block.
        unsafe {
            if self.rows.precision() == E::PRECISION {
                self.add::<S, E>();
            } else {
                self.add::<S, f32>();
            }
        }
    }
}

impl ColumnSums {
    #[inline(always)]
    unsafe fn add<S: Simd, T: Element>(&self) {
        // SAFETY: `run` chose `T` by what the rows are; pixels are below `pixels` and `c` below `channels`.
        unsafe {
            let rows = self.rows.of::<T>();
            let mut c = 0;
            while c < self.channels {
                let mut sum = S::load(self.to.add(c));
                for pixel in 0..self.pixels {
                    sum = S::add(sum, T::load::<S>(rows.add(pixel * self.stride + c)));
                }
                S::store(self.to.add(c), sum);
                c += S::LANES;
            }
        }
    }
}

/// `to = from` or `to += from` over `values` values (a multiple of the channel block), either of them in single
/// precision or the maps' own.
pub(crate) struct Convert {
    pub from: Values,
    pub to: Values,
    pub values: usize,
    pub add: bool,
}

impl MapKernel for Convert {
    #[inline(always)]
    unsafe fn run<S: Simd, E: Element>(self) {
        let whole = E::PRECISION;
        // SAFETY: the caller promises `values` values at both.
        unsafe {
            match (self.from.precision() == whole, self.to.precision() == whole) {
                (true, true) => self.convert::<S, E, E>(),
                (true, false) => self.convert::<S, E, f32>(),
                (false, true) => self.convert::<S, f32, E>(),
                (false, false) => self.convert::<S, f32, f32>(),
            }
        }
    }
}

impl Convert {
    #[inline(always)]
    unsafe fn convert<S: Simd, F: Element, T: Element>(&self) {
        // SAFETY: `run` chose `F` and `T` by what `from` and `to` are; `values` is a multiple of the widest vector.
        unsafe {
            let (from, to) = (self.from.of::<F>(), self.to.of::<T>());
            let mut i = 0;
            while i < self.values {
                let mut value = F::load::<S>(from.add(i));
                if self.add {
                    value = S::add(T::load::<S>(to.add(i)), value);
                }
                T::store::<S>(to.add(i), value);
                i += S::LANES;
            }
        }
    }
}

/// Zeroes a gradient wherever the rectified value is not positive.
pub(crate) struct MaskRelu {
    pub value: Values,
    pub gradient: Values,
    pub values: usize,
}

impl MapKernel for MaskRelu {
    #[inline(always)]
    unsafe fn run<S: Simd, E: Element>(self) {
        // SAFETY: the caller promises `values` values (a multiple of the channel block).
        unsafe {
            let (value, gradient) = (self.value.of::<E>(), self.gradient.of::<E>());
            let zero = S::splat(0.0);
            let mut i = 0;
            while i < self.values {
                let place = gradient.add(i);
                let value = E::load::<S>(value.add(i));
                let kept = S::where_positive(value, E::load::<S>(place), zero);
                E::store::<S>(place, kept);
                i += S::LANES;
            }
        }
    }
}

/// Words of two pixels each, from bfloat16 pixels one after the other: what a product over pixels reads on its right.
pub(crate) struct PairPixels {
    /// First pixel.
    pub from: Values,
    pub channels: usize,
    /// The last pixel of an odd number is paired with zeros.
    pub pixels: usize,
    pub to: *mut f32,
}

impl Kernel for PairPixels {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self {
            from,
            channels,
            pixels,
            to,
        } = self;
        // SAFETY: the caller promises pixels of `channels` values, a multiple of the channel block, and room for the
        // words.
        unsafe {
            let zeros = [0u16; 64];
            for pair in 0..pixels.div_ceil(2) {
                let low = from.words().cast::<u16>().add(2 * pair * channels);
                let last = 2 * pair + 1 == pixels;
                for c in (0..channels).step_by(S::LANES) {
                    let high = match last {
                        true => zeros.as_ptr(),
                        false => low.add(channels + c),
                    };
                    S::store(to.add(pair * channels + c), S::pair_bf16(low.add(c), high));
                }
            }
        }
    }
}

/// im2col: for each output pixel the input values that its taps read, `kernel` runs of the padded input's rows, then
/// zeros. For the few channels of an image, which alone do not fill a vector.
pub(crate) struct Unfold {
    /// First value of the first padded row, words of each row, and words from one output's to the next one's.
    pub from: *const f32,
    pub row: usize,
    pub step: usize,
    /// Runs and the words of each.
    pub kernel: usize,
    pub run: usize,
    /// Output rows, the input rows from one to the next, and their pixels.
    pub rows: usize,
    pub stride: usize,
    pub pixels: usize,
    pub to: *mut f32,
    /// Words of an output pixel and pixels of a row, those beyond `pixels` zeros.
    pub words: usize,
    pub width: usize,
}

impl Kernel for Unfold {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller promises rows, and room for the pixels and a vector more. Whole vectors are copied: what
        // they bring beyond a run is overwritten by what comes next.
        unsafe {
            for y in 0..self.rows {
                let from = self.from.add(y * self.stride * self.row);
                let to = self.to.add(y * self.width * self.words);
                for x in 0..self.pixels {
                    let to = to.add(x * self.words);
                    for ky in 0..self.kernel {
                        let from = from.add(ky * self.row + x * self.step);
                        let to = to.add(ky * self.run);
                        for word in (0..self.run).step_by(S::LANES) {
                            S::store(to.add(word), S::load(from.add(word)));
                        }
                    }
                    for word in (self.kernel * self.run..self.words).step_by(S::LANES) {
                        S::store(to.add(word), S::splat(0.0));
                    }
                }
                let rest = (self.width - self.pixels) * self.words;
                std::ptr::write_bytes(to.add(self.pixels * self.words), 0, rest);
            }
        }
    }
}

/// Transposes bfloat16 pixels: a row for each channel holds all pixels, then zeros.
pub(crate) struct TransposePixels {
    /// First pixel.
    pub from: Values,
    /// Values from one row of pixels to the next, and from one pixel to the next.
    pub row: usize,
    pub stride: usize,
    /// Pixels in a row.
    pub width: usize,
    pub channels: usize,
    /// Pixels of all rows.
    pub pixels: usize,
    pub to: *mut f32,
    /// Words from one row of the result to the next.
    pub to_row: usize,
    /// Words that a row of the result gets; enough for the pixels.
    pub words: usize,
}

impl Kernel for TransposePixels {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller promises pixels of `channels` values and room for the words.
        unsafe {
            let zeros = [0u16; 64];
            let from = self.from.words().cast::<u16>().cast_const();
            let (mut pixel, mut y, mut x) = (0, 0, 0);
            for first in (0..self.words).step_by(S::LANES) {
                let lanes = S::LANES.min(self.words - first);
                // Where the pixels of a block of words are.
                let mut places = [std::ptr::null(); 2 * WIDEST];
                for place in &mut places[..2 * S::LANES] {
                    if pixel < self.pixels {
                        *place = from.add(y * self.row + x * self.stride);
                    }
                    (pixel, x) = (pixel + 1, x + 1);
                    if x == self.width {
                        (y, x) = (y + 1, 0);
                    }
                }
                let at = |place: *const u16, c: usize| match place.is_null() {
                    true => zeros.as_ptr(),
                    false => place.add(c),
                };
                let mut c = 0;
                // The image has less channels than a vector, and the last words may be less.
                while lanes == S::LANES && c + S::LANES <= self.channels {
                    let mut block = [[S::splat(0.0); WIDEST]; WIDEST];
                    let block = block.as_mut_ptr().cast::<f32>();
                    for pair in 0..S::LANES {
                        let (low, high) = (places[2 * pair], places[2 * pair + 1]);
                        let words = S::pair_bf16(at(low, c), at(high, c));
                        S::store(block.add(pair * S::LANES), words);
                    }
                    S::transpose(
                        block,
                        S::LANES,
                        self.to.add(c * self.to_row + first),
                        self.to_row,
                    );
                    c += S::LANES;
                }
                for c in c..self.channels {
                    for pair in 0..lanes {
                        let [low, high] = [2 * pair, 2 * pair + 1]
                            .map(|at_pair| u32::from(*at(places[at_pair], c)));
                        let word = f32::from_bits(high << 16 | low);
                        *self.to.add(c * self.to_row + first + pair) = word;
                    }
                }
            }
        }
    }
}
