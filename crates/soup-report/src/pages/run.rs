//! The page of one run, or of several beside each other.

use maud::{Markup, html};
use soup_train::Error;

use super::{compared, curves, data, decision, document, labels, overview, settings, wrong};
use crate::{Judged, Run};

/// A run and what its predictions show, or why that cannot be said.
pub struct Shown {
    /// The run.
    pub run: Run,
    /// Its predictions judged, or the reason in words.
    pub judged: Result<Judged, String>,
}

/// The page of these runs, at least one. The same runs give the same page, whenever it is made.
///
/// # Errors
/// [`Error::Format`] where the predictions of two runs cannot be compared.
pub fn of_runs(runs: &[Shown]) -> Result<String, Error> {
    let names: Vec<&str> = runs.iter().map(|of| of.run.name.as_str()).collect();
    let title = format!("soup report: {}", names.join(", "));
    let many = runs.len() > 1;
    let body = html! {
        header {
            h1 { @if many { (runs.len()) " runs compared" } @else { "Run " (names[0]) } }
            @if many {
                nav aria-label="Runs" {
                    ul {
                        li { a href="#comparison" { "comparison" } }
                        @for (number, name) in names.iter().enumerate() {
                            li { a href={ "#run" (number) } { (name) } }
                        }
                    }
                }
            }
        }
        main {
            @if many { (compared::section(runs)?) }
            @for (number, shown) in runs.iter().enumerate() {
                section.run[many] id={ "run" (number) } {
                    @if many { h1 { "Run " (shown.run.name) } }
                    (of_run(shown, number))
                }
            }
        }
        footer { p.soft { "Made by soup " (env!("CARGO_PKG_VERSION")) " from " (paths(runs)) } }
    };
    Ok(document(&title, &body))
}

fn paths(runs: &[Shown]) -> String {
    let paths: Vec<String> = runs
        .iter()
        .map(|of| of.run.path.display().to_string())
        .collect();
    paths.join(", ")
}

fn of_run(shown: &Shown, number: usize) -> Markup {
    let run = &shown.run;
    html! {
        (overview::section(shown))
        (curves::section(run))
        @if let Ok(judged) = &shown.judged {
            (labels::section(run, judged))
        }
        (decision::section(run))
        @if let Ok(judged) = &shown.judged {
            (wrong::section(judged, number))
            (data::section(judged, number))
        }
        (settings::section(run))
    }
}
