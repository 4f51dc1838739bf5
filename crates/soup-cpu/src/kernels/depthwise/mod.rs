//! Depthwise convolution of one image and one block of channels, rows streamed through a ring.
//!
//! Rows are read through the pending transform once, into a ring buffer of padded rows that stays in
//! cache. Forward, the raw output and its statistics are computed from it. Backward, the gradients of
//! data and weights, and the sums that the next batch norm needs.

mod backward;
mod forward;

pub(crate) use self::backward::DepthwiseBackward;
pub(crate) use self::forward::DepthwiseForward;

use super::view::{Fill, PixelView};
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
    /// Zeros above and left of the map.
    pub before: [usize; 2],
}

impl Plane {
    /// `height x width`, kernel and stride.
    pub(crate) fn describe(&self, channels: usize) -> String {
        format!(
            "{channels}x{}x{} by {}/{}",
            self.height, self.width, self.kernel, self.stride
        )
    }

    /// Of one image.
    pub(crate) fn multiply_adds(&self, channels: usize) -> usize {
        self.out_height * self.out_width * self.kernel * self.kernel * channels
    }

    fn ring_rows(&self) -> usize {
        self.kernel + self.stride
    }

    fn padded_width(&self) -> usize {
        // The last output column reads up to this; a little more than both paddings at stride 2.
        (self.width + 2 * self.before[1]).max((self.out_width - 1) * self.stride + self.kernel)
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
        // SAFETY: the caller gives room for `rows + 1` rows of `row` values: a plane of `width` vectors for each of
        // their channels.
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
        // SAFETY: the slot is below `rows`, each of which begins with `left` values of padding.
        unsafe { self.base.add((y % self.rows) * self.row + self.left) }
    }
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

use together;

/// `K` taps of a vector of channels, `row` values apart.
#[inline(always)]
unsafe fn taps<S: Simd, const K: usize>(weights: *const f32, row: usize) -> [S::V; K] {
    // SAFETY: the caller's weights have `K` taps from here on, `row` values apart, each a whole vector.
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
        // Without a condition in it, so that compilers unroll it.
        for t in 0..T {
            for k in 0..K {
                let value = S::load(x.add((t * STRIDE + k) * S::LANES));
                sums[t] = S::mul_add(value, w[k], sums[t]);
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
    derivative: Option<&Ring>,
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
            derivative: derivative.map_or(std::ptr::null_mut(), |ring| ring.pixels(y)),
        }
        .run::<S, E>();
    }
}
