//! `soup ensemble`: one prediction file from many.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::Serialize;
use soup_decide::{
    Predictions, Thresholds,
    ensemble::{self, FittedWeights, Tie},
    metrics::Difference,
};

use crate::{
    console::{Console, Report},
    failure::Usage,
    output::{self, Output},
};

/// Combine prediction files into one
///
/// Takes probabilities and 0/1 files alike, ours or another team's. Images and labels are matched
/// by name; a file that lacks an image or has another one is refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Files: CSV in submission shape (index,a,b,...), gzipped or not, or .npy with NAME.ids.json beside it.

Examples:
  soup ensemble fold*.csv --out mean.csv
  soup ensemble ours.npy theirs.csv.gz --weights 2,1 --out mixed.csv
  soup ensemble team*.csv --method vote --tie mean --out majority.csv
  soup ensemble oof-a.npy oof-b.npy --fit answer.csv --out oof.csv

--fit takes predictions of images that no model was trained on (out of fold) and prints the weights
to give to --weights for the test images.")]
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

    /// For mean: fit the weights on the true labels in this file, at least 100 images a file
    #[arg(long, value_name = "LABELS", conflicts_with = "weights")]
    fit: Option<PathBuf>,

    /// For vote: what a label with half of the votes becomes [default: no]
    #[arg(long, value_enum)]
    tie: Option<Tie>,

    /// For vote: a yes is a probability above T; T,a=T,... gives labels their own [default: 0.5]
    #[arg(long, value_name = "T")]
    threshold: Option<Thresholds>,

    /// The result: .csv, .csv.gz or .npy; - is stdout
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Method {
    /// Mean of the probabilities
    Mean,
    /// Sigmoid of the mean of the logits: confident files count for more
    LogitMean,
    /// Majority of yes and no: the result is 0 or 1
    Vote,
}

#[derive(Serialize)]
struct Facts<'a> {
    files: &'a [PathBuf],
    method: Method,
    #[serde(rename = "pictures")]
    images: usize,
    labels: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    fitted: Option<Fitted>,
    out: &'a PathBuf,
}

#[derive(Serialize)]
struct Fitted {
    weights: Vec<f64>,
    /// Whether they are a significant gain; else all are equal.
    is_fitted: bool,
    /// How much lower the log loss of a cell is, and how much higher the share of right cells, than
    /// with equal weights: on images that the weights were not fitted on.
    loss_gain: Difference,
    accuracy_gain: Difference,
}

pub fn run(arguments: &Arguments, console: Console) -> Result<Report> {
    let out = Output::new(&arguments.out, "--out", &output::PREDICTIONS)?;
    let method = match arguments.method {
        Method::Mean => ensemble::Method::Mean,
        Method::LogitMean => ensemble::Method::LogitMean,
        Method::Vote => ensemble::Method::Vote {
            thresholds: arguments.threshold.clone().unwrap_or_default(),
            tie: arguments.tie.unwrap_or_default(),
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
    let fitted = match &arguments.fit {
        Some(_) if arguments.method != Method::Mean => {
            return Err(Usage("--fit is for --method mean only".into()).into());
        }
        Some(labels) => Some(fit(&tables, labels)?),
        None => None,
    };
    let weights = match &fitted {
        Some(fitted) => Some(&fitted.weights[..]),
        None => arguments.weights.as_deref(),
    };
    let combined = ensemble::combine(&tables, &method, weights)?;
    console.notes(combined.notes());
    out.write_predictions(&combined)?;
    let facts = Facts {
        files: &arguments.files,
        method: arguments.method,
        images: combined.len(),
        labels: combined.labels().len(),
        fitted,
        out: &arguments.out,
    };
    let mut text = format!(
        "{} files combined: {} images x {} labels in {}",
        tables.len(),
        facts.images,
        facts.labels,
        arguments.out.display()
    );
    if let Some(fitted) = &facts.fitted {
        text.push_str(&fitted.text());
    }
    out.report(facts, text)
}

/// Fits weights on the labels in a file.
fn fit(tables: &[Predictions], labels: &Path) -> Result<Fitted> {
    let truth = Predictions::read_answers(labels)?;
    let FittedWeights {
        weights,
        is_fitted,
        loss_gain,
        accuracy_gain,
    } = ensemble::fit_weights(tables, &truth)?;
    Ok(Fitted {
        weights,
        is_fitted,
        loss_gain,
        accuracy_gain,
    })
}

impl Fitted {
    fn text(&self) -> String {
        let in_words =
            |gain: &Difference| format!("{:+.4} ({:+.4} {:+.4})", gain.mean, gain.low, gain.high);
        let weights: Vec<String> = (self.weights.iter())
            .map(|weight| format!("{:.4}", weight.max(1e-4)))
            .collect();
        format!(
            "\nfitted weights against equal ones, on images that they were not fitted on:\n\
             loss lower by {}, accuracy {}\n{}\n--weights {}\n",
            in_words(&self.loss_gain),
            in_words(&self.accuracy_gain),
            if self.is_fitted {
                "a gain, so they are taken"
            } else {
                "no significant gain, so equal weights stay"
            },
            weights.join(",")
        )
    }
}
