//! Elastic deformation of glyphs: more handwriting than there are glyphs.

use soup_random::Stream;

/// Cells of the grid along each side of a glyph.
const SQUARES: usize = 3;
/// Knots along each side: a cubic spline needs four.
const KNOTS: usize = SQUARES + 3;
/// Standard deviation of what the spline leaves of uniform steps between -1 and 1: 0.577 of the steps themselves, 0.48 of
/// that for their mean over both axes.
const LEFT: f32 = 0.277;

/// A smooth random displacement, the cubic B-spline over a grid of random steps: free-form deformation (Sederberg and
/// Parry 1986) as augmentation of handwriting (Simard, Steinkraus and Platt 2003).
#[derive(Clone, Debug)]
pub struct Bend {
    steps: [[[f32; 2]; KNOTS]; KNOTS],
    /// No step is longer along an axis, hence no shift.
    reach: f32,
}

impl Bend {
    /// A random bend in which a point moves by `strength` of the glyph's longer side: the standard deviation along each
    /// axis.
    pub fn new(strength: f32, stream: &mut Stream) -> Self {
        let reach = strength / LEFT;
        let steps = [(); KNOTS]
            .map(|()| [(); KNOTS].map(|()| [(); 2].map(|()| stream.range(-reach, reach))));
        Self { steps, reach }
    }

    /// The farthest that a point may move along an axis, as a share of the glyph's longer side.
    pub(super) fn reach(&self) -> f32 {
        self.reach
    }

    /// The shifts along a row of the glyph; `v` is its place from 0 (top) to 1.
    pub(super) fn row(&self, v: f32) -> Row {
        let (first, weights) = spline(v);
        let mut steps = [[0.0; 2]; KNOTS];
        for (knots, weight) in self.steps[first..].iter().zip(weights) {
            for (step, knot) in steps.iter_mut().zip(knots) {
                *step = add(*step, *knot, weight);
            }
        }
        Row { steps }
    }
}

/// A row of a glyph.
pub(super) struct Row {
    steps: [[f32; 2]; KNOTS],
}

impl Row {
    /// How far a point of the row moves, as a share of the glyph's longer side; `u` is its place from 0 (left) to 1.
    /// Ink is read from where its point would go, so that it moves the other way, which chance does not tell apart.
    pub fn shift(&self, u: f32) -> [f32; 2] {
        let (first, weights) = spline(u);
        let met = self.steps[first..].iter().zip(weights);
        met.fold([0.0; 2], |sum, (step, weight)| add(sum, *step, weight))
    }
}

/// The first of the four knots that a place between 0 and 1 depends on, and their weights. Places beyond are clamped.
fn spline(place: f32) -> (usize, [f32; 4]) {
    let at = place.clamp(0.0, 1.0) * SQUARES as f32;
    let first = (at as usize).min(SQUARES - 1);
    let t = at - first as f32;
    let left = 1.0 - t;
    let near = |t: f32| (4.0 + t * t * (3.0 * t - 6.0)) / 6.0;
    let weights = [
        left * left * left / 6.0,
        near(t),
        near(left),
        t * t * t / 6.0,
    ];
    (first, weights)
}

fn add([x, y]: [f32; 2], [dx, dy]: [f32; 2], weight: f32) -> [f32; 2] {
    [x + dx * weight, y + dy * weight]
}

#[cfg(test)]
mod tests {
    use soup_random::Purpose;

    use super::{
        super::{Ink, Outline, Pen, Shape, strokes::Segment},
        *,
    };

    fn bend(strength: f32, index: u64) -> Bend {
        Bend::new(strength, &mut Stream::new(3, Purpose::Compose, 0, index))
    }

    #[test]
    fn points_move_as_far_as_asked() {
        let mut draws = Stream::new(4, Purpose::Compose, 0, 0);
        let mut squares = 0.0;
        for index in 0..4000 {
            let bend = bend(0.05, index);
            for moved in bend.row(draws.uniform()).shift(draws.uniform()) {
                assert!(moved.abs() <= bend.reach());
                squares += f64::from(moved * moved);
            }
        }
        let deviation = (squares / 8000.0).sqrt();
        assert!((deviation - 0.05).abs() < 0.002, "{deviation}");
    }

    #[test]
    fn weights_sum_to_one_and_neighbours_move_together() {
        let bend = bend(0.05, 0);
        let mut before = bend.row(0.4).shift(0.0);
        for step in -50..=1050 {
            let place = step as f32 / 1000.0;
            let sum: f32 = spline(place).1.iter().sum();
            assert!((sum - 1.0).abs() < 1e-6, "{place}: {sum}");
            let here = bend.row(0.4).shift(place);
            for axis in [0, 1] {
                assert!((here[axis] - before[axis]).abs() < 0.003, "{place}");
            }
            before = here;
        }
    }

    fn shapes() -> [Shape; 3] {
        let corners = [[0.0, 0.0], [20.0, 0.0], [20.0, 30.0], [0.0, 30.0]];
        let side = Segment {
            ends: [corners[0], corners[2]],
            pressure: [1.0; 2],
        };
        let pen = Pen {
            segments: vec![side],
            width: 0.1,
        };
        [
            Shape::Ink(Ink::new(20, &[200; 20 * 30])),
            Shape::Pen(pen),
            Shape::Outline(Outline::new(&[corners.to_vec()])),
        ]
    }

    #[test]
    fn every_shape_bends_and_no_bend_leaves_it() {
        for shape in shapes() {
            assert_eq!(shape.bent(&bend(0.0, 0)), shape);
            assert_ne!(shape.bent(&bend(0.05, 0)), shape);
        }
    }

    #[test]
    fn ink_keeps_its_size_on_the_whole() {
        let [ink, ..] = shapes();
        let areas = (0..200).map(|index| {
            let Shape::Ink(ink) = ink.bent(&bend(0.05, index)) else {
                unreachable!("ink stays ink");
            };
            ink.strength().iter().filter(|&&value| value >= 100).count()
        });
        let areas: Vec<usize> = areas.collect();
        let mean = areas.iter().sum::<usize>() as f64 / areas.len() as f64;
        assert!((mean - 600.0).abs() < 30.0, "{mean}");
        assert!(areas.iter().any(|&area| area < 560) && areas.iter().any(|&area| area > 640));
    }
}
