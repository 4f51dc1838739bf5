//! Depthwise convolution of one picture and one block of channels, rows streamed through a ring.
//!
//! Rows are read through the pending transform once, into a ring of padded rows that stays in
//! cache; the raw output and its statistics (forward), or the gradients of data and weights with the
//! sums that the next batch norm needs (backward), are made from the ring.

use soup_graph::Activation;

use super::activation::{Function, Identity, Silu, with_function};
use super::view::{Fill, FillGradient, PixelGradient, PixelView};
use crate::simd::{Element, MapKernel, Simd, Values};

/// Largest number of channels that one task takes.
pub(crate) const BLOCK: usize = 64;

/// Sizes of a depthwise convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plane {
    pub height: usize,
    pub width: usize,
    pub out_height: usize,
    pub out_width: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
}

impl Plane {
    /// `height x width`, kernel and stride.
    pub(crate) fn describe(&self, channels: usize) -> String {
        format!(
            "{channels}x{}x{} by {}/{}",
            self.height, self.width, self.kernel, self.stride
        )
    }

    /// Of one picture.
    pub(crate) fn multiply_adds(&self, channels: usize) -> usize {
        self.out_height * self.out_width * self.kernel * self.kernel * channels
    }

    fn ring_rows(&self) -> usize {
        self.kernel + self.stride
    }

    fn padded_width(&self) -> usize {
        // The last output column reads up to this; a little more than both paddings at stride 2.
        (self.width + 2 * self.padding).max((self.out_width - 1) * self.stride + self.kernel)
    }

    fn gradient_width(&self) -> usize {
        self.out_width.max(self.width.div_ceil(self.stride)) + 2 * self.kernel
    }

    /// Values of scratch that a task needs.
    pub(crate) fn scratch(&self, backward: bool) -> usize {
        let input = (self.ring_rows() + 1) * self.padded_width() * BLOCK;
        if backward {
            2 * input + (self.ring_rows() + 1) * self.gradient_width() * BLOCK + 2 * BLOCK
        } else {
            input + 3 * BLOCK
        }
    }
}

/// Rows of a map read through a view, padded left and right with zeros. A row stands vector of
/// channels by vector of channels, so that a loop over its pixels reads memory end to end.
#[derive(Clone, Copy)]
struct Ring {
    base: *mut f32,
    rows: usize,
    /// Values from one row to the next.
    row: usize,
    /// Values from one vector of channels to the next.
    plane: usize,
    /// Values before the first pixel of a plane.
    left: usize,
}

impl Ring {
    /// A ring for rows of `pixels` pixels, in rows of `width` with their padding. Only what no pixel will stand on is
    /// zeroed: small maps have more of it than of pixels.
    ///
    /// # Safety
    /// `base` must have room for `rows + 1` rows.
    unsafe fn new<S: Simd>(
        base: *mut f32,
        rows: usize,
        channels: usize,
        [width, pixels]: [usize; 2],
        padding: usize,
    ) -> Self {
        let ring = Self {
            base,
            rows,
            row: width * channels,
            plane: width * S::LANES,
            left: padding * S::LANES,
        };
        // SAFETY: as promised.
        unsafe {
            let end = ring.left + pixels * S::LANES;
            for row in 0..rows {
                for vector in 0..channels / S::LANES {
                    let plane = base.add(row * ring.row + vector * ring.plane);
                    std::ptr::write_bytes(plane, 0, ring.left);
                    std::ptr::write_bytes(plane.add(end), 0, ring.plane - end);
                }
            }
            std::ptr::write_bytes(base.add(rows * ring.row), 0, ring.row);
        }
        ring
    }

    /// Start of the row's padding; row `y` of the map, or the row of zeros.
    #[inline(always)]
    unsafe fn row(&self, y: isize, height: usize) -> *mut f32 {
        // SAFETY: the slot is below `rows + 1`.
        unsafe {
            let slot = if y < 0 || y as usize >= height {
                self.rows
            } else {
                y as usize % self.rows
            };
            self.base.add(slot * self.row)
        }
    }

    /// First pixel of row `y`.
    #[inline(always)]
    unsafe fn pixels(&self, y: usize) -> *mut f32 {
        // SAFETY: as above.
        unsafe { self.base.add((y % self.rows) * self.row + self.left) }
    }
}

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

/// Neighbouring outputs that are made together: each value of a row is loaded once for all of them.
const MANY: usize = 8;
/// The same where fewer are left.
const SOME: usize = 4;

/// Runs `$body` over `$count` neighbours from `$done` on, as many together (`$t`, a constant) as there are.
macro_rules! together {
    ($count:expr, ($done:ident, $t:ident) => $body:block) => {{
        let mut $done = 0;
        together!(@ MANY, $count, $done, $t, $body);
        together!(@ SOME, $count, $done, $t, $body);
        together!(@ 1, $count, $done, $t, $body);
    }};
    (@ $size:expr, $count:expr, $done:ident, $t:ident, $body:block) => {{
        const $t: usize = $size;
        while $done + $t <= $count {
            $body
            $done += $t;
        }
    }};
}

