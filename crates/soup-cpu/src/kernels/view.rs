//! Reading a stored map through its pending transform, and a stored gradient back through it.

use soup_graph::Activation;

use super::activation::{Function, with_function};
use crate::simd::{Element, MapKernel, Simd, Values};

/// Rows of a batch norm's coefficients, each `stride` values long; see [`NormRows`].
pub(crate) const NORM_ROWS: usize = 8;

/// Pointer to the coefficients of one batch norm.
///
/// Rows: 0 scale, 1 shift (`y = scale raw + shift`); 2 mean, 3 inverse standard deviation;
/// 4 to 6 the raw gradient (`d raw = k4 dy + k5 raw + k6`); 7 the unbiased variance of the batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NormRows {
    pub base: *const f32,
    pub stride: usize,
}

impl NormRows {
    /// # Safety
    /// `base` must point to `NORM_ROWS` rows of `stride` values.
    #[inline(always)]
    pub(crate) unsafe fn row(self, row: usize) -> *const f32 {
        // SAFETY: the caller says that there are `NORM_ROWS` rows from `base` on, and asks for one of these.
        unsafe { self.base.add(row * self.stride) }
    }
}

/// A stored map and its pending transform, for one image's pixels: `gate act(scale raw + shift)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PixelView {
    /// First pixel.
    pub raw: Values,
    /// From one pixel to the next.
    pub stride: usize,
    pub norm: NormRows,
    pub activation: Option<Activation>,
    /// One factor a channel.
    pub gate: *const f32,
}

/// Writes `pixels` pixels of a view, `channels` values each, from channel `first`.
pub(crate) struct Fill {
    pub view: PixelView,
    pub first: usize,
    pub channels: usize,
    pub pixels: usize,
    /// Single precision or the maps' own.
    pub to: Values,
    /// From one written pixel to the next.
    pub to_stride: usize,
    /// From one written vector of channels to the next; `None` where they stand end to end.
    pub to_plane: Option<usize>,
    /// Where not null, the derivative of the activation is written here with the same strides.
    pub derivative: *mut f32,
}

impl MapKernel for Fill {
    #[inline(always)]
    unsafe fn run<S: Simd, E: Element>(self) {
        // SAFETY: the caller promises that all pixels and channels are within the buffers.
        unsafe {
            with_function!(self.view.activation, F => {
                if self.to.precision() == E::PRECISION {
                    self.fill::<S, E, E, F>();
                } else {
                    self.fill::<S, E, f32, F>();
                }
            });
        }
    }
}

impl Fill {
    #[inline(always)]
    unsafe fn fill<S: Simd, E: Element, T: Element, F: Function>(&self) {
        // SAFETY: `run` chose `T` by what `to` is; `pixel` is below `pixels`, `c` below `channels`: the map, the
        // norm's rows, the gate, `to` and, where not null, `derivative` have these places.
        unsafe {
            let scale = self.view.norm.row(0).add(self.first);
            let shift = self.view.norm.row(1).add(self.first);
            let gate = self.view.gate.add(self.first);
            let plane = self.to_plane.unwrap_or(S::LANES);
            for pixel in 0..self.pixels {
                let raw = self.view.raw.of::<E>();
                let raw = raw.add(pixel * self.view.stride + self.first);
                let mut to = self.to.of::<T>().add(pixel * self.to_stride);
                let mut c = 0;
                if self.derivative.is_null() {
                    while c < self.channels {
                        let y = S::mul_add(
                            E::load::<S>(raw.add(c)),
                            S::load(scale.add(c)),
                            S::load(shift.add(c)),
                        );
                        let z = S::mul(F::value::<S, E>(y), S::load(gate.add(c)));
                        T::store::<S>(to, z);
                        to = to.add(plane);
                        c += S::LANES;
                    }
                } else {
                    let mut derivative_to = self.derivative.add(pixel * self.to_stride);
                    while c < self.channels {
                        let y = S::mul_add(
                            E::load::<S>(raw.add(c)),
                            S::load(scale.add(c)),
                            S::load(shift.add(c)),
                        );
                        let (value, derivative) = F::both::<S, E>(y);
                        T::store::<S>(to, S::mul(value, S::load(gate.add(c))));
                        S::store(derivative_to, derivative);
                        to = to.add(plane);
                        derivative_to = derivative_to.add(plane);
                        c += S::LANES;
                    }
                }
            }
        }
    }
}

/// One term of a sum of views: `to = relu?(view + before)`, pixels end to end.
pub(crate) struct Term {
    pub view: PixelView,
    pub channels: usize,
    pub pixels: usize,
    /// The sum of the terms before; null for the first one.
    pub before: *const f32,
    pub relu: bool,
    /// Single precision or the maps' own.
    pub to: Values,
}

impl MapKernel for Term {
    #[inline(always)]
    unsafe fn run<S: Simd, E: Element>(self) {
        // SAFETY: the caller promises that all pixels and channels are within the buffers.
        unsafe {
            with_function!(self.view.activation, F => {
                if self.to.precision() == E::PRECISION {
                    self.add::<S, E, E, F>();
                } else {
                    self.add::<S, E, f32, F>();
                }
            });
        }
    }
}

