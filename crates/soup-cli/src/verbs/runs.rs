//! `soup runs`: the runs in a folder beside each other.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_report::list::{Listed, list};
use soup_report::pages::duration;

use crate::console::Report;
use crate::interrupt;

/// Columns of the narrowest usual terminal.
const WIDTH: usize = 80;
/// Longest name of a run in the table; of a longer one the end is shown.
const NAME: usize = 20;
/// Longest value of a setting.
const VALUE: usize = 44;

/// List the runs in a folder, with scores, costs and what differs
///
/// Reads the folders of the folder too, so that the runs of a sweep are found.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soup runs runs/
  soup runs sweeps/first/runs
  soup runs runs/ --json")]
pub struct Arguments {
    /// A folder with runs in it, or a run
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

#[derive(Serialize)]
struct Facts {
    folder: PathBuf,
    runs: Vec<Listed>,
}

pub fn run(arguments: &Arguments) -> Result<Report> {
    let stop = interrupt::watch()?;
    let runs = list(&arguments.folder, &stop)?;
    let text = text(&runs);
    let facts = Facts {
        folder: arguments.folder.clone(),
        runs,
    };
    Report::new(facts, text)
}

fn text(runs: &[Listed]) -> String {
    let longest = runs.iter().map(|run| run.name.chars().count()).max();
    let name = longest.unwrap_or(0).clamp(3, NAME);
    let mut text = format!(
        "{:<name$} accuracy  95 % interval    mAP    epochs folds  time\n",
        "run"
    );
    for run in runs {
        let accuracy = run
            .accuracy
            .map_or("-".into(), |value| format!("{value:.4}"));
        let interval = match run.interval {
            Some(interval) => format!("{:.4} to {:.4}", interval.low, interval.high),
            None => String::new(),
        };
        let map = (run.mean_average_precision).map_or("-".into(), |value| format!("{value:.4}"));
        let [trained, folds] = run.folds;
        let line = format!(
            "{:<name$} {accuracy:>8}  {interval:<16} {map:<6} {:>6} {:>5}  {}",
            end_of(&run.name, name),
            run.epochs,
            format!("{trained}/{folds}"),
            duration(run.seconds)
        );
        text.push_str(&format!("{}\n", line.trim_end()));
        let diverged = run
            .diverged
            .iter()
            .map(|fold| format!("fold {fold} diverged"));
        text.push_str(&wrapped(diverged));
        let words = run
            .settings
            .iter()
            .map(|(key, value)| format!("{key}={}", start_of(value, VALUE)));
        text.push_str(&wrapped(words));
    }
    if let Some(run) = runs.iter().find(|run| run.interval.is_none()) {
        text.push_str("\nwithout an interval: the mean of the folds at their best epochs");
        if let Some(problem) = &run.problem {
            text.push_str(&format!(", as {problem}"));
        }
        text.push('\n');
    }
    text
}

/// Words in lines that fit, set off from the left.
fn wrapped(words: impl Iterator<Item = String>) -> String {
    const INDENT: &str = "    ";
    let (mut text, mut line) = (String::new(), String::new());
    for word in words {
        let length = line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && length > WIDTH - INDENT.len() {
            text.push_str(&format!("{INDENT}{line}\n"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    if !line.is_empty() {
        text.push_str(&format!("{INDENT}{line}\n"));
    }
    text
}

fn end_of(text: &str, most: usize) -> String {
    let length = text.chars().count();
    match length > most {
        true => format!(
            "…{}",
            text.chars().skip(length - most + 1).collect::<String>()
        ),
        false => text.to_owned(),
    }
}

fn start_of(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => format!("{}…", text.chars().take(most - 1).collect::<String>()),
        false => text.to_owned(),
    }
}
