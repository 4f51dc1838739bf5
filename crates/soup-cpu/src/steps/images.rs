//! The batch as the caller gave it, brought to the maps' precision.

use crate::{
    plan::{Buffer, Context, MapShape, Step},
    simd::{Bf16, Element, Isa, Kernel, Simd},
};

/// Pixels that one task rounds.
const PIXELS: usize = 16 * 1024;

/// Rounds a run of values.
fn round(isa: Isa, from: &[f32], to: &mut [Bf16]) {
    let whole = from.len() / isa.lanes() * isa.lanes();
    let to = &mut to[..from.len()];
    let kernel = Round {
        from: from.as_ptr(),
        values: whole,
        to: to.as_mut_ptr(),
    };
    // SAFETY: the engine runs on instruction sets that the processor has; both slices are as long.
    unsafe { isa.run(kernel) };
    for (to, &from) in to[whole..].iter_mut().zip(&from[whole..]) {
        *to = Bf16::from_f32(from);
    }
}

/// The same of whole vectors.
struct Round {
    from: *const f32,
    values: usize,
    to: *mut Bf16,
}

impl Kernel for Round {
    type Output = ();
    const BF16: bool = true;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller promises values and room.
        unsafe {
            for at in (0..self.values).step_by(S::LANES) {
                Bf16::store::<S>(self.to.add(at), S::load(self.from.add(at)));
            }
        }
    }
}

/// Values rounded at a time, and spread to whole words from there.
const AT_ONCE: usize = 2048;

/// Rounds pixels of `channels` values to `stride`, a value more at most.
#[inline(always)]
fn round_and_pad(isa: Isa, from: &[f32], to: &mut [Bf16], channels: usize, stride: usize) {
    let zero = Bf16::from_f32(0.0);
    // Where a pixel has less than a whole word a value of the next one is read too.
    let mut rounded = vec![zero; AT_ONCE.max(channels) + 1];
    let pixels = (AT_ONCE / channels).max(1);
    let pieces = from.chunks(pixels * channels);
    for (from, to) in pieces.zip(to.chunks_mut(pixels * stride)) {
        round(isa, from, &mut rounded);
        for (pixel, to) in to.chunks_exact_mut(stride).enumerate() {
            let from = &rounded[pixel * channels..][..stride];
            for (channel, to) in to.iter_mut().enumerate() {
                *to = if channel < channels {
                    from[channel]
                } else {
                    zero
                };
            }
        }
    }
}

/// Rounds the images to bfloat16, each pixel to whole words.
#[derive(Debug)]
pub(crate) struct RoundImages {
    /// Single precision, channels end to end.
    pub from: Buffer,
    pub shape: MapShape,
    pub to: Buffer,
}

impl Step for RoundImages {
    unsafe fn run(&self, context: &Context<'_>) {
        let shape = &self.shape;
        let pieces = shape.pixels().div_ceil(PIXELS);
        context.pool.run(context.batch * pieces, &|task| {
            let (image, first) = (task / pieces, task % pieces * PIXELS);
            let pixels = PIXELS.min(shape.pixels() - first);
            let pixel = image * shape.pixels() + first;
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
                (channels, stride) if channels == stride => round(context.isa, from, to),
                (1, 2) => round_and_pad(context.isa, from, to, 1, 2),
                (3, 4) => round_and_pad(context.isa, from, to, 3, 4),
                (channels, stride) => round_and_pad(context.isa, from, to, channels, stride),
            }
        });
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        visit(self.from);
        visit(self.to);
    }

    fn name(&self) -> &'static str {
        "round images"
    }
}