impl Term {
    #[inline(always)]
    unsafe fn add<S: Simd, E: Element, T: Element, F: Function>(&self) {
        // SAFETY: `run` chose `T` by what `to` is; `pixel` is below `pixels`, `c` below `channels`: every term,
        // `before` where not null, and `to` have these places.
        unsafe {
            let (scale, shift) = (self.view.norm.row(0), self.view.norm.row(1));
            let floor = if self.relu { 0.0 } else { f32::NEG_INFINITY };
            let (raw, to) = (self.view.raw.of::<E>(), self.to.of::<T>());
            for pixel in 0..self.pixels {
                let mut c = 0;
                while c < self.channels {
                    let at = pixel * self.channels + c;
                    let y = S::mul_add(
                        E::load::<S>(raw.add(pixel * self.view.stride + c)),
                        S::load(scale.add(c)),
                        S::load(shift.add(c)),
                    );
                    let mut z = S::mul(F::value::<S, E>(y), S::load(self.view.gate.add(c)));
                    if !self.before.is_null() {
                        z = S::add(z, S::load(self.before.add(at)));
                    }
                    T::store::<S>(to.add(at), S::at_least(z, floor));
                    c += S::LANES;
                }
            }
        }
    }
}

/// The gradient that reached a view, for one image's pixels, and how it goes on to the raw map:
/// `dy = (dense gate + pooled) act'(y)`, `d raw = k4 dy + k5 raw + k6`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PixelGradient {
    /// The view's own map, norm and activation; its gate is the gradient's gate.
    pub view: PixelView,
    /// Gradient of the gated view; same stride as the map.
    pub dense: Values,
    /// Added for every pixel, one value a channel.
    pub pooled: *const f32,
    /// Whether `dense` holds `dy` already (then gate, pooled and activation are passed over).
    pub premultiplied: bool,
}

/// Writes (or adds) the raw gradient of `pixels` pixels.
pub(crate) struct FillGradient {
    pub gradient: PixelGradient,
    pub first: usize,
    pub channels: usize,
    pub pixels: usize,
    /// Single precision or the maps' own.
    pub to: Values,
    pub to_stride: usize,
    /// As [`Fill::to_plane`].
    pub to_plane: Option<usize>,
    pub accumulate: bool,
}

impl MapKernel for FillGradient {
    #[inline(always)]
    unsafe fn run<S: Simd, E: Element>(self) {
        // SAFETY: the caller promises that all pixels and channels are within the buffers.
        unsafe {
            if self.to.precision() == E::PRECISION {
                self.write::<S, E, E>();
            } else {
                self.write::<S, E, f32>();
            }
        }
    }
}

impl FillGradient {
    #[inline(always)]
    unsafe fn write<S: Simd, E: Element, T: Element>(&self) {
        // SAFETY: nothing is touched here; `run` chose `T` by what `to` is.
        unsafe {
            if self.gradient.premultiplied {
                self.premultiplied::<S, E, T>();
            } else {
                with_function!(self.gradient.view.activation, F => self.fill::<S, E, T, F>());
            }
        }
    }

    #[inline(always)]
    unsafe fn premultiplied<S: Simd, E: Element, T: Element>(&self) {
        // SAFETY: `pixel` is below `pixels`, `c` below `channels`: map, gradient, the norm's rows and `to` have these
        // places.
        unsafe {
            let view = &self.gradient.view;
            let plane = self.to_plane.unwrap_or(S::LANES);
            let k = [4, 5, 6].map(|row| view.norm.row(row).add(self.first));
            for pixel in 0..self.pixels {
                let raw = view.raw.of::<E>().add(pixel * view.stride + self.first);
                let dense = self.gradient.dense.of::<E>();
                let dense = dense.add(pixel * view.stride + self.first);
                let mut to = self.to.of::<T>().add(pixel * self.to_stride);
                let mut c = 0;
                while c < self.channels {
                    let rest = S::mul_add(
                        E::load::<S>(raw.add(c)),
                        S::load(k[1].add(c)),
                        S::load(k[2].add(c)),
                    );
                    let d = S::mul_add(E::load::<S>(dense.add(c)), S::load(k[0].add(c)), rest);
                    self.put::<S, T>(to, d);
                    to = to.add(plane);
                    c += S::LANES;
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn fill<S: Simd, E: Element, T: Element, F: Function>(&self) {
        // SAFETY: `pixel` is below `pixels`, `c` below `channels`: map, gradient, the norm's rows, gate, `pooled` and
        // `to` have these places.
        unsafe {
            let view = &self.gradient.view;
            let rows = [0, 1, 4, 5, 6].map(|row| view.norm.row(row).add(self.first));
            let gate = view.gate.add(self.first);
            let pooled = self.gradient.pooled.add(self.first);
            let plane = self.to_plane.unwrap_or(S::LANES);
            for pixel in 0..self.pixels {
                let raw = view.raw.of::<E>().add(pixel * view.stride + self.first);
                let dense = self.gradient.dense.of::<E>();
                let dense = dense.add(pixel * view.stride + self.first);
                let mut to = self.to.of::<T>().add(pixel * self.to_stride);
                let mut c = 0;
                while c < self.channels {
                    let r = E::load::<S>(raw.add(c));
                    let y = S::mul_add(r, S::load(rows[0].add(c)), S::load(rows[1].add(c)));
                    let derivative = F::both::<S, E>(y).1;
                    let da = S::mul_add(
                        E::load::<S>(dense.add(c)),
                        S::load(gate.add(c)),
                        S::load(pooled.add(c)),
                    );
                    let rest = S::mul_add(r, S::load(rows[3].add(c)), S::load(rows[4].add(c)));
                    let d = S::mul_add(S::mul(da, derivative), S::load(rows[2].add(c)), rest);
                    self.put::<S, T>(to, d);
                    to = to.add(plane);
                    c += S::LANES;
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn put<S: Simd, T: Element>(&self, to: *mut T, value: S::V) {
        // SAFETY: the two above hand over a place of `to` that has a whole vector.
        unsafe {
            let value = if self.accumulate {
                S::add(T::load::<S>(to), value)
            } else {
                value
            };
            T::store::<S>(to, value);
        }
    }
}
