//! `soup tta`: which views of an image help.

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::Instant,
};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_data::transforms::View;
use soup_decide::{
    metrics::{Difference, RowMetric},
    views::{Candidate, Merge, ViewTrial, ViewTrials, Views},
};
use soup_model::PredictOptions;
use soup_train::{held_out::HeldOut, runs::RunDirectory};

use crate::{
    console::{Console, Report},
    failure::Usage,
    interrupt,
    progress::Bar,
};

/// Measure test-time augmentation on out-of-fold images and keep what helps
///
/// Every image is predicted in every view by the fold that held it out. A candidate is kept only
/// where the whole 95 % interval of its gain (paired over images) lies above 0.
#[derive(Debug, Args)]
#[command(after_help = "\
Candidates: rotations (three quarter turns), mirrors (four), or views: rot90, rot180, rot270, hflip,
vflip, transpose, transverse, scale:S, crop:S, crop:S:top-left, ..., with + between steps of one view.

Examples:
  soup tta runs/first
  soup tta runs/first --try rotations,scale:0.8,scale:1.25,rot90+scale:1.25 --images 500
  soup predict runs/first --tta runs/first/tta.json --images test/ --out probs.csv

Next: soup decide RUN, which fits on the views that were kept.")]
pub struct Arguments {
    /// A run that soup train wrote
    #[arg(value_name = "RUN")]
    run: PathBuf,

    /// What is tried, with commas between
    #[arg(long = "try", value_name = "CANDIDATES", default_value = Candidate::DEFAULT)]
    candidates: String,

    /// What is to be improved
    #[arg(long, value_enum, default_value_t = RowMetric::Accuracy)]
    metric: RowMetric,

    /// Images of each fold, evenly spread over those that it held out [default: all]
    #[arg(long, value_name = "N")]
    images: Option<usize>,

    /// Images in a batch
    #[arg(long, value_name = "N", default_value_t = PredictOptions::default().batch)]
    batch: usize,

    /// Threads; 0 takes every core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,

    /// The views that are kept, for soup predict --tta; the run stays as it is [default: RUN/tta.json, for soup decide
    /// too]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The name of a metric in tables.
fn name(metric: RowMetric) -> &'static str {
    match metric {
        RowMetric::Accuracy => "accuracy",
        RowMetric::ExactMatch => "exact match",
        RowMetric::Loss => "loss",
    }
}

#[derive(Serialize)]
pub struct Facts {
    run: PathBuf,
    #[serde(rename = "pictures")]
    images: usize,
    /// Views that were predicted, the plain one among them.
    views: usize,
    metric: &'static str,
    #[serde(flatten)]
    trials: ViewTrials,
    seconds: f64,
    #[serde(rename = "looks_per_second")]
    views_per_second: f64,
    /// Where the views that are kept stand; nothing is written for the plain one alone.
    out: Option<PathBuf>,
}

pub fn run(arguments: &Arguments, console: Console) -> Result<Report> {
    let candidates =
        Candidate::parse_list(&arguments.candidates).map_err(|error| Usage(error.to_string()))?;
    if arguments.images == Some(0) {
        return Err(Usage("--images must be at least 1".into()).into());
    }
    let options = PredictOptions {
        threads: arguments.threads,
        batch: arguments.batch,
        ..PredictOptions::default()
    };
    let stop = interrupt::watch()?;
    let place = (arguments.run.as_path(), arguments.out.as_deref());
    let (images, metric) = (arguments.images, arguments.metric);
    let facts = measure(place, &candidates, images, options, metric, console, &stop)?;
    let text = facts.text();
    Report::new(facts, text)
}

