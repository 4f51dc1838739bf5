//! The engine's memory: zeroed pages that never move.

use std::sync::atomic::Ordering;

use memmap2::MmapMut;

use soup_engine::memory::{PLANNED, Shortage, free_bytes, room_for};

/// Zeroed values, aligned to a page. Large pages are asked for where the system has them: a training
/// step walks over hundreds of megabytes, more than the processor can keep small pages' addresses of.
#[derive(Debug)]
pub(crate) struct Aligned {
    map: MmapMut,
    start: *mut f32,
    values: usize,
}

// SAFETY: the pages are owned by `map` and by no thread; `start` points into them and moves with them.
unsafe impl Send for Aligned {}
// SAFETY: as for Send: shared access goes through `slice`, which writes nothing.
unsafe impl Sync for Aligned {}

/// Where values start on large pages of their own.
const LARGE_PAGE: usize = 2 << 20;

impl Aligned {
    /// This many zeros.
    ///
    /// # Errors
    /// [`Shortage`] where the system has less, or gives none.
    pub(crate) fn new(values: usize) -> Result<Self, Shortage> {
        let bytes = values.max(1).saturating_mul(size_of::<f32>());
        let slack = if bytes >= LARGE_PAGE { LARGE_PAGE } else { 0 };
        let bytes = bytes.saturating_add(slack);
        room_for(bytes as u64)?;
        let mut map = MmapMut::map_anon(bytes).map_err(|_| Shortage {
            needs: bytes as u64,
            free: free_bytes(),
        })?;
        PLANNED.fetch_add(bytes, Ordering::Relaxed);
        #[cfg(all(target_os = "linux", not(miri)))]
        // A refusal costs speed only.
        let _ = map.advise(memmap2::Advice::HugePage);
        let base = map.as_mut_ptr();
        let offset = if slack > 0 {
            base.align_offset(LARGE_PAGE)
        } else {
            0
        };
        Ok(Self {
            // SAFETY: the offset is below the slack.
            start: unsafe { base.add(offset.min(slack)) }.cast(),
            values,
            map,
        })
    }

    /// The first value.
    pub(crate) fn start(&mut self) -> *mut f32 {
        self.start
    }

    fn check(&self, offset: usize, length: usize) {
        let end = offset.checked_add(length);
        let is_within = end.is_some_and(|end| end <= self.values);
        assert!(is_within, "slice beyond the memory");
    }

    /// `length` values from `offset`.
    pub(crate) fn slice(&self, offset: usize, length: usize) -> &[f32] {
        self.check(offset, length);
        // SAFETY: checked above; the pages were zeroed, so every value is initialised.
        unsafe { std::slice::from_raw_parts(self.start.add(offset), length) }
    }

    /// `length` values from `offset`, to be written.
    pub(crate) fn slice_mut(&mut self, offset: usize, length: usize) -> &mut [f32] {
        self.check(offset, length);
        // SAFETY: checked above; the pages were zeroed, and `&mut self` keeps every other slice away.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(offset), length) }
    }

    /// Bytes taken from the system.
    pub(crate) fn bytes(&self) -> usize {
        self.map.len()
    }
}

impl Drop for Aligned {
    fn drop(&mut self) {
        PLANNED.fetch_sub(self.map.len(), Ordering::Relaxed);
    }
}
