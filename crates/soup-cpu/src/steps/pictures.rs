//! The batch as the caller gave it, brought to the maps' precision.

use crate::plan::{Buffer, Context, MapShape, Step};
use crate::simd::{Bf16, Element};

/// Pixels that one task rounds.
const PIXELS: usize = 16 * 1024;

/// Rounds values pixel by pixel.
#[inline(always)]
fn round(from: &[f32], to: &mut [Bf16], channels: usize, stride: usize) {
    let pixels = to.chunks_exact_mut(stride).zip(from.chunks_exact(channels));
    for (to, from) in pixels {
        for (channel, to) in to.iter_mut().enumerate() {
            let value = if channel < channels {
                from[channel]
            } else {
                0.0
            };
            *to = Bf16::from_f32(value);
        }
    }
}

/// Rounds the pictures to bfloat16, each pixel to whole words.
#[derive(Debug)]
pub(crate) struct RoundPictures {
    /// Single precision, channels end to end.
    pub from: Buffer,
    pub shape: MapShape,
    pub to: Buffer,
}

impl Step for RoundPictures {
    fn run(&self, context: &Context<'_>) {
        let shape = &self.shape;
        let pieces = shape.pixels().div_ceil(PIXELS);
        context.pool.run(context.batch * pieces, &|task| {
            let (picture, first) = (task / pieces, task % pieces * PIXELS);
            let pixels = PIXELS.min(shape.pixels() - first);
            let pixel = picture * shape.pixels() + first;
            // SAFETY: a task reads and writes its own pixels.
            let (from, to) = unsafe {
                let from = context.at(self.from).add(pixel * shape.channels);
                let to = context.map(self.to).add(pixel * shape.stride);
                (
                    std::slice::from_raw_parts(from, pixels * shape.channels),
                    std::slice::from_raw_parts_mut(to.of::<Bf16>(), pixels * shape.stride),
                )
            };
            // Known numbers make loops without branches.
            match (shape.channels, shape.stride) {
                (1, 2) => round(from, to, 1, 2),
                (3, 4) => round(from, to, 3, 4),
                (channels, stride) => round(from, to, channels, stride),
            }
        });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        visit(self.from);
        visit(self.to);
    }

    fn name(&self) -> &'static str {
        "round pictures"
    }
}
