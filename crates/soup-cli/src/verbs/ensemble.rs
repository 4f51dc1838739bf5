//! `soup ensemble`: one prediction file from many.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::Serialize;
use soup_decide::ensemble::{self, Tie};
use soup_decide::{Predictions, Thresholds};

use crate::console::Report;
use crate::failure::Usage;

/// Combine prediction files into one
///
/// Takes probabilities and 0/1 files alike, ours or another team's. Pictures and labels are matched
/// by name; a file that lacks a picture or has another one is refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Files: CSV in submission shape (index,a,b,...), gzipped or not, or .npy with NAME.ids.json beside it.

Examples:
  soup ensemble fold*.csv --out mean.csv
  soup ensemble ours.npy theirs.csv.gz --weights 2,1 --out mixed.csv
  soup ensemble team*.csv --method vote --tie mean --out majority.csv")]
pub struct Arguments {
    /// The prediction files; the first one gives the order of the result
    #[arg(required = true, value_name = "FILES")]
    files: Vec<PathBuf>,

    /// How the values of a cell become one
    #[arg(long, value_enum, default_value_t = Method::Mean)]
    method: Method,

    /// One weight a file, separated by commas [default: all equal]
    #[arg(
        long,
        value_delimiter = ',',
        allow_negative_numbers = true,
        value_name = "W,W,..."
    )]
    weights: Option<Vec<f64>>,

    /// For vote: what a label with half of the votes becomes [default: no]
    #[arg(long, value_enum)]
    tie: Option<TieRule>,

    /// For vote: a yes is a probability above T; T,a=T,... gives labels their own [default: 0.5]
    #[arg(long, value_name = "T")]
    threshold: Option<Thresholds>,

    /// The result: .csv, .csv.gz or .npy
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Method {
    /// Mean of the probabilities
    Mean,
    /// Sigmoid of the mean of the logits: sure files count for more
    LogitMean,
    /// Majority of yes and no: the result is 0 or 1
    Vote,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TieRule {
    /// Not in the picture
    No,
    /// In the picture
    Yes,
    /// The mean of the probabilities decides
    Mean,
}

#[derive(Serialize)]
struct Facts<'a> {
    files: &'a [PathBuf],
    method: Method,
    pictures: usize,
    labels: usize,
    out: &'a PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<Report> {
    let method = match arguments.method {
        Method::Mean => ensemble::Method::Mean,
        Method::LogitMean => ensemble::Method::LogitMean,
        Method::Vote => ensemble::Method::Vote {
            thresholds: arguments.threshold.clone().unwrap_or_default(),
            tie: match arguments.tie {
                None | Some(TieRule::No) => Tie::No,
                Some(TieRule::Yes) => Tie::Yes,
                Some(TieRule::Mean) => Tie::Mean,
            },
        },
    };
    let for_votes = [
        ("--tie", arguments.tie.is_some()),
        ("--threshold", arguments.threshold.is_some()),
    ];
    if let Some((flag, _)) = for_votes.iter().find(|(_, given)| *given)
        && arguments.method != Method::Vote
    {
        return Err(Usage(format!("{flag} is for --method vote only")).into());
    }
    let tables = arguments.files.iter().map(|file| Predictions::read(file));
    let tables = tables.collect::<soup_decide::Result<Vec<_>>>()?;
    let combined = ensemble::combine(&tables, &method, arguments.weights.as_deref())?;
    combined.write(&arguments.out)?;
    let facts = Facts {
        files: &arguments.files,
        method: arguments.method,
        pictures: combined.len(),
        labels: combined.labels().len(),
        out: &arguments.out,
    };
    let text = format!(
        "{} files combined: {} pictures x {} labels in {}",
        tables.len(),
        facts.pictures,
        facts.labels,
        arguments.out.display()
    );
    Report::new(facts, text)
}