/// Measures the candidates on images that a run held out, and writes what is kept into the run or a file.
pub fn measure(
    (run, out): (&Path, Option<&Path>),
    candidates: &[Candidate],
    images: Option<usize>,
    options: PredictOptions,
    metric: RowMetric,
    console: Console,
    stop: &AtomicBool,
) -> Result<Facts> {
    let mut views = vec![View::plain()];
    for view in candidates.iter().flat_map(|candidate| &candidate.views) {
        if !views.contains(view) {
            views.push(view.clone());
        }
    }
    let views = Views::new(views, Merge::Mean).map_err(|error| Usage(error.to_string()))?;
    let options = PredictOptions { views, ..options };
    let directory = RunDirectory::at(run);
    // Where it is no run at all, that is what to say.
    directory.config()?;
    let is_kept = out.is_some() || directory.is_writable();
    if !is_kept {
        console.note(&format!(
            "{} cannot be written to: what helps is shown but not kept; --out FILE keeps it elsewhere",
            run.display()
        ));
    }
    let started = Instant::now();
    let mut bar: Option<Bar> = None;
    let mut note = |done, total| {
        bar.get_or_insert_with(|| Bar::new(console, "predicting", total, "views"))
            .set(done);
    };
    let held_out = HeldOut::predict(run, images, &options, &mut note, stop);
    if let Some(bar) = bar {
        bar.finish();
    }
    let held_out = held_out?;
    let seconds = started.elapsed().as_secs_f64();
    let trials = ViewTrials::run(
        &held_out.logits,
        candidates,
        (&held_out.targets, &held_out.label_names),
        &parts(&held_out.folds),
        metric,
    )?;
    let is_plain = trials.kept.is_plain();
    let written = match out {
        Some(out) => (!is_plain).then(|| out.to_path_buf()),
        None => (is_kept && !is_plain).then(|| run.join("tta.json")),
    };
    match (out, &written) {
        (Some(_), Some(path)) => HeldOut::write_views(path, &trials.kept)?,
        (Some(_), None) => {}
        (None, _) if is_kept => held_out.write(run, &trials.kept)?,
        (None, _) => {}
    }
    let (images, views) = (held_out.folds.len(), options.views.views().len());
    Ok(Facts {
        run: run.to_path_buf(),
        images,
        views,
        metric: name(metric),
        out: written,
        trials,
        seconds,
        views_per_second: (images * views) as f64 / seconds,
    })
}

/// Images that are scored together: those of a fold; of a single fold, every fifth.
fn parts(folds: &[u32]) -> Vec<u32> {
    if folds.windows(2).any(|pair| pair[0] != pair[1]) {
        return folds.to_vec();
    }
    (0..5).cycle().take(folds.len()).collect()
}

impl Facts {
    fn text(&self) -> String {
        let run = self.run.display();
        let mut text = format!(
            "{} held-out images in {} views, {:.0} views a second\n\n\
             {:<24}{:>11}  gain (95 % interval)\n{:<24}{:>11.4}\n",
            self.images,
            self.views,
            self.views_per_second,
            "",
            self.metric,
            "plain",
            self.trials.plain
        );
        let line = |trial: &ViewTrial, before: &str| {
            format!(
                "{:<24}{:>11.4}  {}{}\n",
                format!("{before}{}", trial.name),
                trial.value,
                in_words(&trial.gain),
                if trial.is_kept { "  kept" } else { "" }
            )
        };
        for trial in &self.trials.trials {
            text.push_str(&line(trial, "with "));
        }
        if !self.trials.merges.is_empty() {
            text.push_str("\nthose kept, merged by\n");
            for trial in &self.trials.merges {
                text.push_str(&line(trial, ""));
            }
        }
        let kept = &self.trials.kept;
        if kept.is_plain() {
            text.push_str(
                "\nno view is a significant gain: images are predicted once, as they are\n",
            );
            return text;
        }
        text.push_str(&format!(
            "\nkept {kept}, merged by {}: {} scored on images that had no part in the choice, for \
             {} views an image instead of one\n",
            kept.merge().name(),
            in_words(&self.trials.gain),
            kept.views().len(),
        ));
        match &self.out {
            Some(out) if *out == self.run.join("tta.json") => {
                text.push_str(&format!(
                    "written to {}; next: soup decide {run}\n",
                    out.display()
                ));
            }
            Some(out) => text.push_str(&format!(
                "written to {0}; next: soup predict {run} --tta {0}\n",
                out.display()
            )),
            None => text.push_str("not written\n"),
        }
        text
    }
}

fn in_words(gain: &Difference) -> String {
    format!("{:+.4} ({:+.4} {:+.4})", gain.mean, gain.low, gain.high)
}
