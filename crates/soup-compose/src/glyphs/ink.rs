//! A glyph as a small image of ink strengths, as scanned handwriting comes.

use super::bend::Bend;
use super::mask::{DrawOptions, Extent, Mask, Pose};

/// An image of ink strengths, trimmed to its ink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ink {
    width: usize,
    height: usize,
    strength: Vec<u8>,
}

impl Ink {
    /// From strengths row by row, 0 for paper and 255 for full ink; missing rows are paper.
    /// Empty rows and columns at the sides are cut off.
    pub fn new(width: usize, strength: &[u8]) -> Self {
        let width = width.max(1);
        let height = strength.len() / width;
        let row = |y: usize| &strength[y * width..(y + 1) * width];
        let inked = |y: &usize| row(*y).iter().any(|&value| value > 0);
        let rows = (0..height).find(inked).zip((0..height).rfind(inked));
        let Some((top, bottom)) = rows else {
            return Self {
                width: 0,
                height: 0,
                strength: Vec::new(),
            };
        };
        let left = (top..=bottom).filter_map(|y| row(y).iter().position(|&value| value > 0));
        let right = (top..=bottom).filter_map(|y| row(y).iter().rposition(|&value| value > 0));
        let (left, right) = (left.min().unwrap_or(0), right.max().unwrap_or(width - 1));
        Self {
            width: right + 1 - left,
            height: bottom + 1 - top,
            strength: (top..=bottom)
                .flat_map(|y| row(y)[left..=right].iter().copied())
                .collect(),
        }
    }

    /// Pixels a row, after trimming.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows, after trimming.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Strengths row by row.
    pub fn strength(&self) -> &[u8] {
        &self.strength
    }

    /// Whether there is no ink at all.
    pub fn is_empty(&self) -> bool {
        self.strength.is_empty()
    }

    /// The glyph, sampled at displaced places.
    pub(super) fn bent(&self, bend: &Bend) -> Self {
        if self.is_empty() {
            return self.clone();
        }
        let longer = self.width.max(self.height) as f32;
        let margin = (bend.reach() * longer) as usize + 1;
        let [width, height] = [self.width, self.height].map(|side| side + 2 * margin);
        let place = |at: usize| at as f32 - margin as f32;
        let sheet = Sheet::around(self);
        let mut strength = Vec::with_capacity(width * height);
        for y in (0..height).map(place) {
            let row = bend.row((y + 0.5) / longer);
            strength.extend((0..width).map(place).map(|x| {
                let [dx, dy] = row.shift((x + 0.5) / longer);
                (sheet.strength([x + dx * longer, y + dy * longer]) + 0.5) as u8
            }));
        }
        Self::new(width, &strength)
    }

    pub(super) fn draw(&self, pose: Pose, side: f32, options: &DrawOptions) -> Mask {
        // A faint glyph is drawn all the same, from half of its strongest ink on.
        let strongest = self.strength.iter().copied().max().unwrap_or(0);
        let threshold = options.ink_threshold.min(strongest / 2).max(1);
        let centres = (0..self.strength.len())
            .filter(|&at| self.strength[at] >= threshold)
            .map(|at| [(at % self.width) as f32, (at / self.width) as f32]);
        let extent = Extent::around(centres.map(|centre| pose.lay(centre)));
        if extent.longer() < 0.0 {
            return Mask::new(0, 0);
        }
        let radius = (options.ink_dilation * side).min(side * 0.25);
        let reach = radius.floor();
        // A centre stands for a pixel of one unit.
        let scale = (side - 2.0 * reach) / (extent.longer() + 1.0);
        let [width, height] = extent
            .size()
            .map(|size| ((size + 1.0) * scale + 2.0 * reach) as usize + 3);
        let [left, top] = extent.origin();
        let place = |start: f32, cell: usize| start - 0.5 + (cell as f32 - 0.5 - reach) / scale;
        let across: Vec<f32> = (0..width).map(|x| place(left, x)).collect();
        let down: Vec<f32> = (0..height).map(|y| place(top, y)).collect();
        let mask = self.inked(pose, &across, &down, f32::from(threshold));
        mask.dilated(radius).trimmed()
    }

