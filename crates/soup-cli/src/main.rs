//! The binary `soup`: arguments, calls and output, nothing else. One file a verb in `verbs`.

mod console;
mod deciding;
mod failure;
mod images;
mod interrupt;
mod labels;
mod output;
mod progress;
mod renamed;
mod serving;
mod verbs;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use console::Console;

/// Learns which labels are in an image, and answers for images it has not seen.
#[derive(Debug, Parser)]
#[command(
    name = "soup",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = AFTER_HELP
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,

    /// End with one JSON object on stdout instead of text
    #[arg(long, global = true, help_heading = "Output")]
    json: bool,

    /// Write no progress to stderr
    #[arg(long, short, global = true, help_heading = "Output")]
    quiet: bool,
}

const AFTER_HELP: &str = "\
The way of an image:
  soup pack     --data images/ --out pack/
  soup folds    --data pack/ --kind stratified --k 5 --seed 42 --out folds.json
  soup train    --preset dacon12 --data pack/ --out runs/first
  soup watch    runs/first
  soup evaluate runs/first
  soup report   runs/first
  soup predict  runs/first --images test/ --out probs.csv
  soup submit   probs.csv --sample sample_submission.csv --out submission.csv
Into production: soup export runs/first --out model.soup, then soup serve model.soup
All of it on images that the program makes itself: soup quickstart

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 bad data, 4 interrupted (the same command resumes).
Results go to stdout, progress and messages to stderr. NO_COLOR is obeyed.";

/// What to do.
#[derive(Debug, Subcommand)]
enum Verb {
    Quickstart(verbs::quickstart::Arguments),
    Compose(verbs::compose::Arguments),
    Labels(verbs::labels::Arguments),
    Pack(verbs::pack::Arguments),
    Doctor(verbs::doctor::Arguments),
    Folds(verbs::folds::Arguments),
    Subset(verbs::subset::Arguments),
    Train(verbs::train::Arguments),
    Watch(verbs::watch::Arguments),
    Sweep(verbs::sweep::Arguments),
    Tta(verbs::tta::Arguments),
    Decide(verbs::decide::Arguments),
    Evaluate(verbs::evaluate::Arguments),
    Report(verbs::report::Arguments),
    Runs(verbs::runs::Arguments),
    Track(verbs::track::Arguments),
    Predict(verbs::predict::Arguments),
    Export(verbs::export::Arguments),
    Serve(verbs::serve::Arguments),
    Ensemble(verbs::ensemble::Arguments),
    Submit(verbs::submit::Arguments),
    Models(verbs::models::Arguments),
    Bench(verbs::bench::Arguments),
    Docs(verbs::docs::Arguments),
    Completions(verbs::completions::Arguments),
}

fn main() -> ExitCode {
    let (given, hints) = renamed::flags(std::env::args_os());
    let arguments = Arguments::parse_from(given);
    let console = Console::new(arguments.json, arguments.quiet);
    hints.iter().for_each(|hint| console.hint(hint));
    let outcome = match &arguments.verb {
        Verb::Quickstart(verb) => verbs::quickstart::run(verb, console),
        Verb::Compose(verb) => verbs::compose::run(verb, console),
        Verb::Labels(verb) => verbs::labels::run(verb, console),
        Verb::Pack(verb) => verbs::pack::run(verb, console),
        Verb::Doctor(verb) => verbs::doctor::run(verb, console),
        Verb::Folds(verb) => verbs::folds::run(verb, console),
        Verb::Subset(verb) => verbs::subset::run(verb, console),
        Verb::Train(verb) => verbs::train::run(verb, console),
        Verb::Watch(verb) => verbs::watch::run(verb, console),
        Verb::Sweep(verb) => verbs::sweep::run(verb, console),
        Verb::Tta(verb) => verbs::tta::run(verb, console),
        Verb::Decide(verb) => verbs::decide::run(verb, console),
        Verb::Evaluate(verb) => verbs::evaluate::run(verb, console),
        Verb::Report(verb) => verbs::report::run(verb, console),
        Verb::Runs(verb) => verbs::runs::run(verb),
        Verb::Track(verb) => verbs::track::run(verb),
        Verb::Predict(verb) => verbs::predict::run(verb, console),
        Verb::Export(verb) => verbs::export::run(verb),
        Verb::Serve(verb) => verbs::serve::run(verb, console),
        Verb::Ensemble(verb) => verbs::ensemble::run(verb, console),
        Verb::Submit(verb) => verbs::submit::run(verb, console),
        Verb::Models(verb) => verbs::models::run(verb),
        Verb::Bench(verb) => verbs::bench::run(verb, console),
        Verb::Docs(verb) => verbs::docs::run(verb),
        Verb::Completions(verb) => verbs::completions::run(verb, Arguments::command()),
    };
    match outcome {
        Ok(report) => console.report(&report),
        Err(error) => console.failure(&error),
    }
}
