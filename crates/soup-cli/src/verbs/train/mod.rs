//! `soup train`: folds of a run, trained or gone on with.

mod advice;

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::Instant,
};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_data::{Source, dataset::Dataset, pack::Pack};
use soup_train::{
    config::{CheckedConfig, InputOfWeights, renamed},
    runs::RunDirectory,
    trainer::{BatchTrial, CutShort, TrainRequest, TrainSummary, search_batch_size, train},
};

use super::{Folds, path_setting};
use crate::{
    console::{Console, Report},
    images::{say_what_glyphs_leave_out, say_what_was_found, several_sizes},
    interrupt,
    labels::LabelOptions,
    progress::{TrainingProgress, scores},
};

/// Train a network on the folds of a data set
///
/// Writes a run: settings, folds, metrics, the best weights of each fold and the probabilities of
/// the held-out images. Ctrl-C or a kill loses nothing: the same command, or --out RUN alone, goes on.
/// By train.epochs a run that was killed ends with the bytes of one that was not. By train.minutes (the
/// presets hour and best, quickstart) the clock decides how many steps there are; what it decided is kept
/// in RUN/fold0/plan.json and followed, and --plans-of RUN trains to the same bytes again. Several
/// processes may train different folds of one run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soup train --preset dacon12 --data pack/ --out runs/first
  soup train --preset quick --data pack/ --out runs/quick --fold 0,2 train.epochs=20
  soup train --preset quick --data pack/ --out runs/fast --auto-batch train.rate_rule=sqrt
  soup train --preset my.toml --data pack/ --out runs/mine model.name=repvgg_a0 train.rate=1e-3
  soup train --out runs/mine --fold 1                         goes on with its own settings
  soup train --preset hour --data pack/ --out runs/again --plans-of runs/hour

