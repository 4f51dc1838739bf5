//! A square of cells, darker where a value is larger.

use maud::{Markup, html};

use super::{WIDTH, at, room, short, svg};

const TOP: f64 = 22.0;
const BOTTOM: f64 = 22.0;

/// Rows and columns with the same names.
pub struct Matrix<'a> {
    /// Names of rows and columns.
    pub names: &'a [String],
    /// What the rows are.
    pub rows: &'a str,
    /// What the columns are.
    pub columns: &'a str,
}

/// Draws it: `shade` gives the darkness of a cell from 0 (left out) to 1 and words for it.
pub fn matrix(
    data: &Matrix<'_>,
    shade: impl Fn(usize, usize) -> (f64, String),
    alternative: &str,
) -> Markup {
    let count = data.names.len();
    // Names that are not short stand at the rows only; columns are in the same order.
    let brief = data.names.iter().all(|name| name.chars().count() <= 2);
    let left = room(data.names.iter().map(String::as_str));
    let top = TOP + if brief { 14.0 } else { 0.0 };
    let cell = (WIDTH - left - 2.0) / count as f64;
    let side = cell * count as f64;
    let body = html! {
        text.name x="0" y="11" { (data.rows) }
        text.name.end x=(at(WIDTH)) y=(at(top + side + BOTTOM - 6.0)) { (data.columns) }
        rect.frame x=(at(left)) y=(at(top)) width=(at(side)) height=(at(side)) {}
        @for (row, name) in data.names.iter().enumerate() {
            @let y = top + row as f64 * cell;
            text.tick.end x=(at(left - 6.0)) y=(at(y + cell / 2.0 + 4.0)) { (short(name)) }
            @if brief {
                text.tick.middle x=(at(left + (row as f64 + 0.5) * cell)) y=(at(top - 4.0)) { (name) }
            }
            @for column in 0..count {
                @let (dark, words) = shade(row, column);
                @if dark > 0.0 {
                    rect.cell x=(at(left + column as f64 * cell)) y=(at(y)) width=(at(cell)) height=(at(cell))
                        fill-opacity=(format!("{dark:.2}")) {
                        title { (words) }
                    }
                }
            }
        }
    };
    svg(top + side + BOTTOM, alternative, &body)
}
