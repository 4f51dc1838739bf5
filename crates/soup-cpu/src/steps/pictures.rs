//! The batch as the caller gave it, brought to the maps' precision.

use crate::plan::{Buffer, Context, MapShape, Step};
use crate::simd::{Bf16, Element};

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
        context.pool.run(context.batch, &|picture| {
            let values = shape.pixels() * shape.channels;
            // SAFETY: a task reads and writes its own picture.
            let (from, to) = unsafe {
                (
                    std::slice::from_raw_parts(context.at(self.from).add(picture * values), values),
                    std::slice::from_raw_parts_mut(
                        context.map(self.to).add(picture * shape.len()).of::<Bf16>(),
                        shape.len(),
                    ),
                )
            };
            for (to, from) in to
                .chunks_exact_mut(shape.stride)
                .zip(from.chunks_exact(shape.channels))
            {
                to.fill(Bf16::from_f32(0.0));
                for (to, &from) in to.iter_mut().zip(from) {
                    *to = Bf16::from_f32(from);
                }
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
