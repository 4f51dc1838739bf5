//! `soup sweep`: which settings are best, and which are tied with the best.

mod report;
mod workers;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use report::Facts;
use soup_data::{Error as DataError, files::write_whole};
use soup_sweep::{
    Metric, Ranking, SweepDirectory, SweepFile,
    runner::{Ending, SweepEvent, WorkOptions, work},
};
use workers::Workers;

use crate::{
    console::{Console, Report},
    failure::Usage,
    interrupt,
};

/// Search options for the best settings, and say which are tied
///
/// Every candidate is trained with the same folds, order and composed images. Those that are clearly
/// worse after a part of the training are dropped; seeds are added where they decide most. A kill loses
/// nothing: the same command goes on, and no finished trial is trained again. Any number of processes
/// may work on one folder.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soup sweep sweeps/dacon12-options.toml --out sweeps/first --workers 2
  soup sweep sweep.toml --out sweeps/mine --budget-minutes 60    and again, to go on
  soup sweep sweeps/mine                                         joins, from anywhere

A sweep file names a preset, settings for all candidates, and options:
  preset = \"quick\"
  settings = [\"data.path='pack/'\", \"train.epochs=6\"]
  [search]
  kind = \"tpe\"            # or grid, random
  count = 24
  [[option]]
  key = \"train.rate\"
  low = 1e-3
  high = 1e-2
  log = true
  [[option]]
  key = \"train.batch\"
  values = [8, 16]

To learn what each of several things changes instead of which is best, name one of the
candidates: all get the same seeds, and the table shows the others' gains over it
(sweeps/levers.toml):
  [race]
  rungs = []
  budget = 1.0
  [reference]
  \"train.batch\" = 8

DIR/ranking.csv and ranking.json hold the result, DIR/runs/c003-s0 the run of candidate 3.")]
pub struct Arguments {
    /// A sweep file, or the folder of a sweep to go on with
    #[arg(value_name = "SWEEP")]
    sweep: PathBuf,

    /// Folder of the sweep; one that is there is gone on with
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Processes that train at the same time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,

    /// Threads of each process [default: the cores, shared evenly]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,

    /// Stop after so many minutes; the trials at hand are kept as checkpoints
    #[arg(long, value_name = "M")]
    budget_minutes: Option<f64>,

    /// Begin no trial when so many are finished
    #[arg(long, value_name = "N")]
    trials: Option<usize>,

    /// Take over what a process left that showed no life for so long
    #[arg(long, value_name = "N", default_value_t = 20.0)]
    stale_seconds: f64,

    /// Rank by this metric instead of the sweep's; the files of the ranking stay
    #[arg(long, value_name = "METRIC", value_parser = metric())]
    metric: Option<Metric>,

    /// Settings laid over those of the sweep file, for all candidates: section.key=value
    #[arg(value_name = "SETTINGS")]
    settings: Vec<String>,

    /// Ends when its standard input does: with the process that started it.
    #[arg(long, hide = true)]
    worker: bool,
}

pub fn run(arguments: &Arguments, console: Console) -> Result<Report> {
    let started = Instant::now();
    let positive = |value: f64| value > 0.0 && value.is_finite();
    let minutes = arguments.budget_minutes;
    if !positive(arguments.stale_seconds) || minutes.is_some_and(|minutes| !positive(minutes)) {
        return Err(Usage("--budget-minutes and --stale-seconds must be above 0".into()).into());
    }
    let directory = open(arguments, console)?;
    let stop = interrupt::watch()?;
    if arguments.worker {
        workers::stop_with_input(Arc::clone(&stop));
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = match (arguments.threads, arguments.workers) {
        (Some(threads), _) => threads,
        (None, 1) => 0,
        (None, workers) => (cores / usize::from(workers)).max(1),
    };
    let budget = minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0));
    let workers = Workers::start(arguments, directory.root(), threads, console)?;
    let options = WorkOptions {
        threads,
        stale: Duration::from_secs_f64(arguments.stale_seconds),
        trials: arguments.trials,
        deadline: budget.and_then(|budget| started.checked_add(budget)),
        stop: &stop,
    };
    let ending = work(&directory, &options, &mut |event| {
        report_event(event, console)
    });
    workers.finish(ending.is_err() || stop.load(Ordering::Relaxed), console);
    let ending = match ending {
        Err(soup_train::Error::Base(soup_model::Error::Stopped)) => {
            let checkpoint = directory.root().to_path_buf();
            return Err(soup_train::Error::Interrupted { checkpoint }.into());
        }
        ending => ending?,
    };
    let facts = |ranking| Facts::new(directory.root(), ranking, ending == Ending::Budget, started);
    let (ranking, _) = Ranking::read(&directory)?;
    if !arguments.worker {
        ranking.write(&directory)?;
    }
    let own = facts(ranking);
    let text = own.text();
    if !arguments.worker {
        write_whole(&directory.file("ranking.txt"), text.as_bytes())?;
    }
    let Some(metric) = arguments.metric else {
        return Report::new(own, text);
    };
    let other = facts(Ranking::read_by(&directory, metric)?);
    let text = other.text();
    Report::new(other, text)
}

