//! Memory planning: the offset of each tensor in one arena, shared by tensors whose live ranges do not overlap.

use std::ops::Range;

use super::Step;

/// A tensor in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Buffer(pub usize);

/// Sizes of all buffers and, once laid out, their offsets.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    sizes: Vec<usize>,
    pinned: Vec<bool>,
    /// First and last step of each buffer, where a step names it.
    live_ranges: Vec<Option<(usize, usize)>>,
    pub offsets: Vec<usize>,
    /// Words of four bytes in the arena.
    pub total: usize,
}

/// Offsets are multiples of this many words: a cache line.
const ALIGNMENT: usize = 16;

/// Words behind every buffer that no step may touch: a red zone for the sanitizer.
pub(crate) const GAP: usize = if cfg!(soup_asan) { ALIGNMENT } else { 0 };

impl Memory {
    /// A buffer of this many words, live from the first to the last step that names it.
    pub(crate) fn buffer(&mut self, words: usize) -> Buffer {
        self.sizes.push(words.next_multiple_of(ALIGNMENT) + GAP);
        self.pinned.push(false);
        Buffer(self.sizes.len() - 1)
    }

    /// A buffer that nothing else may use.
    pub(crate) fn pinned(&mut self, words: usize) -> Buffer {
        let buffer = self.buffer(words);
        self.pinned[buffer.0] = true;
        buffer
    }

    /// Makes a buffer one that nothing else may use.
    pub(crate) fn pin(&mut self, buffer: Buffer) {
        self.pinned[buffer.0] = true;
    }

    /// Words in a buffer.
    pub(crate) fn len(&self, buffer: Buffer) -> usize {
        self.sizes[buffer.0] - GAP
    }

    /// Gives every buffer its offset: largest first, each at the lowest that is free over its live range.
    pub(crate) fn lay_out(&mut self, steps: &[Box<dyn Step>]) {
        let mut live_ranges: Vec<Option<(usize, usize)>> = vec![None; self.sizes.len()];
        for (time, step) in steps.iter().enumerate() {
            step.buffers(&mut |Buffer(index)| {
                let live_range = live_ranges[index].get_or_insert((time, time));
                live_range.1 = time;
            });
        }
        for (live_range, _) in live_ranges
            .iter_mut()
            .zip(&self.pinned)
            .filter(|(_, pinned)| **pinned)
        {
            *live_range = Some((0, usize::MAX));
        }
        self.live_ranges = live_ranges;
        let live_ranges = &self.live_ranges;
        let mut order: Vec<usize> = (0..self.sizes.len()).collect();
        order.sort_by_key(|&index| (std::cmp::Reverse(self.sizes[index]), index));
        self.offsets = vec![0; self.sizes.len()];
        let mut placed: Vec<usize> = Vec::new();
        for index in order {
            let Some((first, last)) = live_ranges[index] else {
                continue;
            };
            let mut taken: Vec<(usize, usize)> = placed
                .iter()
                .filter(|&&other| {
                    live_ranges[other].is_some_and(|(from, to)| from <= last && first <= to)
                })
                .map(|&other| (self.offsets[other], self.offsets[other] + self.sizes[other]))
                .collect();
            taken.sort_unstable();
            let mut offset = 0;
            for (from, to) in taken {
                if offset + self.sizes[index] <= from {
                    break;
                }
                offset = offset.max(to);
            }
            self.offsets[index] = offset;
            self.total = self.total.max(offset + self.sizes[index]);
            placed.push(index);
        }
    }

    /// The words of the buffers that `picked` accepts, by whether they are pinned and their live range.
    fn ranges(&self, picked: impl Fn(bool, (usize, usize)) -> bool) -> Vec<Range<usize>> {
        (0..self.sizes.len())
            .filter(|&index| {
                self.live_ranges[index]
                    .is_some_and(|live_range| picked(self.pinned[index], live_range))
            })
            .map(|index| self.offsets[index]..self.offsets[index] + self.sizes[index])
            .collect()
    }

    /// Where buffers begin with this step.
    pub(crate) fn beginning(&self, step: usize) -> Vec<Range<usize>> {
        self.ranges(|pinned, (first, _)| !pinned && first == step)
    }

    /// Where buffers end with this step.
    pub(crate) fn ending(&self, step: usize) -> Vec<Range<usize>> {
        self.ranges(|pinned, (_, last)| !pinned && last == step)
    }

    /// Words that hold nothing from before this step.
    pub(crate) fn empty(&self, step: usize) -> Vec<Range<usize>> {
        let mut taken = self.ranges(|pinned, (first, last)| pinned || first < step && step <= last);
        taken.sort_unstable_by_key(|range| range.start);
        taken.push(self.total..self.total);
        let mut end = 0;
        let mut empty = Vec::new();
        for range in taken {
            if end < range.start {
                empty.push(end..range.start);
            }
            end = end.max(range.end);
        }
        empty
    }

    /// Whether a buffer that was written before this step is in place when it begins.
    pub(crate) fn is_live_across(&self, buffer: Buffer, step: usize) -> bool {
        self.live_ranges[buffer.0].is_some_and(|(first, last)| first < step && step <= last)
    }

    /// First and last step of a buffer that no more than these name.
    #[cfg(test)]
    pub(crate) fn live_range(&self, buffer: Buffer) -> Option<(usize, usize)> {
        self.live_ranges[buffer.0].filter(|_| !self.pinned[buffer.0])
    }
}
