//! Curves.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::{Frame, at, colour};

/// With more points than this, they are not drawn singly.
const MOST_DOTS: usize = 12;

/// One curve.
pub struct Line {
    /// What it is, shown on hover.
    pub name: String,
    /// Its colour.
    pub colour: usize,
    /// Whether it is dashed.
    pub dashed: bool,
    /// Its points in order; the curve is broken where one is no number.
    pub points: Vec<(f64, f64)>,
}

/// Curves in a frame, with `body` drawn behind them.
pub fn lines(frame: &Frame, lines: &[Line], body: &Markup, alternative: &str) -> Markup {
    let drawn = html! {
        (body)
        @for line in lines {
            g .(colour(line.colour)) {
                title { (line.name) }
                path.line.dashed[line.dashed] d=(path(frame, &line.points)) {}
                @if line.points.len() <= MOST_DOTS && !line.dashed {
                    @for (x, y) in line.points.iter().filter(|point| point.1.is_finite()) {
                        circle.dot cx=(at(frame.x(*x))) cy=(at(frame.y(*y))) r="2" {}
                    }
                }
            }
        }
    };
    frame.draw(alternative, &drawn)
}

/// `M` and `L` through the points that are numbers.
fn path(frame: &Frame, points: &[(f64, f64)]) -> String {
    let (mut text, mut pen_down) = (String::new(), false);
    for (x, y) in points {
        if !(x.is_finite() && y.is_finite()) {
            pen_down = false;
            continue;
        }
        let letter = if pen_down { 'L' } else { 'M' };
        let _ = write!(text, "{letter}{} {}", at(frame.x(*x)), at(frame.y(*y)));
        pen_down = true;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plots::Axis;

    #[test]
    fn a_curve_is_broken_where_nothing_is_known() {
        let frame = Frame::new(Axis::new("x", 0.0, 3.0), Axis::share("y"));
        let points = [(0.0, 0.5), (1.0, f64::NAN), (2.0, 0.5), (3.0, 1.0)];
        let path = path(&frame, &points);
        assert_eq!(path.matches('M').count(), 2);
        assert_eq!(path.matches('L').count(), 1);
        assert!(!path.contains("NaN"));
    }
}
