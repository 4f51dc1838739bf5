//! The gradients of data and weights.

use super::{BLOCK, MANY, Plane, Ring, SOME, correlate, fill_row, taps, together};
use crate::kernels::view::{FillGradient, PixelGradient, PixelView};
use crate::simd::{Element, MapKernel, Simd, Values};

/// Runs `$method::<S, E, K>` for the kernel sizes that are unrolled, else `$other`.
macro_rules! by_kernel {
    ($self:ident, $size:expr, $method:ident, $any:ident, ($($argument:expr),*)) => {
        match $size {
            3 => $self.$method::<S, E, 3>($($argument),*),
            5 => $self.$method::<S, E, 5>($($argument),*),
            _ => $self.$any::<S, E>($($argument),*),
        }
    };
}

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

/// Backward: gradients of data and weights, and the sums of the input's batch norm.
pub(crate) struct DepthwiseBackward {
    pub plane: Plane,
    /// Gradient of the output, from its first pixel.
    pub gradient: PixelGradient,
    /// Input, from its first pixel.
    pub view: PixelView,
    pub first: usize,
    pub channels: usize,
    pub weights: *const f32,
    pub weight_row: usize,
    /// Gradient of the view (or of the norm's output where `sums` is given); nothing where not wanted.
    pub data: Option<Values>,
    pub accumulate: bool,
    /// This picture's gradient of the weights, laid out as the weights; written, not added.
    pub weight_gradient: *mut f32,
    /// This picture's gradient of the bias; null where there is none.
    pub bias_gradient: *mut f32,
    /// Two rows of `sums_row` values: `sum dy`, `sum dy xhat`; null where not wanted. With it, `data` is
    /// multiplied by the activation's derivative.
    pub sums: *mut f32,
    pub sums_row: usize,
    pub scratch: *mut f32,
}

impl MapKernel for DepthwiseBackward {
    #[inline(always)]
    unsafe fn run<S: Simd, E: Element>(self) {
        // SAFETY: the caller promises buffers of the plane's sizes and scratch as `Plane::scratch`.
        unsafe {
            let p = self.plane;
            let taps = p.kernel * p.kernel;
            let rows = p.ring_rows();
            let area = (p.ring_rows() + 1) * p.padded_width() * BLOCK;
            let ring = |offset: usize, widths: [usize; 2], padding: usize| {
                let base = self.scratch.add(offset);
                Ring::new::<S>(base, rows, self.channels, widths, padding)
            };
            let widths = [p.padded_width(), p.width];
            let values = ring(0, widths, p.padding);
            let slopes = ring(area, widths, p.padding);
            let gradients = ring(2 * area, [p.gradient_width(), p.out_width], p.kernel);
            let wants_slope = !self.sums.is_null();
            for tap in 0..taps {
                let to = self.weight_gradient.add(tap * self.weight_row + self.first);
                std::ptr::write_bytes(to, 0, self.channels);
            }
            if !self.bias_gradient.is_null() {
                std::ptr::write_bytes(self.bias_gradient.add(self.first), 0, self.channels);
            }
            if wants_slope {
                for row in 0..2 {
                    let to = self.sums.add(row * self.sums_row + self.first);
                    std::ptr::write_bytes(to, 0, self.channels);
                }
            }
            let (mut next, mut done) = (0, 0);
            for oy in 0..p.out_height {
                self.fill_gradient_row::<S, E>(&gradients, oy);
                let top = (oy * p.stride) as isize - p.padding as isize;
                // Rows of the input that no later output row reads.
                let complete = if oy + 1 == p.out_height {
                    p.height
                } else {
                    (((oy + 1) * p.stride).saturating_sub(p.padding)).min(p.height)
                };
                let last = (top + p.kernel as isize - 1)
                    .max(complete as isize - 1)
                    .min(p.height as isize - 1);
                while (next as isize) <= last {
                    let slope = wants_slope.then_some(&slopes);
                    fill_row::<S, E>(
                        &self.view,
                        &p,
                        &values,
                        next,
                        self.first,
                        self.channels,
                        slope,
                    );
                    next += 1;
                }
                by_kernel!(
                    self,
                    p.kernel,
                    weight_row,
                    weight_row_any,
                    (&values, &gradients, oy)
                );
                if let Some(data) = self.data {
                    let data = data.of::<E>();
                    while done < complete {
                        by_kernel!(
                            self,
                            p.kernel,
                            data_row,
                            data_row_any,
                            (data, &gradients, &slopes, done)
                        );
                        done += 1;
                    }
                }
            }
        }
    }
}

