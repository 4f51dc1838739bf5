//! Memory that starts at a cache line.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};

const LINE: usize = 64;

/// Zeroed values that start at a cache line and never move.
#[derive(Debug)]
pub(crate) struct Aligned {
    start: *mut f32,
    values: usize,
}

// SAFETY: the memory is owned; access goes through methods that borrow.
unsafe impl Send for Aligned {}
// SAFETY: as above.
unsafe impl Sync for Aligned {}

impl Aligned {
    /// This many zeros.
    pub(crate) fn new(values: usize) -> Self {
        let layout = Self::layout(values);
        // SAFETY: the layout is never of size 0.
        let start = unsafe { alloc_zeroed(layout) }.cast::<f32>();
        if start.is_null() {
            handle_alloc_error(layout);
        }
        Self { start, values }
    }

    #[expect(
        clippy::expect_used,
        reason = "a size that overflows cannot be allocated either"
    )]
    fn layout(values: usize) -> Layout {
        Layout::array::<f32>(values.max(1))
            .and_then(|layout| layout.align_to(LINE))
            .expect("memory of a plan fits the address space")
    }

    /// The first value.
    pub(crate) fn start(&mut self) -> *mut f32 {
        self.start
    }

    /// `length` values from `offset`.
    pub(crate) fn slice(&self, offset: usize, length: usize) -> &[f32] {
        assert!(offset + length <= self.values, "slice beyond the memory");
        // SAFETY: checked above; the memory was zeroed, so every value is initialised.
        unsafe { std::slice::from_raw_parts(self.start.add(offset), length) }
    }

    /// `length` values from `offset`, to be written.
    pub(crate) fn slice_mut(&mut self, offset: usize, length: usize) -> &mut [f32] {
        assert!(offset + length <= self.values, "slice beyond the memory");
        // SAFETY: as above, and the borrow is unique.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(offset), length) }
    }
}

impl Drop for Aligned {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with the same layout.
        unsafe { dealloc(self.start.cast(), Self::layout(self.values)) };
    }
}
