//! The median around every pixel.

use serde::{Deserialize, Serialize};
use soup_random::Stream;

use super::image::{Form, Image, Workspace};
use super::pad::{Around, filter};
use super::{Apply, PaddingMode, Places};

/// OpenCV `medianBlur`: every value becomes the median of the square around it, each channel by
/// itself, the border repeated. Takes out specks and keeps edges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Median {
    /// Side of the square in pixels: odd, 3 to 31.
    #[serde(default = "default_size")]
    pub ksize: usize,
}

fn default_size() -> usize {
    3
}

/// Largest side of the square.
const MAXIMUM: usize = 31;
/// Values that are worked on together.
const LANES: usize = 16;

impl Apply for Median {
    const KIND: &'static str = "median";
    const RANDOM: bool = false;

    fn places(&self) -> Places {
        Places::Keeps
    }

    fn check(&self, before: Form) -> Result<Form, String> {
        if !(3..=MAXIMUM).contains(&self.ksize) || self.ksize.is_multiple_of(2) {
            return Err(format!(
                "`ksize` is {}; give an odd number in 3 to {MAXIMUM}",
                self.ksize
            ));
        }
        Ok(before)
    }

    fn apply(&self, image: &mut Image, _: &mut Stream, workspace: &mut Workspace) {
        let ksize = self.ksize;
        filter(
            image,
            ksize / 2,
            PaddingMode::Edge,
            workspace,
            |around, to| {
                let square = Square { around, ksize };
                match ksize {
                    3 => square.in_vectors::<9>(to),
                    5 => square.in_vectors::<25>(to),
                    7 => square.in_vectors::<49>(to),
                    9 => square.in_vectors::<81>(to),
                    _ => square.one_by_one(to),
                }
            },
        );
    }
}

/// The squares around the pixels of a row.
struct Square<'a> {
    around: &'a Around<'a>,
    ksize: usize,
}

impl Square<'_> {
    /// The values from `at` on, shifted to a place of the square.
    fn shifted(&self, place: usize, at: usize) -> &[f32] {
        &self.around.shifted(place / self.ksize, place % self.ksize)[at..]
    }

    /// The medians of squares of `COUNT` places.
    #[inline(always)]
    fn in_vectors<const COUNT: usize>(&self, to: &mut [f32]) {
        let whole = to.len() - to.len() % LANES;
        let (vectors, rest) = to.split_at_mut(whole);
        for (index, to) in vectors.chunks_exact_mut(LANES).enumerate() {
            to.copy_from_slice(&self.medians::<COUNT, LANES>(index * LANES));
        }
        for (index, to) in rest.iter_mut().enumerate() {
            [*to] = self.medians::<COUNT, 1>(whole + index);
        }
    }

    #[inline(always)]
    fn medians<const COUNT: usize, const N: usize>(&self, at: usize) -> [f32; N] {
        median::<COUNT, N>(|place| {
            let values = &self.shifted(place, at)[..N];
            std::array::from_fn(|lane| values[lane])
        })
    }

    fn one_by_one(&self, to: &mut [f32]) {
        let mut around = [0.0; MAXIMUM * MAXIMUM];
        let around = &mut around[..self.ksize * self.ksize];
        for (at, to) in to.iter_mut().enumerate() {
            for (place, value) in around.iter_mut().enumerate() {
                *value = self.shifted(place, at)[0];
            }
            let middle = around.len() / 2;
            *to = *around.select_nth_unstable_by(middle, f32::total_cmp).1;
        }
    }
}

/// The medians of `N` times `COUNT` values, an odd number: of a few more than half of them neither the least nor the largest
/// can be the median, so both go and the next value comes, until three are left (forgetful selection).
#[inline(always)]
fn median<const COUNT: usize, const N: usize>(values: impl Fn(usize) -> [f32; N]) -> [f32; N] {
    let mut held = [[0.0; N]; COUNT];
    let first = COUNT / 2 + 2;
    for (place, held) in held[..first].iter_mut().enumerate() {
        *held = values(place);
    }
    // The values at hand stand from `first - left` on.
    for (place, left) in (first..=COUNT).zip((3..=first).rev()) {
        extremes_to_the_ends(&mut held[first - left..first]);
        if place < COUNT {
            // The largest gives way to the next one; the least is left behind.
            held[first - 1] = values(place);
        }
    }
    held[first - 2]
}

/// Brings the least value to the front and the largest to the back.
#[inline(always)]
fn extremes_to_the_ends<const N: usize>(held: &mut [[f32; N]]) {
    let last = held.len() - 1;
    for at in 0..held.len() / 2 {
        sort(held, at, last - at);
    }
    for at in 1..=last / 2 {
        sort(held, 0, at);
    }
    for at in held.len() / 2..last {
        sort(held, at, last);
    }
}

/// Puts the smaller of two first, in every lane.
#[inline(always)]
fn sort<const N: usize>(held: &mut [[f32; N]], first: usize, second: usize) {
    // As copies, so that the compiler need not ask whether they are the same place.
    let (a, b) = (held[first], held[second]);
    held[first] = std::array::from_fn(|lane| if a[lane] < b[lane] { a[lane] } else { b[lane] });
    held[second] = std::array::from_fn(|lane| if a[lane] < b[lane] { b[lane] } else { a[lane] });
}

#[cfg(test)]
mod tests {
    use soup_random::{Purpose, Stream};

    use super::*;

    #[test]
    fn vectors_give_what_sorting_gives() {
        let mut stream = Stream::new(5, Purpose::Augment, 0, 0);
        for (ksize, channels) in [(3, 1), (5, 3), (7, 1), (9, 2)] {
            let (line, len) = ((37 + ksize - 1) * channels, 37 * channels);
            let values: Vec<f32> = (0..ksize * line).map(|_| stream.below(9) as f32).collect();
            let around = &Around::new(&values, line, channels);
            let rows = Square { around, ksize };
            let mut found = [vec![0.0; len], vec![0.0; len]];
            match ksize {
                3 => rows.in_vectors::<9>(&mut found[0]),
                5 => rows.in_vectors::<25>(&mut found[0]),
                7 => rows.in_vectors::<49>(&mut found[0]),
                _ => rows.in_vectors::<81>(&mut found[0]),
            }
            rows.one_by_one(&mut found[1]);
            assert_eq!(found[0], found[1], "{ksize}");
        }
    }
}
