//! For `.ci/asan`: while a step runs, memory that is not the step's is poisoned.
//!
//! Arena and scratch are one mapping each, inside of which a sanitizer sees no bounds. So before each step all of the
//! arena is poisoned but the step's buffers, and of each worker's scratch all beyond its size.

use std::ffi::c_void;

use super::Runner;
use crate::plan::Buffer;

unsafe extern "C" {
    fn __asan_poison_memory_region(from: *const c_void, bytes: usize);
    fn __asan_unpoison_memory_region(from: *const c_void, bytes: usize);
}

fn forbid(memory: &[f32]) {
    // SAFETY: the sanitizer is linked wherever this is compiled, and marks memory that is there.
    unsafe { __asan_poison_memory_region(memory.as_ptr().cast(), size_of_val(memory)) }
}

fn allow(memory: &[f32]) {
    // SAFETY: as above.
    unsafe { __asan_unpoison_memory_region(memory.as_ptr().cast(), size_of_val(memory)) }
}

impl Runner {
    /// Forbids what is not this step's.
    pub(super) fn guard(&self, step: usize) {
        let (plan, threads) = (&self.plan, self.pool.threads());
        forbid(self.memory.slice(0, plan.memory.total));
        let mut allow_buffer = |buffer: Buffer| {
            let offset = plan.memory.offsets[buffer.0];
            allow(self.memory.slice(offset, plan.memory.len(buffer)));
        };
        plan.steps[step].buffers(&mut allow_buffer);
        // Every step may read the constants.
        for buffer in [plan.ones.buffer, plan.zeros.buffer, plan.identity.buffer] {
            allow_buffer(buffer);
        }
        let stride = plan.scratch.next_multiple_of(16);
        forbid(self.scratch.slice(0, stride * threads));
        let scratch = plan.steps[step].scratch();
        for worker in 0..threads {
            allow(self.scratch.slice(worker * stride, scratch));
        }
    }

    /// Allows all again.
    pub(super) fn unguard(&self) {
        allow(self.memory.slice(0, self.plan.memory.total));
        let scratch = self.plan.scratch.next_multiple_of(16) * self.pool.threads();
        allow(self.scratch.slice(0, scratch));
    }
}
