//! The tree-structured Parzen estimator: candidates that are likelier among the good ones than among
//! the others, one option at a time.

use soup_random::{Purpose, Stream};

use super::super::space::{Candidate, Point, SweepOption};

/// Share of the candidates that count as good.
const GOOD: f64 = 0.25;
/// Points that are drawn from the good ones, of which the likeliest is taken.
const DRAWN: usize = 24;

/// The candidate number `at`, in the draw number `again`.
pub(super) fn propose(
    options: &[SweepOption],
    seen: &[(Candidate, Option<f64>)],
    at: usize,
    seed: u64,
    again: u32,
) -> Candidate {
    let mut stream = Stream::new(seed, Purpose::Sweep, 2 * again + 1, at as u64);
    let mut order: Vec<usize> = (0..seen.len()).collect();
    // The best first; those that failed last; equal ones by their number.
    let score = |index: &usize| seen[*index].1.unwrap_or(f64::NEG_INFINITY);
    order.sort_by(|a, b| score(b).total_cmp(&score(a)).then(a.cmp(b)));
    let (good, other) =
        order.split_at(((seen.len() as f64 * GOOD).ceil() as usize).min(seen.len()));
    options
        .iter()
        .enumerate()
        .map(|(place, option)| {
            let points = |of: &[usize]| of.iter().map(|index| seen[*index].0[place]).collect();
            let good = Density::new(option, points(good));
            let other = Density::new(option, points(other));
            let mut best = (f64::NEG_INFINITY, Point::Value(0));
            for _ in 0..DRAWN {
                let point = good.draw(option, &mut stream);
                let gain = good.at(point).ln() - other.at(point).ln();
                if gain > best.0 {
                    best = (gain, point);
                }
            }
            best.1
        })
        .collect()
}

/// A mixture of one kernel a point and, so that nothing is impossible, the even density.
struct Density {
    points: Vec<Point>,
    /// Values of the option; none for a range.
    count: Option<usize>,
    /// Width of a kernel on a range.
    width: f64,
}

impl Density {
    fn new(option: &SweepOption, points: Vec<Point>) -> Self {
        Self {
            count: option.count(),
            width: (0.5 / (points.len() as f64 + 1.0)).clamp(0.05, 0.25),
            points,
        }
    }

    fn draw(&self, option: &SweepOption, stream: &mut Stream) -> Point {
        let kernel = stream.below(self.points.len() as u32 + 1) as usize;
        match self.points.get(kernel) {
            Some(Point::Range(centre)) => loop {
                let value = centre + self.width * f64::from(stream.normal());
                if (0.0..=1.0).contains(&value) {
                    return Point::Range(value);
                }
            },
            Some(value) => *value,
            None => option.draw(stream),
        }
    }

    fn at(&self, point: Point) -> f64 {
        let even = 1.0 / self.count.unwrap_or(1) as f64;
        let kernels = self.points.iter().map(|centre| match (point, centre) {
            (Point::Range(value), Point::Range(centre)) => {
                let z = (value - centre) / self.width;
                (-0.5 * z * z).exp() / (self.width * (2.0 * std::f64::consts::PI).sqrt())
            }
            _ => f64::from(u8::from(point == *centre)),
        });
        (even + kernels.sum::<f64>()) / (self.points.len() + 1) as f64
    }
}