    /// Where the transformed glyph is at least as strong as the threshold, on a grid of places.
    fn inked(&self, pose: Pose, across: &[f32], down: &[f32], threshold: f32) -> Mask {
        let (width, height) = (across.len(), down.len());
        let mut mask = Mask::new(width, height);
        let sheet = Sheet::around(self);
        for (cells, &down) in mask.inked.chunks_exact_mut(width).zip(down) {
            // Only where the row crosses the glyph there can be ink.
            let ends = [0, width - 1].map(|x| pose.find([across[x], down]));
            let [columns, rows] = [(0, self.width), (1, self.height)]
                .map(|(axis, length)| crossing(ends.map(|end| end[axis]), length, width));
            let met = columns.start.max(rows.start)..columns.end.min(rows.end);
            if met.is_empty() {
                continue;
            }
            for (cell, &across) in cells[met.clone()].iter_mut().zip(&across[met]) {
                *cell = sheet.strength(pose.find([across, down])) >= threshold;
            }
        }
        mask
    }
}

/// A glyph padded with paper, so that places beside it need no check.
struct Sheet {
    width: i32,
    height: i32,
    strength: Vec<f32>,
}

impl Sheet {
    /// Padding on every side: two pixels, as interpolation reads both neighbours.
    const MARGIN: i32 = 2;

    fn around(ink: &Ink) -> Self {
        let [width, height] = [ink.width, ink.height].map(|side| side as i32 + 2 * Self::MARGIN);
        let mut strength = vec![0.0; (width * height) as usize];
        let rows = strength.chunks_exact_mut(width as usize);
        let drawn = ink.strength.chunks_exact(ink.width);
        for (to, from) in rows.skip(Self::MARGIN as usize).zip(drawn) {
            for (to, &from) in to[Self::MARGIN as usize..].iter_mut().zip(from) {
                *to = f32::from(from);
            }
        }
        Self {
            width,
            height,
            strength,
        }
    }

    /// Strength at a place of the glyph, interpolated from the four pixels around it.
    #[inline]
    fn strength(&self, [u, v]: [f32; 2]) -> f32 {
        let (column, row) = (floor(u), floor(v));
        let (right, down) = (u - column as f32, v - row as f32);
        // Farther out there is as little ink.
        let x = (column + Self::MARGIN).clamp(0, self.width - 2);
        let y = (row + Self::MARGIN).clamp(0, self.height - 2);
        let above = &self.strength[(y * self.width + x) as usize..];
        let below = &above[self.width as usize..];
        let upper = above[0] * (1.0 - right) + above[1] * right;
        let lower = below[0] * (1.0 - right) + below[1] * right;
        upper * (1.0 - down) + lower * down
    }
}

/// Which of `count` places on a line from `start` to `end` may lie within a pixel of `0..length`: none that does is left
/// out, and hardly another one is let in.
fn crossing([start, end]: [f32; 2], length: usize, count: usize) -> std::ops::Range<usize> {
    let step = (end - start) / (count as f32 - 1.0);
    // Too flat (or a single place) to solve for the crossing.
    if step.is_nan() || step.abs() < 1e-2 {
        return 0..count;
    }
    let [low, high] = [-1.0, length as f32].map(|bound| (bound - start) / step);
    let first = (low.min(high) - 1.0).max(0.0) as usize;
    let last = (low.max(high) + 2.0).max(0.0) as usize;
    first.min(count)..last.min(count)
}

