//! Bars from left to right, one a row.

use maud::{Markup, html};

use super::{Axis, WIDTH, at, room, short, svg};

const ROW: f64 = 15.0;
const TOP: f64 = 4.0;
const BOTTOM: f64 = 36.0;
const RIGHT: f64 = 20.0;

/// One bar.
pub struct Bar {
    /// Its name.
    pub name: String,
    /// Where it ends; it begins where the axis does.
    pub value: f64,
    /// What it is to be compared with.
    pub mark: Option<f64>,
    /// More about it, shown on hover.
    pub words: String,
}

/// Bars under each other.
pub fn bars(axis: &Axis, rows: &[Bar], alternative: &str) -> Markup {
    let left = room(rows.iter().map(|row| row.name.as_str()));
    let bottom = TOP + rows.len() as f64 * ROW;
    let x = |value: f64| left + axis.place(value).clamp(0.0, 1.0) * (WIDTH - RIGHT - left);
    let body = html! {
        @for (value, word) in axis.ticks(5) {
            path.grid d={ "M" (at(x(value))) " " (at(TOP)) "V" (at(bottom)) } {}
            text.tick.middle x=(at(x(value))) y=(at(bottom + 15.0)) { (word) }
        }
        @for (place, row) in rows.iter().enumerate() {
            @let y = TOP + place as f64 * ROW;
            g {
                title { (row.words) }
                text.tick.end x=(at(left - 6.0)) y=(at(y + ROW - 4.0)) { (short(&row.name)) }
                rect.area.c0 x=(at(left)) y=(at(y + 2.0)) width=(at(x(row.value) - left)) height=(at(ROW - 4.0)) {}
                @if let Some(mark) = row.mark {
                    path.mark d={ "M" (at(x(mark))) " " (at(y + 1.0)) "V" (at(y + ROW - 1.0)) } {}
                }
            }
        }
        text.name.end x=(at(WIDTH - RIGHT)) y=(at(bottom + BOTTOM - 5.0)) { (axis.name) }
    };
    svg(bottom + BOTTOM, alternative, &body)
}
