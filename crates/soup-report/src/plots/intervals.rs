//! Values with the intervals around them, one a row.

use maud::{Markup, html};

use super::{Axis, WIDTH, at, colour, room, short, svg};

const ROW: f64 = 17.0;
const TOP: f64 = 4.0;
const BOTTOM: f64 = 36.0;
const RIGHT: f64 = 20.0;

/// One value.
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its colour.
    pub colour: usize,
    /// The value.
    pub value: f64,
    /// Ends of its interval, where one is known.
    pub interval: Option<(f64, f64)>,
    /// More about it, shown on hover.
    pub words: String,
}

/// Values under each other, and a line through all of them at `reference`.
pub fn intervals(axis: &Axis, rows: &[Row], reference: Option<f64>, alternative: &str) -> Markup {
    let left = room(rows.iter().map(|row| row.name.as_str()));
    let bottom = TOP + rows.len() as f64 * ROW;
    let x = |value: f64| left + axis.place(value).clamp(0.0, 1.0) * (WIDTH - RIGHT - left);
    let body = html! {
        @for (value, word) in axis.ticks(4) {
            path.grid d={ "M" (at(x(value))) " " (at(TOP)) "V" (at(bottom)) } {}
            text.tick.middle x=(at(x(value))) y=(at(bottom + 15.0)) { (word) }
        }
        @if let Some(value) = reference {
            path.mark d={ "M" (at(x(value))) " " (at(TOP)) "V" (at(bottom)) } {}
        }
        @for (place, row) in rows.iter().enumerate() {
            @let y = TOP + place as f64 * ROW + ROW / 2.0;
            g .(colour(row.colour)) {
                title { (row.words) }
                text.tick.end x=(at(left - 6.0)) y=(at(y + 4.0)) { (short(&row.name)) }
                @if let Some((low, high)) = row.interval {
                    path.line d={ "M" (at(x(low))) " " (at(y)) "H" (at(x(high))) } {}
                }
                circle.dot cx=(at(x(row.value))) cy=(at(y)) r="3.5" {}
            }
        }
        text.name.end x=(at(WIDTH - RIGHT)) y=(at(bottom + BOTTOM - 5.0)) { (axis.name) }
    };
    svg(bottom + BOTTOM, alternative, &body)
}
