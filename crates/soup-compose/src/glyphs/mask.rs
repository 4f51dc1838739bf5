//! Hard masks: what is inked at the scale of the image.

use super::bend::Bend;

/// How a shape becomes a mask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DrawOptions {
    /// Least and greatest width of a stroke in pixels; for shapes drawn with a pen.
    pub stroke_width: [f32; 2],
    /// Ink strength (1 to 255) from which a pixel counts as inked; for images of ink. A low
    /// threshold takes in the faint rim of a scanned stroke and makes it thicker.
    pub ink_threshold: u8,
    /// By how much scanned strokes are thickened on every side, as a share of the glyph's longer
    /// side.
    pub ink_dilation: f32,
}

/// A small image of what is inked, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `width * height` cells.
    pub inked: Vec<bool>,
}

impl Mask {
    /// A mask without ink.
    pub fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            inked: vec![false; width * height],
        }
    }

    /// Number of inked pixels.
    pub fn area(&self) -> usize {
        self.inked.iter().filter(|&&inked| inked).count()
    }

    /// Row `y`, a slice of `width` cells.
    pub(crate) fn row(&self, y: usize) -> &[bool] {
        &self.inked[y * self.width..(y + 1) * self.width]
    }

    /// The rows, each a slice of `width` cells.
    pub fn rows(&self) -> impl Iterator<Item = &[bool]> {
        self.inked.chunks_exact(self.width.max(1))
    }

    /// Everything within `radius` pixels of the ink. The mask must have that much room around it;
    /// what does not fit is cut off.
    pub fn dilated(self, radius: f32) -> Self {
        let reach = radius as usize;
        if reach == 0 {
            return self;
        }
        // How far the disc goes to each side, by the distance from its middle row.
        let sides: Vec<usize> = (0..=reach)
            .map(|y| {
                let within = |x: &usize| (x * x + y * y) as f32 <= radius * radius;
                (0..=reach).rfind(within).unwrap_or(0)
            })
            .collect();
        let mut wider = Self::new(self.width, self.height);
        for (y, row) in self.rows().enumerate() {
            let mut end = 0;
            while let Some(start) = row[end..].iter().position(|&inked| inked) {
                let start = end + start;
                let run = row[start..].iter().position(|&inked| !inked);
                end = run.map_or(row.len(), |run| start + run);
                for near in y.saturating_sub(reach)..=(y + reach).min(self.height - 1) {
                    let side = sides[near.abs_diff(y)];
                    let columns = start.saturating_sub(side)..(end + side).min(self.width);
                    wider.inked[near * self.width..][columns].fill(true);
                }
            }
        }
        wider
    }

    /// The mask without empty rows and columns at its sides; 0 x 0 where nothing is inked.
    pub fn trimmed(self) -> Self {
        let inked_rows = || (0..self.height).filter(|&y| self.row(y).contains(&true));
        let (Some(top), Some(bottom)) = (inked_rows().next(), inked_rows().next_back()) else {
            return Self::new(0, 0);
        };
        let left = self
            .rows()
            .filter_map(|row| row.iter().position(|&x| x))
            .min();
        let right = self
            .rows()
            .filter_map(|row| row.iter().rposition(|&x| x))
            .max();
        let (left, right) = (left.unwrap_or(0), right.unwrap_or(0));
        let (width, height) = (right + 1 - left, bottom + 1 - top);
        let mut inked = Vec::with_capacity(width * height);
        for row in self.rows().skip(top).take(height) {
            inked.extend_from_slice(&row[left..=right]);
        }
        Self {
            width,
            height,
            inked,
        }
    }
}

/// A box around points: `[least x, least y, greatest x, greatest y]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent([f32; 4]);

impl Extent {
    /// The box around no point.
    pub const EMPTY: Self = Self([f32::MAX, f32::MAX, f32::MIN, f32::MIN]);

    /// The box around these points.
    pub fn around(points: impl IntoIterator<Item = [f32; 2]>) -> Self {
        points.into_iter().fold(Self::EMPTY, |extent, [x, y]| {
            let [x0, y0, x1, y1] = extent.0;
            Self([x0.min(x), y0.min(y), x1.max(x), y1.max(y)])
        })
    }

