//! Points in a frame.

use maud::{Markup, html};

use super::{CHARACTER, Frame, at, colour};

/// One point.
pub struct Point {
    /// Where it stands.
    pub x: f64,
    /// Where it stands.
    pub y: f64,
    /// Its colour.
    pub colour: usize,
    /// What is written beside it.
    pub name: Option<String>,
    /// More about it, shown on hover.
    pub words: String,
}

/// Points, and a line of steps through `front`, from left to right. A name that has no room is left out.
pub fn points(frame: &Frame, points: &[Point], front: &[(f64, f64)], alternative: &str) -> Markup {
    let mut steps = String::new();
    for (x, y) in front {
        let (x, y) = (at(frame.x(*x)), at(frame.y(*y)));
        steps.push_str(&match steps.is_empty() {
            true => format!("M{x} {y}"),
            false => format!("V{y}H{x}"),
        });
    }
    let names = places(frame, points);
    let body = html! {
        @if !steps.is_empty() { path.line.dashed.c7 d=(steps) {} }
        @for (point, place) in points.iter().zip(names) {
            g .(colour(point.colour)) {
                title { (point.words) }
                circle.dot cx=(at(frame.x(point.x))) cy=(at(frame.y(point.y))) r="4" {}
                @if let (Some(name), Some((x, y))) = (&point.name, place) {
                    text.tick x=(at(x)) y=(at(y)) { (name) }
                }
            }
        }
    };
    frame.draw(alternative, &body)
}

/// Where the name of each point begins: right of it, left, above or below, where it lies over no point and
/// no other name.
fn places(frame: &Frame, points: &[Point]) -> Vec<Option<(f64, f64)>> {
    const HEIGHT: f64 = 11.0;
    const DOT: f64 = 4.0;
    let (left, top, right, bottom) = frame.edges();
    let dot = |point: &Point| {
        let (x, y) = (frame.x(point.x), frame.y(point.y));
        [x - DOT, y - DOT, x + DOT, y + DOT]
    };
    let mut taken: Vec<[f64; 4]> = points.iter().map(dot).collect();
    let mut places = Vec::new();
    for point in points {
        let (x, y) = (frame.x(point.x), frame.y(point.y));
        let width = point.name.as_ref().map_or(0, |name| name.chars().count()) as f64 * CHARACTER;
        let tries = [
            (x + 7.0, y + 4.0),
            (x - 7.0 - width, y + 4.0),
            (x - width / 2.0, y - 7.0),
            (x - width / 2.0, y + 7.0 + HEIGHT),
        ];
        let around = |(x, y): (f64, f64)| [x, y - HEIGHT, x + width, y];
        let place = tries.into_iter().find(|place| {
            let own = around(*place);
            let inside =
                own[0] >= left && own[1] >= top - HEIGHT && own[2] <= right && own[3] <= bottom;
            let apart = |other: &[f64; 4]| {
                own[2] < other[0] || other[2] < own[0] || own[3] < other[1] || other[3] < own[1]
            };
            inside && taken.iter().all(apart)
        });
        let place = place.filter(|_| point.name.is_some());
        taken.extend(place.map(around));
        places.push(place);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plots::Axis;

    #[test]
    fn names_do_not_lie_over_each_other() {
        let frame = Frame::new(Axis::share("x"), Axis::share("y"));
        let point = |x: f64, y: f64| Point {
            x,
            y,
            colour: 0,
            name: Some("12".to_owned()),
            words: String::new(),
        };
        let close = [
            point(0.5, 0.5),
            point(0.53, 0.5),
            point(0.5, 0.5),
            point(1.0, 1.0),
        ];
        let places = places(&frame, &close);
        // The first one has no room to its right, where the second stands.
        assert!(places[0].is_some_and(|place| place.0 < frame.x(0.5)));
        assert!(places[1].is_some_and(|place| place.0 > frame.x(0.53)));
        assert!(places[2].is_some_and(|place| place.1 < frame.y(0.5)));
        assert!(places[3].is_some_and(|place| place.0 < frame.x(1.0)));
    }
}
