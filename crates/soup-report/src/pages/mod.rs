//! Pages: one HTML file each, complete in itself. No script, nothing from the network: the page's own policy
//! allows its style sheet and the images that it carries, and nothing else.

mod compared;
pub(crate) mod curves;
mod data;
mod decision;
mod labels;
pub(crate) mod overview;
mod run;
pub(crate) mod settings;
mod sweep;
pub(crate) mod wrong;

pub(crate) use compared::differing;
pub use run::{ReportedRun, of_runs};
pub use sweep::of_sweep;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use soup_decide::metrics::Interval;

use crate::words::{ENGLISH, Words};

/// The style of what stands in a page: plots, tables, cards, images. The page around it gives the colours `--paper`,
/// `--card`, `--ink`, `--soft` and `--rule`.
pub const PARTS: &str = include_str!("parts.css");
const STYLE: &str = include_str!("style.css");
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// A page.
fn document(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(PARTS)) (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}

/// A share, to four digits.
pub(crate) fn share(value: f64) -> String {
    match value.is_finite() {
        true => format!("{value:.4}"),
        false => "-".to_owned(),
    }
}

/// `.6763 to .6878`, as numbers.
fn between(interval: Interval) -> String {
    format!("{} to {}", share(interval.low), share(interval.high))
}

/// `48 s`, `3 min 20 s`, `5 h 12 min`.
pub fn duration(seconds: f64) -> String {
    duration_in(&ENGLISH, seconds)
}

/// As [`duration`], in these words.
pub(crate) fn duration_in(words: &Words, seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, seconds) => (words.seconds)(seconds),
        (0, minutes, seconds) => (words.minutes)(minutes, seconds),
        (hours, minutes, _) => (words.hours)(hours, minutes),
    }
}

/// A figure beside its name and what more is to be said of it.
pub(crate) fn cards(cards: &[(&str, String, String)]) -> Markup {
    html! {
        ul.cards {
            @for (name, value, words) in cards {
                li { span { (name) } b { (value) } @if !words.is_empty() { span { (words) } } }
            }
        }
    }
}

/// Bytes above which a cell of a table is given room, though the table may have to be moved then.
const LONG: usize = 24;

/// A table; columns whose names begin with `#` hold numbers.
pub(crate) fn grid(columns: &[&str], rows: &[Vec<String>]) -> Markup {
    let class = |column: usize| match columns[column].starts_with('#') {
        true => "number",
        false => "whole",
    };
    html! {
        // A wide table is moved by keyboard too.
        div.scroll tabindex="0" {
            table {
                thead {
                    tr {
                        @for (place, name) in columns.iter().enumerate() {
                            th scope="col" class=(class(place)) { (name.trim_start_matches('#')) }
                        }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            @for (place, cell) in row.iter().enumerate() {
                                td class=(class(place)) {
                                    @if cell.len() > LONG { div.long { (cell) } } @else { (cell) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_from_outside_stay_words() {
        let page = document(
            "<script>",
            &grid(&["a"], &[vec!["<img src=x>&\"".to_owned()]]),
        );
        assert!(page.contains("<title>&lt;script&gt;</title>"));
        assert!(page.contains("&lt;img src=x&gt;&amp;"));
        assert!(!page.contains("<script"));
        assert!(page.contains("default-src 'none'"));
        // One file: nothing is fetched.
        for style in [PARTS, STYLE] {
            assert!(!style.contains("url(") && !style.contains("@import"));
        }
    }

    #[test]
    fn times_are_said_as_a_person_does() {
        let said = [48.2, 200.0, 18_720.0].map(duration);
        assert_eq!(said, ["48 s", "3 min 20 s", "5 h 12 min"]);
    }
}
