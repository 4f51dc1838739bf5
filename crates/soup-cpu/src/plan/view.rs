//! A stored map with its pending transform, and a gradient on its way back through it.

use soup_graph::Activation;

use super::{Buffer, Context};
use crate::kernels::view::{NormRows, PixelGradient, PixelView};

/// Shape of a stored map, channels last; `stride` values from one pixel to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MapShape {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub stride: usize,
}

impl MapShape {
    /// Pixels of one image.
    pub(crate) fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Values of one image, padding included.
    pub(crate) fn len(&self) -> usize {
        self.pixels() * self.stride
    }

    /// Values of a row with a halo of so many pixels at both ends.
    pub(crate) fn row_with_halo(&self, halo: usize) -> usize {
        (self.width + 2 * halo) * self.stride
    }

    /// Values of one image with a halo of so many pixels.
    pub(crate) fn len_with_halo(&self, halo: usize) -> usize {
        (self.height + 2 * halo) * self.row_with_halo(halo)
    }
}

/// Coefficients of a batch norm in the arena.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Norm {
    pub buffer: Buffer,
    pub stride: usize,
}

impl Norm {
    pub(crate) fn rows(&self, context: &Context<'_>) -> NormRows {
        NormRows {
            base: context.at(self.buffer),
            stride: self.stride,
        }
    }
}

/// One value a channel for each image (`stride` apart), or for all of them (`stride` 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vector {
    pub buffer: Buffer,
    pub stride: usize,
}

impl Vector {
    pub(crate) fn at(&self, context: &Context<'_>, image: usize) -> *mut f32 {
        // SAFETY: vectors have room for a batch.
        unsafe { context.at(self.buffer).add(image * self.stride) }
    }

    /// Writes zeros behind the first `length` values of each image. Readers of whole vectors of channels multiply them by
    /// zeros, which gives zero only for finite values.
    pub(crate) fn clear_rest(&self, context: &Context<'_>, length: usize) {
        for image in 0..context.batch {
            let rest = self.stride.saturating_sub(length);
            // SAFETY: an image has `stride` values.
            unsafe { std::ptr::write_bytes(self.at(context, image).add(length), 0, rest) };
        }
    }
}

/// How a step reads a map: `gate * activation(norm(map))`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub map: Buffer,
    pub shape: MapShape,
    pub norm: Norm,
    pub activation: Option<Activation>,
    pub gate: Vector,
    /// Whether nothing is pending: the map can be read in place.
    pub plain: bool,
}

impl View {
    /// The view from one pixel on.
    pub(crate) fn pixel(&self, context: &Context<'_>, image: usize, pixel: usize) -> PixelView {
        PixelView {
            // SAFETY: the pixel is within the batch.
            raw: unsafe {
                context
                    .map(self.map)
                    .add(image * self.shape.len() + pixel * self.shape.stride)
            },
            stride: self.shape.stride,
            norm: self.norm.rows(context),
            activation: self.activation,
            gate: self.gate.at(context, image),
        }
    }

    pub(crate) fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        visit(self.map);
        visit(self.norm.buffer);
        visit(self.gate.buffer);
    }
}

/// A gradient that reached a view, on its way to the stored map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gradient {
    /// The view; its gate is the gradient's gate.
    pub view: View,
    /// Gradient of the gated view, in the map's layout. Where only `pooled` reached the view this is the
    /// map itself and the gate is zero.
    pub dense: Buffer,
    pub pooled: Vector,
    pub premultiplied: bool,
}

impl Gradient {
    /// The gradient from one pixel on.
    pub(crate) fn pixel(&self, context: &Context<'_>, image: usize, pixel: usize) -> PixelGradient {
        let shape = &self.view.shape;
        PixelGradient {
            view: self.view.pixel(context, image, pixel),
            // SAFETY: the pixel is within the batch.
            dense: unsafe {
                context
                    .map(self.dense)
                    .add(image * shape.len() + pixel * shape.stride)
            },
            pooled: self.pooled.at(context, image),
            premultiplied: self.premultiplied,
        }
    }

    pub(crate) fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        self.view.buffers(visit);
        visit(self.dense);
        visit(self.pooled.buffer);
    }
}
