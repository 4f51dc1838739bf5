//! The frame of a plot with two axes.

use maud::{Markup, html};

use super::{Axis, CHARACTER, WIDTH, at, svg};

const TOP: f64 = 22.0;
const RIGHT: f64 = 12.0;
const BOTTOM: f64 = 36.0;
const TICKS: usize = 5;

/// Two axes, the lines of the grid and the words around them.
pub struct Frame {
    x: Axis,
    y: Axis,
    height: f64,
    left: f64,
}

impl Frame {
    /// A frame of the usual height.
    pub fn new(x: Axis, y: Axis) -> Self {
        let longest = y.ticks(TICKS).iter().map(|tick| tick.1.len()).max();
        Self {
            left: longest.unwrap_or(0) as f64 * CHARACTER + 12.0,
            x,
            y,
            height: 230.0,
        }
    }

    /// As wide as high, where both axes measure the same.
    pub fn square(self) -> Self {
        Self {
            height: WIDTH - self.left - RIGHT + TOP + BOTTOM,
            ..self
        }
    }

    /// Where a value stands from the left.
    pub fn x(&self, value: f64) -> f64 {
        self.left + self.x.place(value) * (WIDTH - RIGHT - self.left)
    }

    /// Where a value stands from the top.
    pub fn y(&self, value: f64) -> f64 {
        let bottom = self.height - BOTTOM;
        bottom - self.y.place(value) * (bottom - TOP)
    }

    /// The edges: left, top, right, bottom.
    pub fn edges(&self) -> (f64, f64, f64, f64) {
        (self.left, TOP, WIDTH - RIGHT, self.height - BOTTOM)
    }

    /// The plot, with `body` inside of the frame.
    pub fn draw(&self, alternative: &str, body: &Markup) -> Markup {
        let (left, top, right, bottom) = self.edges();
        let drawn = html! {
            text.name x="0" y="11" { (self.y.name) }
            text.name.end x=(at(right)) y=(at(self.height - 3.0)) { (self.x.name) }
            @for (value, word) in self.y.ticks(TICKS) {
                @let y = at(self.y(value));
                path.grid d={ "M" (at(left)) " " (y) "H" (at(right)) } {}
                text.tick.end x=(at(left - 6.0)) y=(y) dy="4" { (word) }
            }
            @for (value, word) in self.x.ticks(TICKS + 1) {
                @let x = at(self.x(value));
                path.grid d={ "M" (x) " " (at(top)) "V" (at(bottom)) } {}
                text.tick.middle x=(x) y=(at(bottom + 15.0)) { (word) }
            }
            (body)
        };
        svg(self.height, alternative, &drawn)
    }
}
