//! A hand: how one person, at one moment, would write a form.

use soup_random::Stream;

use super::{
    super::mask::Extent,
    letters::Stroke,
    pen::{Pen, Segment},
};

/// Straight pieces between two points of a smooth curve.
const PIECES: usize = 6;

/// The habits behind one glyph.
pub(super) struct Hand {
    /// Typical shift of a control point, in hundredths of the letter's size.
    unsteadiness: f32,
    /// Shear to the right per unit of height.
    slant: f32,
    /// Width relative to height.
    aspect: f32,
    /// Bend of the sheet: x by the square of y, y by the square of x, and two trapezes.
    bend: [f32; 4],
    /// Width of the pen as a share of the glyph's longer side.
    width: f32,
    /// How much the pressure differs among strokes.
    pressure: f32,
    /// How much the width differs from point to point along a stroke.
    roughness: f32,
}

impl Hand {
    pub fn new(stream: &mut Stream) -> Self {
        Self {
            unsteadiness: 1.5 + 4.5 * stream.uniform(),
            slant: 0.15 + 0.22 * bell(stream),
            aspect: 0.68 + stream.uniform() * stream.uniform().max(0.25),
            bend: [(); 4].map(|()| 0.16 * bell(stream)),
            width: 0.13 + 0.17 * stream.uniform(),
            roughness: 0.1 * stream.uniform(),
            pressure: 0.2 * stream.uniform(),
        }
    }

    /// A hand for signs that must keep to their boxes: little slant and bend.
    pub fn upright(stream: &mut Stream) -> Self {
        Self {
            slant: 0.08 * bell(stream),
            aspect: 1.0,
            bend: [(); 4].map(|()| 0.06 * bell(stream)),
            ..Self::new(stream)
        }
    }

    /// The same hand writing a letter that is wide by nature.
    pub fn wider(mut self, factor: f32) -> Self {
        self.aspect *= factor;
        self
    }

    /// Writes the strokes of a form.
    pub fn write(&self, strokes: &[Stroke], stream: &mut Stream) -> Pen {
        let mut segments = Vec::new();
        for stroke in strokes {
            let (points, smooth) = match *stroke {
                Stroke::Line(points) => (points, false),
                Stroke::Curve(points) => (points, true),
            };
            let mut points = self.shift(points, stream);
            self.lengthen(&mut points, stream);
            let path = if smooth {
                flatten(&points)
            } else {
                self.bow(&points, stream)
            };
            self.trace(&path, stream, &mut segments);
        }
        let width = self.width * crowding(&segments);
        Pen { segments, width }
    }

    /// Shifts every point a little; a doubled point (a corner) stays doubled.
    fn shift(&self, points: &[[i16; 2]], stream: &mut Stream) -> Vec<[f32; 2]> {
        let mut shifted: Vec<[f32; 2]> = Vec::with_capacity(points.len());
        for (at, &[x, y]) in points.iter().enumerate() {
            let corner = shifted.last().filter(|_| points[at - 1] == [x, y]);
            let point = corner.copied().unwrap_or_else(|| {
                [x, y].map(|value| f32::from(value) + self.unsteadiness * bell(stream))
            });
            shifted.push(point);
        }
        shifted
    }

    /// Lets a stroke start and end early or late.
    fn lengthen(&self, points: &mut [[f32; 2]], stream: &mut Stream) {
        let count = points.len();
        for (end, next) in [(0, 1), (count - 1, count - 2)] {
            let by = 0.1 * bell(stream);
            let inner = points[next];
            for (value, inner) in points[end].iter_mut().zip(inner) {
                *value += by * (*value - inner);
            }
        }
    }

    /// Straight strokes are never quite straight: each side gets a shallow bow.
    fn bow(&self, points: &[[f32; 2]], stream: &mut Stream) -> Vec<[f32; 2]> {
        let mut path = vec![points[0]];
        for pair in points.windows(2) {
            let [from, to] = [pair[0], pair[1]];
            let depth = 0.06 * bell(stream);
            let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
            for piece in 1..=PIECES {
                let share = piece as f32 / PIECES as f32;
                let arch = 4.0 * depth * share * (1.0 - share);
                path.push([
                    from[0] + share * dx - arch * dy,
                    from[1] + share * dy + arch * dx,
                ]);
            }
        }
        path
    }