Presets are dacon12 (the founding recipe), quick (quickstart's), hour and best (letters, in one
hour or two and a quarter), or a TOML file, which may start from one (preset = \"hour\").
RUN/config.toml shows every key that there is, and can be a preset itself. Without --data every
image is composed:
  soup train --preset quick --out runs/endless data.compose_share=1")]
pub struct Arguments {
    /// Settings to start from: a preset's name or a TOML file [default: those of the run that is there, else every
    /// key's default]
    #[arg(long, value_name = "P")]
    preset: Option<String>,

    /// The images: a pack, or a folder that is packed into the run first
    #[arg(long, value_name = "DIR_OR_PACK")]
    data: Option<PathBuf>,

    /// Folder of the run; one that is there is gone on with
    #[arg(long, value_name = "RUN")]
    out: PathBuf,

    /// Find the batch size that is fastest on this machine and fits its memory, and train with it; a run that is there
    /// keeps its own
    #[arg(long)]
    auto_batch: bool,

    /// Folds to train: all, or numbers from 0 such as 0,2 [default: train.folds, which is all but for the presets of photographs]
    #[arg(long, value_name = "FOLDS")]
    fold: Option<Folds>,

    /// Follow the plans that another run with these settings made by its clock, and end with its bytes
    #[arg(long, value_name = "RUN")]
    plans_of: Option<PathBuf>,

    /// The labels of a folder or zip: a table, a JSON file, or a folder of files with boxes [default: beside the images]
    #[arg(long, value_name = "FILE_OR_DIR")]
    labels: Option<PathBuf>,

    #[command(flatten)]
    shape: LabelOptions,

    /// Fails where files of a folder were left out that may be images
    #[arg(long)]
    strict: bool,

    /// Settings laid over the preset: section.key=value
    #[arg(value_name = "SETTINGS")]
    settings: Vec<String>,
}

/// What a training came to.
#[derive(Debug, Serialize)]
pub struct Facts {
    run: PathBuf,
    folds: Vec<FoldFacts>,
    /// Accuracy of the out-of-fold probabilities of all folds trained so far.
    pub oof_accuracy: f64,
    oof_exact_match: f64,
    #[serde(rename = "oof_mAP")]
    oof_map: Option<f64>,
    oof_loss: f64,
    /// Images that a fold has held out so far.
    #[serde(rename = "oof_pictures")]
    oof_images: usize,
    /// Folds of the run, and those that are trained to their end, by this command or another.
    fold_count: usize,
    folds_trained: usize,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct FoldFacts {
    fold: usize,
    best_epoch: usize,
    best_loss: f64,
    best_accuracy: f64,
    #[serde(rename = "best_mAP")]
    best_map: Option<f64>,
    /// Where the time budget was spent before the schedule was at its end.
    cut_short: Option<CutShort>,
}

pub fn run(arguments: &Arguments, console: Console) -> Result<Report> {
    let started = Instant::now();
    let mut settings = arguments.settings.clone();
    if let Some(data) = &arguments.data {
        settings.push(path_setting("data.path", data)?);
    }
    if let Some(labels) = &arguments.labels {
        settings.push(path_setting("data.labels", labels)?);
    }
    settings.extend(arguments.shape.settings());
    let stop = interrupt::watch()?;
    let run = RunDirectory::at(&arguments.out);
    let is_new = !run.file("config.toml").exists();
    let mut preset = arguments.preset.as_deref();
    if is_new {
        preset = advice::preset(preset, &settings, console);
        let config = run.settings(preset, &settings)?;
        settings.extend(advice::settings_for(&config, &settings, console));
    }
    console.renamed(&renamed::used(preset, &settings));
    if arguments.auto_batch {
        let config = run.settings(preset, &settings)?.check()?;
        let batch = auto_batch(&arguments.out, &config, &stop, console)?;
        settings.push(format!("train.batch={batch}"));
    }
    let config = run.settings(preset, &settings)?;
    if !run.file("config.toml").exists() {
        match config.input_of_weights() {
            Some(InputOfWeights::Followed(said)) => console.note(&said),
            Some(InputOfWeights::Differs(said)) => console.warn(&said),
            None => {}
        }
    }
    let config = config.check()?;
    say_what_is_trained_on(&config, arguments.strict, console)?;
    let config_fit = config.data.fit;
    let request = TrainRequest {
        config,
        run: &arguments.out,
        network: None,
        folds: arguments
            .fold
            .clone()
            .map(|folds| folds.0.unwrap_or_default()),
        plans_of: arguments.plans_of.clone(),
    };
    let summary = train(&request, &mut TrainingProgress::new(console), &stop)?;
    let own = arguments.out.join("pictures.pack");
    let own = Pack::open(&own).ok();
    if let (Some(own), None) = (&own, config_fit)
        && let Some(fit) = own.reading().fit
    {
        console.warn(&several_sizes(fit, "data.fit chooses"));
    }
    let warning = own.and_then(|pack| pack.samples()?.warning(pack.reading().max_value));
    if let Some(warning) = warning {
        console.warn(&warning.replace("--max-value ", "data.max_value="));
    }
    let facts = Facts::new(&arguments.out, &summary, started);
    let text = facts.text();
    Report::new(facts, text)
}

/// Says what was found in a folder or archive of images, and what was left out.
fn say_what_is_trained_on(config: &CheckedConfig, is_strict: bool, console: Console) -> Result<()> {
    let given = Path::new(&config.data.path);
    // What is wrong with it is said where it is packed.
    if !config.data.only_composed() && !Pack::is_pack(given) {
        let columns = config.data.columns();
        let dataset = match &config.data.labels {
            Some(labels) => Dataset::from_parts(given, Some(Path::new(labels)), &columns),
            None => Dataset::open(given, &columns),
        };
        if let Ok(dataset) = dataset {
            say_what_was_found(&dataset, is_strict, console)?;
        }
    }
    let data = &config.data;
    if data.compose_share > 0.0 {
        for glyphs in std::iter::once(&data.glyphs).chain(&data.held_out_glyphs) {
            say_what_glyphs_leave_out(glyphs, is_strict, console)?;
        }
    }
    Ok(())
}

/// The batch size of the run that is there, or the fastest one that fits here.
fn auto_batch(
    run: &Path,
    config: &CheckedConfig,
    stop: &AtomicBool,
    console: Console,
) -> Result<usize> {
    let run = RunDirectory::at(run);
    if run.file("config.toml").exists() {
        let batch = run.config()?.train.batch;
        console.note(&format!(
            "the run is there: train.batch={batch}, as it began"
        ));
        return Ok(batch);
    }
    console.note("batch   memory   images/s");
    let mut line = |trial: &BatchTrial| {
        let speed = match trial.images_per_second {
            Some(speed) => format!("{speed:12.1}"),
            None => "does not fit".to_owned(),
        };
        let megabytes = trial.bytes / 1_000_000;
        console.note(&format!("{:>5} {megabytes:>5} MB {speed}", trial.batch));
    };
    let found = search_batch_size(config, stop, &mut line)?;
    console.note(&format!(
        "train.batch={}, the smallest within a tenth of the fastest; the largest that was tried and fits {} MB is {}",
        found.fastest,
        found.budget / 1_000_000,
        found.largest
    ));
    Ok(found.fastest)
}

impl Facts {
    pub fn new(run: &Path, summary: &TrainSummary, started: Instant) -> Self {
        let folds = summary.folds.iter().map(|fold| FoldFacts {
            fold: fold.fold,
            best_epoch: fold.best.epoch,
            best_loss: fold.best.loss,
            best_accuracy: fold.best.accuracy,
            best_map: fold.best.mean_average_precision,
            cut_short: fold.cut_short,
        });
        Self {
            run: run.to_path_buf(),
            folds: folds.collect(),
            oof_accuracy: summary.out_of_fold.accuracy,
            oof_exact_match: summary.out_of_fold.exact_match,
            oof_map: summary.out_of_fold.mean_average_precision,
            oof_loss: summary.out_of_fold.loss,
            oof_images: summary.out_of_fold_images,
            fold_count: summary.fold_count,
            folds_trained: summary.folds_trained,
            seconds: started.elapsed().as_secs_f64(),
        }
    }

    fn text(&self) -> String {
        let run = self.run.display();
        let mut text = String::new();
        for fold in &self.folds {
            text.push_str(&format!(
                "fold {}: epoch {}, {}\n",
                fold.fold,
                fold.best_epoch,
                scores(fold.best_loss, fold.best_accuracy, fold.best_map)
            ));
        }
        text.push_str(&format!(
            "out of fold, {} images:\n        {}\n\
             {} of {} folds are trained in {run}\n\
             next: soup predict {run} --images FOLDER --out probs.csv\n",
            self.oof_images,
            scores(self.oof_loss, self.oof_accuracy, self.oof_map),
            self.folds_trained,
            self.fold_count,
        ));
        text
    }
}