/// `K` taps of a vector of channels, `row` values apart.
#[inline(always)]
unsafe fn taps<S: Simd, const K: usize>(weights: *const f32, row: usize) -> [S::V; K] {
    // SAFETY: the caller's weights have `K` rows.
    unsafe {
        let mut w = [S::splat(0.0); K];
        for kx in 0..K {
            w[kx] = S::load(weights.add(kx * row));
        }
        w
    }
}

/// `sums[t] += sum of x[t STRIDE + k] w[k]`, `x` one vector a pixel.
#[inline(always)]
unsafe fn correlate<S: Simd, const K: usize, const STRIDE: usize, const T: usize>(
    x: *const f32,
    w: &[S::V; K],
    sums: &mut [S::V; T],
) {
    // SAFETY: the caller's row reaches that far.
    unsafe {
        for at in 0..(T - 1) * STRIDE + K {
            let value = S::load(x.add(at * S::LANES));
            for t in 0..T {
                if at >= t * STRIDE && at - t * STRIDE < K {
                    sums[t] = S::mul_add(value, w[at - t * STRIDE], sums[t]);
                }
            }
        }
    }
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
        for at in 0..(T - 1) * STRIDE + K {
            for r in 0..R {
                let value = S::load(rows[r].add(at * S::LANES));
                for t in 0..T {
                    if at >= t * STRIDE && at - t * STRIDE < K {
                        let sum = &mut sums[r][at - t * STRIDE];
                        *sum = S::mul_add(gradients[t], value, *sum);
                    }
                }
            }
        }
    }
}

/// Forward: raw output, mean and spread of every channel over the picture.
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
    /// Means and spreads, one a channel; null where nobody asks.
    pub mean: *mut f32,
    pub spread: *mut f32,
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
            let ring = Ring::new::<S>(self.scratch, rows, self.channels, widths, p.padding);
            let sums = self
                .scratch
                .add((p.ring_rows() + 1) * p.padded_width() * BLOCK);
            std::ptr::write_bytes(sums, 0, 3 * BLOCK);
            let mut next = 0;
            for oy in 0..p.out_height {
                let top = (oy * p.stride) as isize - p.padding as isize;
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

/// Reads row `y` of the view into the ring, and its activation's derivative into another.
#[inline(always)]
unsafe fn fill_row<S: Simd, E: Element>(
    view: &PixelView,
    plane: &Plane,
    ring: &Ring,
    y: usize,
    first: usize,
    channels: usize,
    slope: Option<&Ring>,
) {
    // SAFETY: `y` is below the plane's height; the ring's rows hold its width.
    unsafe {
        Fill {
            view: PixelView {
                raw: view.raw.add(y * plane.width * view.stride),
                ..*view
            },
            first,
            channels,
            pixels: plane.width,
            to: Values::floats(ring.pixels(y)),
            to_stride: S::LANES,
            to_plane: Some(ring.plane),
            slope: slope.map_or(std::ptr::null_mut(), |ring| ring.pixels(y)),
        }
        .run::<S, E>();
    }
}

impl DepthwiseForward {
    #[inline(always)]
    unsafe fn any_row<S: Simd, E: Element, F: Function>(&self, ring: &Ring, oy: usize) {
        // SAFETY: as for the kernel.
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
        // SAFETY: as for the kernel.
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
        // SAFETY: as for the kernel.
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
        // SAFETY: as for the kernel.
        unsafe {
            let p = &self.plane;
            let top = (oy * STRIDE) as isize - p.padding as isize;
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
        // SAFETY: as for the kernel.
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
        // SAFETY: as for the kernel.
        unsafe {
            let p = &self.plane;
            let top = (oy * p.stride) as isize - p.padding as isize;
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
        // SAFETY: as for the kernel; `sums` has three rows of `BLOCK` values.
        unsafe {
            let p = &self.plane;
            let out = self.out.of::<E>();
            let out = out.add(oy * p.out_width * self.out_stride + self.first);
            let mut c = 0;
            while c < self.channels {
                let origin = E::load::<S>(self.out.of::<E>().add(self.first + c));
                let mut sum = S::load(sums.add(c));
                let mut square = S::load(sums.add(BLOCK + c));
                for ox in 0..p.out_width {
                    let d = S::sub(E::load::<S>(out.add(ox * self.out_stride + c)), origin);
                    sum = S::add(sum, d);
                    square = S::mul_add(d, d, square);
                }
                S::store(sums.add(c), sum);
                S::store(sums.add(BLOCK + c), square);
                c += S::LANES;
            }
        }
    }

    #[inline(always)]
    unsafe fn finish<S: Simd, E: Element>(&self, sums: *mut f32) {
        // SAFETY: as for the kernel.
        unsafe {
            let share = S::splat(1.0 / (self.plane.out_height * self.plane.out_width) as f32);
            let mut c = 0;
            while c < self.channels {
                let origin = E::load::<S>(self.out.of::<E>().add(self.first + c));
                let sum = S::load(sums.add(c));
                let offset = S::mul(sum, share);
                let square = S::load(sums.add(BLOCK + c));
                S::store(self.mean.add(self.first + c), S::add(origin, offset));
                let spread = S::max(S::sub(square, S::mul(sum, offset)), S::splat(0.0));
                S::store(self.spread.add(self.first + c), spread);
                c += S::LANES;
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
