//! `soup docs`: the book, which the program carries.

use anyhow::Result;
use clap::{Args, builder::PossibleValuesParser};
use serde::Serialize;

use crate::console::Report;

/// Name and text of a page in `docs/`.
macro_rules! pages {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../docs/", $name, ".md")))),*]
    };
}

/// In the order of `docs/SUMMARY.md`.
const PAGES: &[(&str, &str)] = pages![
    "first-steps",
    "your-images",
    "contest",
    "experiments",
    "production",
    "gpu",
    "many-machines",
    "python",
    "how-good",
    "how-fast",
    "batch-size",
    "variants",
    "settings",
    "glossary",
];

/// Print the documentation, a page at a time
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soup docs                        the pages
  soup docs first-steps | less")]
pub struct Arguments {
    /// The page [default: a list of them]
    #[arg(value_parser = PossibleValuesParser::new(PAGES.iter().map(|(name, _)| *name)))]
    page: Option<String>,
}

#[derive(Serialize)]
struct Facts<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<&'a str>,
    /// Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    pages: Vec<&'a str>,
}

pub fn run(arguments: &Arguments) -> Result<Report> {
    let wanted = arguments.page.as_deref();
    let found = PAGES.iter().find(|(name, _)| Some(*name) == wanted);
    let text = match found {
        Some((_, text)) => (*text).to_owned(),
        None => list(),
    };
    let facts = Facts {
        page: wanted,
        text: found.map(|(_, text)| *text),
        pages: PAGES.iter().map(|(name, _)| *name).collect(),
    };
    Report::new(facts, text)
}

/// Name and title of each page.
fn list() -> String {
    let title = |text: &str| {
        let first = text.lines().find_map(|line| line.strip_prefix("# "));
        first.unwrap_or_default().to_owned()
    };
    let lines = PAGES
        .iter()
        .map(|(name, text)| format!("{name:<14} {}\n", title(text)));
    lines.collect()
}
