//! Parallel coordinates (Inselberg, "The plane with parallel coordinates", 1985), one axis a row: read
//! from the top down, however many axes there are.

use maud::{Markup, html};

use super::{CHARACTER, WIDTH, at, colour, svg};

const ROW: f64 = 84.0;
const SIDE: f64 = 26.0;
const TOP: f64 = 30.0;

/// A candidate on its way through the axes.
pub struct Thread {
    /// Its colour.
    pub colour: usize,
    /// Whether it stands out.
    pub bold: bool,
    /// Where it crosses each axis, from 0 to 1; none where nothing is known.
    pub places: Vec<Option<f64>>,
    /// More about it, shown on hover.
    pub words: String,
}

/// Draws them. An axis has a name and ticks: places from 0 to 1 with words.
pub fn parallel(
    axes: &[(String, Vec<(f64, String)>)],
    threads: &[Thread],
    alternative: &str,
) -> Markup {
    let x = |place: f64| SIDE + place.clamp(0.0, 1.0) * (WIDTH - 2.0 * SIDE);
    // Words at the ends stay inside of the plot.
    let inside = |x: f64, word: &str| {
        let half = (word.chars().count() as f64 * CHARACTER / 2.0).min(WIDTH / 2.0);
        x.clamp(half, WIDTH - half)
    };
    let y = |axis: usize| TOP + axis as f64 * ROW;
    let height = TOP + axes.len().saturating_sub(1) as f64 * ROW + 24.0;
    let path = |thread: &Thread| {
        let mut text = String::new();
        let mut from: Option<(f64, f64)> = None;
        for (axis, place) in thread.places.iter().enumerate() {
            let Some(place) = place else { continue };
            let (x, y) = (x(*place), y(axis));
            text.push_str(&match from {
                None => format!("M{} {}", at(x), at(y)),
                // Upright where it meets an axis, so that lines can be followed through it.
                Some((before, above)) => {
                    let middle = (above + y) / 2.0;
                    let (before, middle, x) = (at(before), at(middle), at(x));
                    format!("C{before} {middle} {x} {middle} {x} {}", at(y))
                }
            });
            from = Some((x, y));
        }
        text
    };
    let body = html! {
        @for thread in threads {
            g .(colour(thread.colour)) {
                title { (thread.words) }
                path.thread.bold[thread.bold] d=(path(thread)) {}
            }
        }
        @for (number, (name, ticks)) in axes.iter().enumerate() {
            @let y = y(number);
            path.axis d={ "M" (at(SIDE)) " " (at(y)) "H" (at(WIDTH - SIDE)) } {}
            text.name.halo x="0" y=(at(y - 14.0)) { (name) }
            @for (place, word) in ticks {
                path.axis d={ "M" (at(x(*place))) " " (at(y - 3.0)) "v6" } {}
                text.tick.middle.halo x=(at(inside(x(*place), word))) y=(at(y + 15.0)) { (word) }
            }
        }
    };
    svg(height, alternative, &body)
}
