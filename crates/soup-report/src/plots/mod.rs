//! Plots as SVG: lines, bars, columns, intervals, a matrix, points, and coordinates side by side.
//!
//! A plot is drawn for a column of 360 pixels, so that its words can be read on a phone as they are, and
//! takes every colour from the variables of the page's style sheet, so that one image serves light, dark
//! and paper. Each is an image to a screen reader, with an alternative in words.

mod axis;
mod bars;
mod columns;
mod frame;
mod intervals;
mod lines;
mod matrix;
mod parallel;
mod points;

pub use axis::{Axis, number};
pub use bars::{Bar, bars};
pub use columns::{Columns, columns};
pub use frame::Frame;
pub use intervals::{Row, intervals};
pub use lines::{Line, lines};
pub use matrix::{Matrix, matrix};
pub use parallel::{Thread, parallel};
pub use points::{Point, points};

use maud::{Markup, html};

/// Width of every plot in its own units; one is a pixel on a phone.
const WIDTH: f64 = 360.0;
/// Colours of the style sheet; further lines repeat them.
const COLOURS: usize = 8;
/// About the width of a character of the words beside an axis.
const CHARACTER: f64 = 6.2;
/// Names that stand beside a plot are cut to so many characters.
const LONGEST_NAME: usize = 22;

/// The class of a colour.
fn colour(number: usize) -> String {
    format!("c{}", number % COLOURS)
}

/// A place, to a tenth of a pixel.
fn at(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A name that fits beside a plot.
fn short(name: &str) -> String {
    if name.chars().count() <= LONGEST_NAME {
        return name.to_owned();
    }
    let cut: String = name.chars().take(LONGEST_NAME - 1).collect();
    format!("{cut}…")
}

/// Room for names.
fn room<'a>(names: impl Iterator<Item = &'a str>) -> f64 {
    let longest = names.map(|name| short(name).chars().count()).max();
    longest.unwrap_or(0) as f64 * CHARACTER + 10.0
}

fn svg(height: f64, alternative: &str, body: &Markup) -> Markup {
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (at(height)) } role="img" aria-label=(alternative) { (body) }
    }
}

/// What a sign in a plot stands for.
pub enum Key {
    /// A line of a colour.
    Line(usize, bool, String),
    /// A filled area of a colour.
    Area(usize, String),
}

/// The signs under a plot and what they stand for.
pub fn legend(keys: &[Key]) -> Markup {
    html! {
        ul.legend {
            @for key in keys {
                li {
                    @match key {
                        Key::Line(number, dashed, name) => {
                            svg viewBox="0 0 24 10" aria-hidden="true" {
                                path.line.dashed[*dashed] .(colour(*number)) d="M1 5H23" {}
                            }
                            (name)
                        }
                        Key::Area(number, name) => {
                            svg viewBox="0 0 24 10" aria-hidden="true" {
                                rect.area .(colour(*number)) x="4" y="0" width="16" height="10" {}
                            }
                            (name)
                        }
                    }
                }
            }
        }
    }
}

/// A plot with its title, what its signs mean, and what is to be seen in it.
pub fn figure(title: &str, plot: &Markup, keys: &[Key], note: &str) -> Markup {
    html! {
        figure {
            h3 { (title) }
            (plot)
            @if !keys.is_empty() { (legend(keys)) }
            @if !note.is_empty() { figcaption { (note) } }
        }
    }
}
