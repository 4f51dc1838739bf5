//! A glyph as closed outlines, as fonts have them.

use super::bend::Bend;
use super::mask::{Extent, Mask, Pose};

/// Closed polygons, filled by the non-zero rule. Curves are already cut into short lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outline {
    /// The polygons' sides, from point to point, y down, in any unit.
    sides: Vec<[[f32; 2]; 2]>,
}

impl Outline {
    /// From the corners of closed polygons.
    pub fn new(polygons: &[Vec<[f32; 2]>]) -> Self {
        let sides = polygons
            .iter()
            .flat_map(|points| {
                (0..points.len()).map(|at| [points[at], points[(at + 1) % points.len()]])
            })
            .collect();
        Self { sides }
    }

    /// Whether there is no polygon.
    pub fn is_empty(&self) -> bool {
        self.sides.is_empty()
    }

    /// The polygons with all corners shifted.
    pub(super) fn bent(&self, bend: &Bend) -> Self {
        let extent = Extent::around(self.sides.iter().flatten().copied());
        let bent = |&side: &[[f32; 2]; 2]| side.map(|corner| extent.bent(bend, corner));
        Self {
            sides: self.sides.iter().map(bent).collect(),
        }
    }

    pub(super) fn draw(&self, pose: Pose, side: f32) -> Mask {
        let turned: Vec<[[f32; 2]; 2]> = self
            .sides
            .iter()
            .map(|line| line.map(|point| pose.lay(point)))
            .collect();
        let extent = Extent::around(turned.iter().flatten().copied());
        if extent.longer() <= 0.0 {
            return Mask::new(0, 0);
        }
        let scale = side / extent.longer();
        let [left, top] = extent.origin();
        let [width, height] = extent.size().map(|size| (size * scale) as usize + 2);
        let mut mask = Mask::new(width, height);
        let lines: Vec<[[f32; 2]; 2]> = turned
            .iter()
            .map(|line| line.map(|[x, y]| [(x - left) * scale, (y - top) * scale]))
            .collect();
        let mut crossings: Vec<(f32, i32)> = Vec::new();
        for y in 0..height {
            let level = y as f32 + 0.5;
            crossings.clear();
            for &[[x0, y0], [x1, y1]] in &lines {
                if (y0 <= level) != (y1 <= level) {
                    let x = x0 + (level - y0) / (y1 - y0) * (x1 - x0);
                    crossings.push((x, if y0 < y1 { 1 } else { -1 }));
                }
            }
            crossings.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let (mut next, mut winding) = (0, 0);
            for x in 0..width {
                while next < crossings.len() && crossings[next].0 <= x as f32 + 0.5 {
                    winding += crossings[next].1;
                    next += 1;
                }
                mask.inked[y * width + x] = winding != 0;
            }
        }
        mask.trimmed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(low: f32, high: f32) -> Vec<[f32; 2]> {
        vec![[low, low], [high, low], [high, high], [low, high]]
    }

    #[test]
    fn a_hole_is_a_polygon_the_other_way_round() {
        let hole: Vec<[f32; 2]> = square(2.0, 8.0).into_iter().rev().collect();
        let ring = Outline::new(&[square(0.0, 10.0), hole]).draw([1.0, 0.0].into(), 20.0);
        assert_eq!((ring.width, ring.height), (20, 20));
        assert_eq!(ring.area(), 400 - 144);
        let full =
            Outline::new(&[square(0.0, 10.0), square(2.0, 8.0)]).draw([1.0, 0.0].into(), 20.0);
        assert_eq!(full.area(), 400);
        assert_eq!(Outline::default().draw([1.0, 0.0].into(), 20.0).area(), 0);
    }
}