    /// Least x and y.
    pub fn origin(self) -> [f32; 2] {
        [self.0[0], self.0[1]]
    }

    /// Width and height; zero or less where there was no point.
    pub fn size(self) -> [f32; 2] {
        [self.0[2] - self.0[0], self.0[3] - self.0[1]]
    }

    /// The point that a bend takes a point of a glyph of this extent to.
    pub fn bent(self, bend: &Bend, [x, y]: [f32; 2]) -> [f32; 2] {
        let ([left, top], longer) = (self.origin(), self.longer());
        if longer <= 0.0 {
            return [x, y];
        }
        let [dx, dy] = bend.row((y - top) / longer).shift((x - left) / longer);
        [x + dx * longer, y + dy * longer]
    }

    /// Longer side.
    pub fn longer(self) -> f32 {
        let [width, height] = self.size();
        width.max(height)
    }
}

/// How a glyph is laid down: stretched and sheared first, then turned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// From a point of the glyph to where it comes to lie.
    there: Map,
    /// The inverse.
    back: Map,
}

/// A linear map of the plane, row by row.
type Map = [[f32; 2]; 2];

impl Pose {
    /// `stretch` is the width for each unit of width; `shear` says how far a point moves to the right for each unit that
    /// it lies lower; `rotation` is the cosine and sine of an angle, clockwise as seen on the screen (y points down).
    pub fn new([cosine, sine]: [f32; 2], stretch: f32, shear: f32) -> Self {
        let across = [cosine + shear * sine, sine - shear * cosine];
        Self {
            there: [
                [cosine * stretch, cosine * shear - sine],
                [sine * stretch, sine * shear + cosine],
            ],
            back: [across.map(|part| part / stretch), [-sine, cosine]],
        }
    }

    /// Where a point of the glyph comes to lie.
    #[inline]
    pub(super) fn lay(&self, point: [f32; 2]) -> [f32; 2] {
        apply(self.there, point)
    }

    /// Which point of the glyph lies here.
    #[inline]
    pub(super) fn find(&self, point: [f32; 2]) -> [f32; 2] {
        apply(self.back, point)
    }
}

impl From<[f32; 2]> for Pose {
    /// The rotation with this cosine and sine alone.
    fn from(rotation: [f32; 2]) -> Self {
        Self::new(rotation, 1.0, 0.0)
    }
}

#[inline]
fn apply(map: Map, [x, y]: [f32; 2]) -> [f32; 2] {
    let [[a, b], [c, d]] = map;
    [a * x + b * y, c * x + d * y]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pose_stretches_and_shears_before_it_turns() {
        let pose = Pose::new([0.0, 1.0], 2.0, 0.5);
        // (1, 4) is stretched to (2, 4), sheared to (4, 4), and a quarter turn clockwise takes it to (-4, 4).
        assert_eq!(pose.lay([1.0, 4.0]), [-4.0, 4.0]);
        assert_eq!(pose.find([-4.0, 4.0]), [1.0, 4.0]);
    }

    #[test]
    fn dilation_adds_a_disc() {
        let mut mask = Mask::new(7, 7);
        mask.inked[3 * 7 + 3] = true;
        for (radius, area) in [(0.0, 1), (0.9, 1), (1.0, 5), (1.5, 9), (2.0, 13), (3.0, 29)] {
            assert_eq!(mask.clone().dilated(radius).area(), area, "{radius}");
        }
        mask.inked[0] = true;
        assert_eq!(mask.dilated(1.0).area(), 5 + 3);
    }

    #[test]
    fn trimming_takes_away_only_empty_sides() {
        let mut mask = Mask::new(5, 4);
        assert_eq!(mask.clone().trimmed(), Mask::new(0, 0));
        mask.inked[5 + 1] = true;
        mask.inked[2 * 5 + 3] = true;
        let trimmed = mask.trimmed();
        assert_eq!((trimmed.width, trimmed.height), (3, 2));
        assert_eq!(trimmed.inked, [true, false, false, false, false, true]);
        assert_eq!(trimmed.area(), 2);
    }
}
