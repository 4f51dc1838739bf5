//! `soup report`: a run, several runs or a sweep as one page.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_report::{
    Run, Validation,
    pages::{ReportedRun, of_runs, of_sweep},
    validation::Wanted,
};
use soup_sweep::{Ranking, SweepDirectory};
use soup_train::trainer::Divergence;

use crate::{
    console::{Console, Report},
    failure::Usage,
    interrupt,
    output::Output,
};

/// Make a page of a run, of several runs compared, or of a sweep
///
/// One HTML file with everything in it: no script, no network, light and dark, for desk, phone and paper.
/// Of a run: scores with intervals, curves, labels, confusions, calibration, scores by threshold, label
/// counts, the images with the largest loss and their heat maps, the data, the settings. Of several: scores
/// paired by image, and the settings that differ. Of a sweep: ranking, ties, the effect of each option,
/// score against speed, cost.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soup report runs/first                                  writes runs/first/report.html
  soup report runs/first runs/second --out compared.html
  soup report sweeps/first -o sweep.html")]
pub struct Arguments {
    /// A run, several runs, or a sweep
    #[arg(value_name = "RUN_OR_SWEEP", required = true)]
    paths: Vec<PathBuf>,

    /// The page [default: report.html in the folder of the one run or sweep]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Images with the largest loss that are shown of each run
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(0..=200))]
    images: u16,
}

/// What was written.
#[derive(Serialize)]
struct Facts {
    report: PathBuf,
    bytes: usize,
    /// `runs` or `sweep`.
    of: &'static str,
    paths: Vec<PathBuf>,
    /// Runs whose predictions could not be shown, and why.
    #[serde(rename = "not_judged")]
    not_scored: Vec<NotScored>,
    /// Folds that diverged.
    diverged: Vec<Diverged>,
}

#[derive(Serialize)]
struct Diverged {
    run: PathBuf,
    #[serde(flatten)]
    how: Divergence,
}

#[derive(Serialize)]
struct NotScored {
    run: PathBuf,
    reason: String,
}

pub fn run(arguments: &Arguments, console: Console) -> Result<Report> {
    let is_sweep = |path: &PathBuf| path.join("sweep.toml").is_file();
    let paths = &arguments.paths;
    let out = match (&arguments.out, &paths[..]) {
        (Some(out), _) => out.clone(),
        (None, [one]) => one.join("report.html"),
        _ => return Err(Usage("name the page of several runs with --out FILE".into()).into()),
    };
    let file = Output::new(&out, "--out", &["html", "htm"])?;
    let (mut not_scored, mut diverged) = (Vec::new(), Vec::new());
    let (of, page) = match &paths[..] {
        [one] if is_sweep(one) => {
            let (ranking, file) = Ranking::read(&SweepDirectory::at(one))?;
            ("sweep", of_sweep(one, &ranking, &file))
        }
        _ => {
            if let Some(sweep) = paths.iter().find(|path| is_sweep(path)) {
                return Err(Usage(format!(
                    "{} is a sweep, and a page holds one sweep or any number of runs; its runs lie in {}",
                    sweep.display(),
                    sweep.join("runs").display()
                ))
                .into());
            }
            let runs = read(arguments, console, &mut not_scored)?;
            for ReportedRun { run, .. } in &runs {
                for how in run.diverged.clone() {
                    console.warn(&format!("{}: {how}", run.path.display()));
                    let run = run.path.clone();
                    diverged.push(Diverged { run, how });
                }
            }
            ("runs", of_runs(&runs)?)
        }
    };
    file.write(page.as_bytes())?;
    let text = format!("{}  {} kB", out.display(), page.len().div_ceil(1000));
    let facts = Facts {
        report: out,
        bytes: page.len(),
        of,
        paths: paths.clone(),
        not_scored,
        diverged,
    };
    file.report(facts, text)
}

fn read(
    arguments: &Arguments,
    console: Console,
    not_scored: &mut Vec<NotScored>,
) -> Result<Vec<ReportedRun>> {
    let stop = interrupt::watch()?;
    let wanted = Wanted {
        wrong: arguments.images.into(),
        ..Wanted::default()
    };
    let of = |path: &Path| -> Result<ReportedRun> {
        let run = Run::read(path)?;
        let validation = Validation::if_possible(&run, wanted, &stop)?;
        Ok(ReportedRun { run, validation })
    };
    let mut runs = Vec::new();
    for path in &arguments.paths {
        let shown = of(path)?;
        if let Ok(Validation {
            no_images: Some(reason),
            ..
        }) = &shown.validation
        {
            console.note(&format!(
                "{}: the page shows no images: {reason}",
                path.display()
            ));
        }
        if let Err(reason) = &shown.validation {
            console.note(&format!(
                "{}: the page shows no predictions: {reason}",
                path.display()
            ));
            not_scored.push(NotScored {
                run: path.clone(),
                reason: reason.clone(),
            });
        }
        runs.push(shown);
    }
    Ok(runs)
}