fn metric() -> impl TypedValueParser<Value = Metric> {
    let named = |name: String| Metric::ALL.into_iter().find(|metric| metric.name() == name);
    PossibleValuesParser::new(Metric::ALL.map(Metric::name))
        .try_map(move |name| named(name).ok_or("no metric"))
}

/// The sweep's folder, begun where a file is given.
fn open(arguments: &Arguments, console: Console) -> Result<SweepDirectory> {
    let path = &arguments.sweep;
    if path.is_dir() {
        if arguments.out.is_some() || !arguments.settings.is_empty() {
            return Err(Usage(format!(
                "{} is the folder of a sweep; leave --out and settings out to go on with it",
                path.display()
            ))
            .into());
        }
        let directory = SweepDirectory::at(path);
        directory.open()?;
        return Ok(directory);
    }
    let Some(out) = &arguments.out else {
        return Err(Usage("name the folder of the sweep with --out DIR".into()).into());
    };
    let text = read(path)?;
    let mut file = SweepFile::parse(&text, &path.display().to_string())?;
    if !arguments.worker {
        console.renamed(&SweepFile::renamed(&text, &arguments.settings));
    }
    file.lay_over(&arguments.settings)?;
    let directory = SweepDirectory::at(out);
    directory.begin(&text, &file)?;
    Ok(directory)
}

fn read(path: &Path) -> Result<String> {
    if !path.exists() {
        let hint = "give a sweep file, or the folder of a sweep to go on with".into();
        return Err(DataError::NotFound {
            path: path.into(),
            hint,
        }
        .into());
    }
    Ok(soup_data::files::read_settings(path).map_err(DataError::io("read", path))?)
}

/// A line for each thing that happens; with several processes, bars would overwrite each other.
fn report_event(event: &SweepEvent<'_>, console: Console) {
    match event {
        SweepEvent::Started {
            trial,
            share,
            settings,
            wanted,
        } => console.note(&format!(
            "candidate {} seed {} to {}, {wanted} wanted now: {}",
            trial.candidate,
            trial.seed,
            report::percent(*share),
            settings.join(" ")
        )),
        SweepEvent::Finished(record) => {
            let came_to = match (&record.score, &record.failure) {
                (Some(score), _) => format!("{score:.4}"),
                (None, Some(failure)) => format!("failed: {failure}"),
                (None, None) => "failed".into(),
            };
            console.note(&format!(
                "candidate {} seed {} at {}: {came_to} ({} epochs, {})",
                record.trial.candidate,
                record.trial.seed,
                report::percent(record.share),
                record.epochs,
                report::duration(record.seconds)
            ));
        }
        SweepEvent::Waiting => console.note("waiting for the trials of other processes"),
    }
}