    /// Where a point of the form lies on the bent, slanted, stretched sheet.
    fn place(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let [u, v] = [x * 0.02 - 1.0, y * 0.02 - 1.0];
        let [bow_x, bow_y, trapeze_x, trapeze_y] = self.bend;
        let bent = [
            u + bow_x * v * v + trapeze_x * u * v,
            v + bow_y * u * u + trapeze_y * u * v,
        ];
        [bent[0] * self.aspect - self.slant * bent[1], bent[1]]
    }

    /// Presses the pen along a path.
    fn trace(&self, path: &[[f32; 2]], stream: &mut Stream, segments: &mut Vec<Segment>) {
        let from = 1.0 + self.pressure * bell(stream);
        let to = from + self.pressure * bell(stream);
        let count = path.len().max(2) - 1;
        let mut start = from;
        for (pair, at) in path.windows(2).zip(1..) {
            let even = from + (to - from) * at as f32 / count as f32;
            let end = even + self.roughness * bell(stream);
            segments.push(Segment {
                ends: [self.place(pair[0]), self.place(pair[1])],
                pressure: [start, end],
            });
            start = end;
        }
    }
}

/// Writers hold a thinner pen, or write larger, where a letter has many strokes beside each other:
/// the factor of the width, from the length of the path relative to the letter's size.
fn crowding(segments: &[Segment]) -> f32 {
    let extent = Extent::around(segments.iter().flat_map(|segment| segment.ends));
    let length: f32 = segments
        .iter()
        .map(|segment| {
            let [[x0, y0], [x1, y1]] = segment.ends;
            ((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0)).sqrt()
        })
        .sum();
    let relative = length / extent.longer().max(1e-6);
    (2.6 / relative.max(1e-6)).sqrt().clamp(0.72, 1.2)
}

/// A draw with mean 0, variance about 1 and the shape of a bell, within +-3: the sum of three
/// uniform draws. (A true normal draw needs a logarithm, which is not the same on every machine.)
pub(super) fn bell(stream: &mut Stream) -> f32 {
    2.0 * (stream.uniform() + stream.uniform() + stream.uniform() - 1.5)
}

/// A Catmull-Rom curve through all points, cut into short lines. A doubled point is a corner.
pub(super) fn flatten(points: &[[f32; 2]]) -> Vec<[f32; 2]> {
    let mut path = vec![points[0]];
    let last = points.len() - 1;
    for at in 0..last {
        let (from, to) = (points[at], points[at + 1]);
        if from == to {
            continue;
        }
        let before = points[at.saturating_sub(1)];
        let after = points[(at + 2).min(last)];
        for piece in 1..=PIECES {
            let t = piece as f32 / PIECES as f32;
            path.push([0, 1].map(|axis| {
                let (p0, p1, p2, p3) = (before[axis], from[axis], to[axis], after[axis]);
                let linear = p2 - p0;
                let square = 2.0 * p0 - 5.0 * p1 + 4.0 * p2 - p3;
                let cube = 3.0 * (p1 - p2) + p3 - p0;
                p1 + 0.5 * t * (linear + t * (square + t * cube))
            }));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use soup_random::Purpose;

    use super::*;

    #[test]
    fn curves_pass_through_their_points_and_keep_corners() {
        let points = [[0.0, 0.0], [10.0, 0.0], [10.0, 0.0], [10.0, 10.0]];
        let path = flatten(&points);
        assert_eq!(path.len(), 1 + 2 * PIECES);
        assert_eq!(path[PIECES], [10.0, 0.0]);
        assert_eq!(path[2 * PIECES], [10.0, 10.0]);
        // Between corners there is nothing to round.
        assert!(path[..=PIECES].iter().all(|point| point[1].abs() < 1e-5));
        assert!(
            path[PIECES..]
                .iter()
                .all(|point| (point[0] - 10.0).abs() < 1e-5)
        );
    }

    #[test]
    fn a_bell_has_mean_0_and_variance_1() {
        let mut stream = Stream::new(1, Purpose::Glyph, 9, 9);
        let draws: Vec<f64> = (0..50_000).map(|_| f64::from(bell(&mut stream))).collect();
        let mean = draws.iter().sum::<f64>() / 50_000.0;
        let variance = draws.iter().map(|x| x * x).sum::<f64>() / 50_000.0;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03);
    }
}
