//! The engine's memory: zeroed pages that never move.

use memmap2::MmapMut;

/// Zeroed values, aligned to a page. Large pages are asked for where the system has them: a training
/// step walks over hundreds of megabytes, more than the processor can keep small pages' addresses of.
#[derive(Debug)]
pub(crate) struct Aligned {
    map: MmapMut,
    start: *mut f32,
    values: usize,
}

// SAFETY: the memory is owned; access goes through methods that borrow.
unsafe impl Send for Aligned {}
// SAFETY: as above.
unsafe impl Sync for Aligned {}

/// Where values start on large pages of their own.
const LARGE_PAGE: usize = 2 << 20;

impl Aligned {
    /// This many zeros.
    #[expect(
        clippy::expect_used,
        reason = "without memory the process cannot go on"
    )]
    pub(crate) fn new(values: usize) -> Self {
        let bytes = values.max(1) * size_of::<f32>();
        let slack = if bytes >= LARGE_PAGE { LARGE_PAGE } else { 0 };
        let mut map = MmapMut::map_anon(bytes + slack).expect("memory of a plan can be allocated");
        #[cfg(target_os = "linux")]
        // A refusal costs speed only.
        let _ = map.advise(memmap2::Advice::HugePage);
        let base = map.as_mut_ptr();
        let offset = if slack > 0 {
            base.align_offset(LARGE_PAGE)
        } else {
            0
        };
        Self {
            // SAFETY: the offset is below the slack.
            start: unsafe { base.add(offset.min(slack)) }.cast(),
            values,
            map,
        }
    }

    /// The first value.
    pub(crate) fn start(&mut self) -> *mut f32 {
        self.start
    }

    /// `length` values from `offset`.
    pub(crate) fn slice(&self, offset: usize, length: usize) -> &[f32] {
        assert!(offset + length <= self.values, "slice beyond the memory");
        // SAFETY: checked above; the pages were zeroed, so every value is initialised.
        unsafe { std::slice::from_raw_parts(self.start.add(offset), length) }
    }

    /// `length` values from `offset`, to be written.
    pub(crate) fn slice_mut(&mut self, offset: usize, length: usize) -> &mut [f32] {
        assert!(offset + length <= self.values, "slice beyond the memory");
        // SAFETY: as above, and the borrow is unique.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(offset), length) }
    }

    /// Bytes taken from the system.
    pub(crate) fn bytes(&self) -> usize {
        self.map.len()
    }
}
