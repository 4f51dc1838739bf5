//! Dropout of values and of paths.

use soup_random::{Purpose, Stream};

use crate::{
    kernels::{vector::Convert, view::Fill},
    plan::{Buffer, Context, MapShape, Step, Vector, View},
    simd::Values,
};

/// Random factor of each image for a dropped path: 0 or `1 / (1 - rate)`, one a channel.
#[derive(Debug)]
pub(crate) struct DropPath {
    pub rate: f32,
    pub node: usize,
    pub factors: Vector,
}

impl Step for DropPath {
    unsafe fn run(&self, context: &Context<'_>) {
        for image in 0..context.batch {
            let index = (self.node as u64) << 32 | image as u64;
            let dropped =
                Stream::new(context.seed, Purpose::Drop, context.draw, index).uniform() < self.rate;
            let factor = if dropped {
                0.0
            } else {
                1.0 / (1.0 - self.rate)
            };
            // SAFETY: the vector has `stride` values for each image.
            unsafe {
                std::slice::from_raw_parts_mut(
                    self.factors.at(context, image),
                    self.factors.stride,
                )
                .fill(factor);
            }
        }
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        visit(self.factors.buffer);
    }

    fn name(&self) -> &'static str {
        "drop path"
    }
}

/// Dropout of single values of a map: each is 0 or `1 / (1 - rate)` times itself, drawn pixel by
/// pixel and channel by channel for each image. Forward stores the dropped view; backward drops
/// the gradient in place, with the same draws.
#[derive(Debug)]
pub(crate) struct DropValues {
    /// What is stored in `to` first; nothing where the map is there already.
    pub view: Option<View>,
    pub rate: f32,
    pub node: usize,
    pub shape: MapShape,
    pub to: Buffer,
}

impl Step for DropValues {
    unsafe fn run(&self, context: &Context<'_>) {
        let shape = &self.shape;
        context
            .pool
            .run_with_worker(context.batch, &|image, worker| {
                // SAFETY: a task writes its own image; scratch holds one.
                unsafe {
                    let scratch = context.scratch(worker);
                    let to = context.map(self.to).add(image * shape.len());
                    match &self.view {
                        Some(view) => context.run(Fill {
                            view: view.pixel(context, image, 0),
                            first: 0,
                            channels: shape.stride,
                            pixels: shape.pixels(),
                            to: Values::floats(scratch),
                            to_stride: shape.stride,
                            to_plane: None,
                            derivative: std::ptr::null_mut(),
                        }),
                        None => context.run(Convert {
                            from: to,
                            to: Values::floats(scratch),
                            values: shape.len(),
                            add: false,
                        }),
                    }
                    let index = (self.node as u64) << 32 | image as u64;
                    let mut stream = Stream::new(context.seed, Purpose::Drop, context.draw, index);
                    let kept = 1.0 / (1.0 - self.rate);
                    let values = std::slice::from_raw_parts_mut(scratch, shape.len());
                    for pixel in values.chunks_exact_mut(shape.stride) {
                        for value in &mut pixel[..shape.channels] {
                            *value *= if stream.uniform() < self.rate {
                                0.0
                            } else {
                                kept
                            };
                        }
                    }
                    context.run(Convert {
                        from: Values::floats(scratch),
                        to,
                        values: shape.len(),
                        add: false,
                    });
                }
            });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        if let Some(view) = &self.view {
            view.buffers(visit);
        }
        visit(self.to);
    }

    fn scratch(&self) -> usize {
        self.shape.len()
    }

    fn name(&self) -> &'static str {
        "dropout"
    }
}