/// The greatest whole number that is not above a number; `f32::floor` is a call on processors without SSE 4.1.
fn floor(number: f32) -> i32 {
    let whole = number as i32;
    whole - i32::from(number < whole as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use soup_random::{Purpose, Stream};

    const OPTIONS: DrawOptions = DrawOptions {
        stroke_width: [3.0, 14.0],
        ink_threshold: 128,
        ink_dilation: 0.0,
    };

    #[test]
    fn paper_is_cut_off() {
        let mut strength = vec![0; 28 * 28];
        strength[3 * 28 + 5] = 9;
        strength[6 * 28 + 6] = 200;
        let ink = Ink::new(28, &strength);
        assert_eq!((ink.width(), ink.height()), (2, 4));
        assert_eq!(ink.strength(), [9, 0, 0, 0, 0, 0, 0, 200]);
        assert!(Ink::new(28, &vec![0; 28 * 28]).is_empty());
        assert!(Ink::new(0, &[]).is_empty());
    }

    /// Strength at a place by its definition: the pixels around it, each by how near it is, and no ink where there is none.
    fn defined(ink: &Ink, [u, v]: [f32; 2]) -> f32 {
        let mut sum = 0.0;
        for (at, &strength) in ink.strength.iter().enumerate() {
            let near = |place: f32, pixel: usize| (1.0 - (place - pixel as f32).abs()).max(0.0);
            sum += f32::from(strength) * near(u, at % ink.width) * near(v, at / ink.width);
        }
        sum
    }

    #[test]
    fn every_cell_is_what_lies_between_the_pixels_around_it() {
        let mut draws = Stream::new(7, Purpose::Compose, 0, 0);
        for (width, height) in [(1, 1), (1, 9), (13, 2), (6, 7), (20, 20)] {
            let strength: Vec<u8> = (0..width * height)
                .map(|_| draws.next_u32() as u8)
                .collect();
            let ink = Ink {
                width,
                height,
                strength,
            };
            for turn in 0..24 {
                // Quarter turns lie along the rows, the others cross them.
                let angle = turn as f32 * std::f32::consts::TAU / 24.0;
                let (stretch, shear) = (draws.range(0.5, 2.0), draws.range(-0.5, 0.5));
                let pose = Pose::new([angle.cos(), angle.sin()], stretch, shear);
                let step = draws.range(0.1, 1.5);
                let reach = 2 * (width + height);
                let grid = |start: f32| (0..reach).map(move |cell| start + step * cell as f32);
                let [across, down]: [Vec<f32>; 2] =
                    [0, 1].map(|_| grid(draws.range(-30.0, 0.0)).collect());
                let mask = ink.inked(pose, &across, &down, 128.0);
                for (y, &down) in down.iter().enumerate() {
                    for (x, &across) in across.iter().enumerate() {
                        let strength = defined(&ink, pose.find([across, down]));
                        // Rounding decides what is as strong as the threshold.
                        if (strength - 128.0).abs() > 0.01 {
                            let inked = mask.row(y)[x];
                            assert_eq!(
                                inked,
                                strength > 128.0,
                                "{width}x{height} {pose:?} {x} {y}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn dilation_thickens_strokes_and_keeps_the_size() {
        let stem = Ink::new(1, &[255; 12]);
        for (share, width) in [(0.0, 3), (0.04, 5), (0.06, 7)] {
            let options = DrawOptions {
                ink_dilation: share,
                ..OPTIONS
            };
            let mask = stem.draw([1.0, 0.0].into(), 38.0, &options);
            assert!(mask.width.abs_diff(width) <= 1, "{}", mask.width);
            assert!(mask.height.abs_diff(38) <= 1, "{}", mask.height);
        }
    }

    #[test]
    fn a_quarter_turn_turns_clockwise_and_does_not_mirror() {
        // A bar to the right of the top end of a stem, as in the left half of an F.
        let ink = Ink::new(3, &[255, 255, 255, 255, 0, 0, 255, 0, 0, 255, 0, 0]);
        let upright = ink.draw([1.0, 0.0].into(), 40.0, &OPTIONS);
        assert!(upright.height.abs_diff(40) <= 1, "{}", upright.height);
        assert!(upright.width.abs_diff(30) <= 1, "{}", upright.width);
        assert!(upright.inked[upright.width - 1 - upright.width / 10 + 3 * upright.width]);
        // Turned clockwise, the top is on the right, and the bar hangs down from there.
        let turned = ink.draw([0.0, 1.0].into(), 40.0, &OPTIONS);
        assert_eq!(turned.width.abs_diff(40), 0);
        let cell = |x: usize, y: usize| turned.inked[y * turned.width + x];
        assert!(cell(turned.width - 4, turned.height - 4));
        assert!(!cell(3, turned.height - 4));
        assert!(cell(3, 4));
    }

    #[test]
    fn faint_ink_is_drawn_and_no_ink_is_an_empty_mask() {
        let ink = Ink::new(2, &[90, 90, 0, 90]);
        assert!(ink.draw([1.0, 0.0].into(), 30.0, &OPTIONS).area() > 400);
        let blank = Ink::new(2, &[0; 4]);
        assert_eq!(blank.draw([1.0, 0.0].into(), 30.0, &OPTIONS).area(), 0);
    }
}
