//! A glyph as a small picture of ink strengths, as scanned handwriting comes.

use super::mask::{DrawOptions, Extent, Mask, Pose};

/// A picture of ink strengths, trimmed to its ink.
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

    /// Strengths of the pixels `x` and `x + 1` of a row; paper all around.
    fn pair(&self, x: i32, y: i32) -> [f32; 2] {
        // A negative place is a huge one as `usize`.
        if y as usize >= self.height {
            return [0.0; 2];
        }
        let row = &self.strength[y as usize * self.width..][..self.width];
        [x, x + 1].map(|x| f32::from(row.get(x as usize).copied().unwrap_or(0)))
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
        let mut mask = Mask::new(width, height);
        let [left, top] = extent.origin();
        let threshold = f32::from(threshold);
        for y in 0..height {
            for x in 0..width {
                let turned = [
                    left - 0.5 + (x as f32 - 0.5 - reach) / scale,
                    top - 0.5 + (y as f32 - 0.5 - reach) / scale,
                ];
                let [u, v] = pose.find(turned);
                let (column, row) = (floor(u), floor(v));
                let (right, down) = (u - column as f32, v - row as f32);
                let [upper, lower] = [row, row + 1].map(|row| {
                    let [before, after] = self.pair(column, row);
                    before * (1.0 - right) + after * right
                });
                mask.inked[y * width + x] = upper * (1.0 - down) + lower * down >= threshold;
            }
        }
        mask.dilated(radius).trimmed()
    }
}

/// The greatest whole number that is not above a number; `f32::floor` is a call on processors without SSE 4.1.
fn floor(number: f32) -> i32 {
    let whole = number as i32;
    whole - i32::from(number < whole as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

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
