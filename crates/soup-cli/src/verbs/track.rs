//! `soup track`: a run's figures for TensorBoard and MLflow.

use std::path::PathBuf;

use anyhow::Result;
use clap::{ArgGroup, Args};
use serde::Serialize;
use soup_report::Run;
use soup_report::track::{mlflow, tensorboard};

use crate::console::Report;
use crate::failure::Usage;

/// Bring a run's figures to TensorBoard or MLflow
///
/// Of metrics.csv, every figure of every epoch of every fold. May be done again at any time, also while
/// the run is trained: event files are written anew, and a server is sent what it does not have yet.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("to").required(true).multiple(true),
    after_help = "\
Examples:
  soup track runs/first --tensorboard board/      then: tensorboard --logdir board/
  soup track runs/first runs/second --mlflow http://localhost:5000

In TensorBoard each fold is a run of its own, in MLflow the folds' figures are metrics such as
fold0/valid/loss of one run, and the settings its parameters. The step is the epoch."
)]
pub struct Arguments {
    /// Runs that soup train wrote
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,

    /// Write event files into this folder
    #[arg(long, value_name = "DIR", group = "to")]
    tensorboard: Option<PathBuf>,

    /// Send to the MLflow server at this address, http://HOST:PORT
    #[arg(long, value_name = "URL", group = "to")]
    mlflow: Option<String>,

    /// The experiment of the server
    #[arg(long, value_name = "NAME", default_value = mlflow::EXPERIMENT, requires = "mlflow")]
    experiment: String,
}

#[derive(Serialize)]
struct Facts {
    runs: Vec<Tracked>,
}

#[derive(Serialize)]
struct Tracked {
    run: PathBuf,
    /// Epochs in the event files.
    #[serde(skip_serializing_if = "Option::is_none")]
    tensorboard_epochs: Option<usize>,
    /// Epochs that the server did not have.
    #[serde(skip_serializing_if = "Option::is_none")]
    mlflow_epochs: Option<usize>,
    /// The server's name of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    mlflow_run_id: Option<String>,
}

pub fn run(arguments: &Arguments) -> Result<Report> {
    let runs = read(arguments)?;
    let mut tracked = Vec::new();
    let mut text = String::new();
    for run in runs {
        let path = &run.path;
        let mut facts = Tracked {
            run: path.clone(),
            tensorboard_epochs: None,
            mlflow_epochs: None,
            mlflow_run_id: None,
        };
        if let Some(folder) = &arguments.tensorboard {
            let epochs = tensorboard::write(&run, folder)?;
            text.push_str(&format!(
                "{}: {epochs} epochs in {}\n",
                path.display(),
                folder.join(&run.name).display()
            ));
            facts.tensorboard_epochs = Some(epochs);
        }
        if let Some(url) = &arguments.mlflow {
            let sent = mlflow::send(&run, url, &arguments.experiment)?;
            text.push_str(&format!(
                "{}: {} new epochs to {url}, run {}\n",
                path.display(),
                sent.epochs,
                sent.run_id
            ));
            facts.mlflow_epochs = Some(sent.epochs);
            facts.mlflow_run_id = Some(sent.run_id);
        }
        tracked.push(facts);
    }
    Report::new(Facts { runs: tracked }, text)
}

/// The runs, whose names must differ.
fn read(arguments: &Arguments) -> Result<Vec<Run>> {
    let mut runs: Vec<Run> = Vec::new();
    for path in &arguments.runs {
        let name = soup_report::run::name(path);
        if let Some(other) = arguments
            .runs
            .iter()
            .find(|other| *other != path && soup_report::run::name(other) == name)
        {
            return Err(Usage(format!(
                "{} and {} have the same name and would be mixed up; track them one by one, into folders or \
                 experiments of their own",
                other.display(),
                path.display()
            ))
            .into());
        }
        runs.push(Run::read(path)?);
    }
    Ok(runs)
}