impl DepthwiseBackward {
    #[inline(always)]
    unsafe fn fill_gradient_row<S: Simd, E: Element>(&self, gradients: &Ring, oy: usize) {
        // SAFETY: as for the kernel.
        unsafe {
            let p = &self.plane;
            let view = self.gradient.view;
            let at = oy * p.out_width * view.stride;
            let to = gradients.pixels(oy);
            FillGradient {
                gradient: PixelGradient {
                    view: PixelView {
                        raw: view.raw.add(at),
                        ..view
                    },
                    dense: self.gradient.dense.add(at),
                    ..self.gradient
                },
                first: self.first,
                channels: self.channels,
                pixels: p.out_width,
                to: Values::floats(to),
                to_stride: S::LANES,
                to_plane: Some(gradients.plane),
                accumulate: false,
            }
            .run::<S, E>();
            if !self.bias_gradient.is_null() {
                let mut c = 0;
                while c < self.channels {
                    let place = self.bias_gradient.add(self.first + c);
                    let plane = c / S::LANES * gradients.plane;
                    let mut sum = S::load(place);
                    for ox in 0..p.out_width {
                        sum = S::add(sum, S::load(to.add(plane + ox * S::LANES)));
                    }
                    S::store(place, sum);
                    c += S::LANES;
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn weight_row<S: Simd, E: Element, const K: usize>(
        &self,
        values: &Ring,
        gradients: &Ring,
        oy: usize,
    ) {
        // SAFETY: as for the kernel.
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
        // SAFETY: as for the kernel.
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
        // SAFETY: as for the kernel.
        unsafe {
            let p = &self.plane;
            let vector = c / S::LANES;
            let slot = self.weight_gradient.add(self.first + c);
            let slot = slot.add(ky * K * self.weight_row);
            let top = (oy * STRIDE + ky) as isize - p.padding as isize;
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
    unsafe fn weight_row_any<S: Simd, E: Element>(
        &self,
        values: &Ring,
        gradients: &Ring,
        oy: usize,
    ) {
        // SAFETY: as for the kernel.
        unsafe {
            let p = &self.plane;
            let top = (oy * p.stride) as isize - p.padding as isize;
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

    /// The gradient rows that input row `y` meets at each tap; the row of zeros where there is none.
    #[inline(always)]
    unsafe fn gradient_row(&self, gradients: &Ring, y: usize, ky: usize) -> *mut f32 {
        // SAFETY: as for the kernel.
        unsafe {
            let p = &self.plane;
            let from = (y + p.padding) as isize - ky as isize;
            let row = if from < 0 || !(from as usize).is_multiple_of(p.stride) {
                -1
            } else {
                from / p.stride as isize
            };
            gradients.row(row, p.out_height).add(gradients.left)
        }
    }

    #[inline(always)]
    unsafe fn data_row<S: Simd, E: Element, const K: usize>(
        &self,
        data: *mut E,
        gradients: &Ring,
        slopes: &Ring,
        y: usize,
    ) {
        // SAFETY: as for the kernel; columns beyond the output are zeros of the ring's padding.
        unsafe {
            if self.plane.stride > 2 {
                return self.data_row_any::<S, E>(data, gradients, slopes, y);
            }
            let p = &self.plane;
            let mut c = 0;
            while c < self.channels {
                let mut row = self.finished::<S, E>(data, slopes, y, c);
                // Columns of one parity meet the same taps; a name a number of taps, as they must be known.
                for first in 0..p.stride.min(p.width) {
                    let start = (first + p.padding) % p.stride;
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
        // SAFETY: as for the kernel.
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
        // SAFETY: as for the kernel.
        unsafe {
            let p = &self.plane;
            let vector = (c / S::LANES * gradients.plane) as isize;
            // The last tap that a column meets reads the first value.
            let kx = (first + p.padding) % p.stride;
            let at = ((first + p.padding) / p.stride + done) as isize - (N as isize - 1);
            let mut sums = [S::splat(0.0); T];
            let mut ky = (y + p.padding) % p.stride;
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
        // SAFETY: as for the kernel.
        unsafe {
            let p = &self.plane;
            for ky in 0..p.kernel {
                let row = self.gradient_row(gradients, y, ky);
                for kx in 0..p.kernel {
                    let from = (x + p.padding) as isize - kx as isize;
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
    unsafe fn data_row_any<S: Simd, E: Element>(
        &self,
        data: *mut E,
        gradients: &Ring,
        slopes: &Ring,
        y: usize,
    ) {
        // SAFETY: as for the kernel.
        unsafe {
            let mut c = 0;
            while c < self.channels {
                let mut row = self.finished::<S, E>(data, slopes, y, c);
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
        slopes: &Ring,
        y: usize,
        c: usize,
    ) -> FinishedRow<S, E> {
        // SAFETY: as for the kernel.
        unsafe {
            let channel = self.first + c;
            let at = y * self.plane.width * self.view.stride + channel;
            let mut row = FinishedRow {
                to: data.add(at),
                stride: self.view.stride,
                accumulate: self.accumulate,
                raw: self.view.raw.of::<E>().add(at),
                slopes: std::ptr::null(),
                mean: S::splat(0.0),
                inverse: S::splat(0.0),
                sums: [std::ptr::null_mut(); 2],
                sum: S::splat(0.0),
                product: S::splat(0.0),
            };
            if !self.sums.is_null() {
                row.slopes = slopes.pixels(y).add(c / S::LANES * slopes.plane);
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
    slopes: *const f32,
    mean: S::V,
    inverse: S::V,
    sums: [*mut f32; 2],
    sum: S::V,
    product: S::V,
}

impl<S: Simd, E: Element> FinishedRow<S, E> {
    #[inline(always)]
    unsafe fn put(&mut self, x: usize, mut value: S::V) {
        // SAFETY: as for the kernel; `x` is below the plane's width.
        unsafe {
            let place = self.to.add(x * self.stride);
            if self.accumulate {
                value = S::add(E::load::<S>(place), value);
            }
            if !self.slopes.is_null() {
                value = S::mul(value, S::load(self.slopes.add(x * S::LANES)));
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
        if self.slopes.is_null() {
            return;
        }
        // SAFETY: as for the kernel.
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
