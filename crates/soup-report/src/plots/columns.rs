//! Columns side by side, one group a number.

use maud::{Markup, html};

use super::{Axis, Frame, at, colour};

/// How much of the room between two numbers the columns fill.
const FILLED: f64 = 0.8;

/// Columns over whole numbers.
pub struct Columns<'a> {
    /// What is counted over.
    pub x: &'a str,
    /// What the columns measure.
    pub y: &'a str,
    /// The first number.
    pub first: usize,
    /// One list a colour, all of one length.
    pub heights: &'a [Vec<f64>],
    /// A height over each number that is drawn as a line; NaN where there is none.
    pub rule: Option<&'a [f64]>,
}

/// Draws them.
pub fn columns(data: &Columns<'_>, alternative: &str) -> Markup {
    let count = data.heights.iter().map(Vec::len).max().unwrap_or(0);
    let (first, end) = (data.first as f64 - 0.5, (data.first + count) as f64 - 0.5);
    let all = data
        .heights
        .iter()
        .flatten()
        .chain(data.rule.unwrap_or(&[]));
    let frame = Frame::new(
        Axis::new(data.x, first, end).whole(),
        Axis::from_zero(data.y, all.copied()),
    );
    let width = FILLED / data.heights.len().max(1) as f64;
    let zero = frame.y(0.0);
    let body = html! {
        @for (number, heights) in data.heights.iter().enumerate() {
            @for (place, height) in heights.iter().enumerate().filter(|(_, height)| **height > 0.0) {
                @let middle = (data.first + place) as f64;
                @let from = frame.x(middle - FILLED / 2.0 + width * number as f64);
                @let to = frame.x(middle - FILLED / 2.0 + width * (number + 1) as f64);
                rect.area .(colour(number)) x=(at(from)) y=(at(frame.y(*height))) width=(at(to - from))
                    height=(at(zero - frame.y(*height))) {
                    title { (data.first + place) ": " (super::number(*height)) }
                }
            }
        }
        @for (place, height) in data.rule.unwrap_or(&[]).iter().enumerate().filter(|(_, height)| height.is_finite()) {
            @let middle = (data.first + place) as f64;
            path.mark d={ "M" (at(frame.x(middle - 0.5))) " " (at(frame.y(*height))) "H" (at(frame.x(middle + 0.5))) } {}
        }
    };
    frame.draw(alternative, &body)
}
