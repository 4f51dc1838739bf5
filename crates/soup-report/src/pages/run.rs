//! The page of one run, or of several beside each other.

use maud::{Markup, html};
use soup_train::Error;

use super::{compared, curves, data, decision, document, labels, overview, settings, wrong};
use crate::{Run, Validation};

/// A run and the scores of its predictions.
pub struct ReportedRun {
    /// The run.
    pub run: Run,
    /// The scores of its predictions, or why there are none.
    pub validation: Result<Validation, String>,
}

/// The page of these runs, at least one. The same runs give the same page, whenever it is made.
///
/// # Errors
/// [`Error::Format`] where the predictions of two runs cannot be compared.
pub fn of_runs(runs: &[ReportedRun]) -> Result<String, Error> {
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

fn paths(runs: &[ReportedRun]) -> String {
    let paths: Vec<String> = runs
        .iter()
        .map(|of| of.run.path.display().to_string())
        .collect();
    paths.join(", ")
}

fn of_run(shown: &ReportedRun, number: usize) -> Markup {
    let run = &shown.run;
    html! {
        (overview::section(shown))
        (curves::section(run))
        @if let Ok(validation) = &shown.validation {
            (labels::section(run, validation))
        }
        (decision::section(run))
        @if let Ok(validation) = &shown.validation {
            (wrong::section(validation, number))
            (data::section(validation, number))
        }
        (settings::section(run))
    }
}
