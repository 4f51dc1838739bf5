//! The gradients of data and weights.

mod data;
mod weights;

use super::{BLOCK, Plane, Ring, fill_row};
use crate::{
    kernels::view::{FillGradient, PixelGradient, PixelView},
    simd::{Element, MapKernel, Simd, Values},
};

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
    /// This image's gradient of the weights, laid out as the weights; written, not added.
    pub weight_gradient: *mut f32,
    /// This image's gradient of the bias; null where there is none.
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
            let values = ring(0, widths, p.before[1]);
            let derivatives = ring(area, widths, p.before[1]);
            let gradients = ring(2 * area, [p.gradient_width(), p.out_width], p.kernel);
            let wants_sums = !self.sums.is_null();
            for tap in 0..taps {
                let to = self.weight_gradient.add(tap * self.weight_row + self.first);
                std::ptr::write_bytes(to, 0, self.channels);
            }
            if !self.bias_gradient.is_null() {
                std::ptr::write_bytes(self.bias_gradient.add(self.first), 0, self.channels);
            }
            if wants_sums {
                for row in 0..2 {
                    let to = self.sums.add(row * self.sums_row + self.first);
                    std::ptr::write_bytes(to, 0, self.channels);
                }
            }
            let (mut next, mut done) = (0, 0);
            for oy in 0..p.out_height {
                self.fill_gradient_row::<S, E>(&gradients, oy);
                let top = (oy * p.stride) as isize - p.before[0] as isize;
                // Rows of the input that no later output row reads.
                let complete = if oy + 1 == p.out_height {
                    p.height
                } else {
                    (((oy + 1) * p.stride).saturating_sub(p.before[0])).min(p.height)
                };
                let last = (top + p.kernel as isize - 1)
                    .max(complete as isize - 1)
                    .min(p.height as isize - 1);
                while (next as isize) <= last {
                    let derivative = wants_sums.then_some(&derivatives);
                    fill_row::<S, E>(
                        &self.view,
                        &p,
                        &values,
                        next,
                        self.first,
                        self.channels,
                        derivative,
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
                            (data, &gradients, &derivatives, done)
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
        // SAFETY: `oy` is below the output's height, so the gradient's map has the row and the ring a slot; the bias
        // has a value for every channel of the block.
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
}
