//! `soup quickstart`: the whole way on pictures that the program makes itself.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use soup_data::compose::{Composer, WriteOptions};
use soup_data::glyphs::GlyphSpec;
use soup_decide::{Predictions, Template, Thresholds, write_atomically};
use soup_learn::config::Config;
use soup_learn::predictor::{PredictOptions, Predictor};
use soup_learn::trainer::{TrainRequest, train};

use super::{compose, evaluate, predict};
use crate::console::{Console, Report};
use crate::failure::Usage;
use crate::interrupt;
use crate::pictures::Pictures;
use crate::progress::TrainingProgress;

/// Glyphs of three kinds that have none in common: to learn from, to choose the best epoch by, and
/// to be tested on.
const TRAIN_GLYPHS: &str = "strokes[0..200000]";
const HELD_OUT_GLYPHS: &str = "strokes[200000..250000]";
const TEST_GLYPHS: &str = "strokes[250000..300000]";
/// Pictures on disk, to look at and to be tested on; training composes its own, each seen once.
const SAMPLE_PICTURES: u64 = 100;
const TEST_PICTURES: u64 = 500;
/// Pictures of an epoch, and those that it is judged by.
const EPOCH_PICTURES: u64 = 2000;
const HELD_OUT_PICTURES: u64 = 400;
/// Time kept for predicting and scoring after the training.
const AFTER_TRAINING: Duration = Duration::from_secs(20);

/// Go the whole way on pictures that the program makes itself
///
/// Composes pictures of letters under noise, trains, scores on held-out pictures and on pictures made
/// of glyphs that the training never saw, predicts, writes a submission. Nothing is downloaded.
/// Interrupted, the same command goes on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soup quickstart
  soup quickstart --out /tmp/first --minutes 30 --json")]
pub struct Arguments {
    /// Folder for everything
    #[arg(long, value_name = "DIR", default_value = "quickstart")]
    out: PathBuf,

    /// Minutes that all of it may take; more minutes, better answers
    #[arg(long, value_name = "N", default_value_t = 7.5)]
    minutes: f64,

    /// Seed of the pictures, the folds and the training
    #[arg(long, value_name = "S", default_value_t = 42)]
    seed: u32,

    /// Settings laid over the preset quick: section.key=value
    #[arg(value_name = "SETTINGS")]
    settings: Vec<String>,
}

/// `quickstart.json`: what was decided when the folder was begun, so that going on decides alike.
#[derive(Debug, Serialize, Deserialize)]
struct Plan {
    minutes: f64,
    seed: u32,
    settings: Vec<String>,
    /// Minutes of training.
    train_minutes: f64,
}

#[derive(Debug, Serialize)]
struct Facts {
    /// On pictures of glyphs that neither the training nor the choice of the best epoch saw.
    test_accuracy: f64,
    /// On the held-out pictures, by which the best epoch was chosen.
    oof_accuracy: f64,
    /// What saying no to everything would score on the test pictures.
    accuracy_of_all_zeros: f64,
    seconds: f64,
    run: PathBuf,
    data: PathBuf,
    predictions: PathBuf,
    submission: PathBuf,
}

/// Where everything lies.
struct Places {
    plan: PathBuf,
    data: PathBuf,
    run: PathBuf,
    predictions: PathBuf,
    sample: PathBuf,
    submission: PathBuf,
}

impl Places {
    fn of(out: &Path) -> Self {
        Self {
            plan: out.join("quickstart.json"),
            data: out.join("data"),
            run: out.join("run"),
            predictions: out.join("probs.csv"),
            sample: out.join("data/sample_submission.csv"),
            submission: out.join("submission.csv"),
        }
    }
}

pub fn run(arguments: &Arguments, console: Console) -> Result<Report> {
    let started = Instant::now();
    if !(arguments.minutes > 0.0 && arguments.minutes.is_finite()) {
        return Err(Usage("--minutes must be above 0".into()).into());
    }
    let stop = interrupt::watch()?;
    let places = Places::of(&arguments.out);
    // Nothing is begun with settings that cannot be.
    Config::load(Some("quick"), &arguments.settings)?.check()?;
    console.note("1/4 composing pictures");
    let [sample_set, test_set] = ["train", "test"].map(|name| places.data.join(name));
    let seed = u64::from(arguments.seed);
    make_pictures(
        TRAIN_GLYPHS,
        SAMPLE_PICTURES,
        seed,
        &sample_set,
        console,
        &stop,
    )?;
    make_pictures(
        TEST_GLYPHS,
        TEST_PICTURES,
        seed + 1,
        &test_set,
        console,
        &stop,
    )?;

    console.note("2/4 training");
    let plan = plan(arguments, &places.plan, started)?;
    let mut settings = vec![
        format!("train.seed={seed}"),
        format!("train.minutes={}", plan.train_minutes),
        "data.compose_share=1".to_owned(),
        format!("data.glyphs={}", Value::from(TRAIN_GLYPHS)),
        format!("data.held_out_glyphs={}", Value::from(HELD_OUT_GLYPHS)),
        format!("data.composed={EPOCH_PICTURES}"),
        format!("data.composed_valid={HELD_OUT_PICTURES}"),
    ];
    settings.extend(arguments.settings.iter().cloned());
    let request = TrainRequest {
        config: Config::load(Some("quick"), &settings)?.check()?,
        run: &places.run,
        network: None,
        folds: None,
    };
    let summary = train(&request, &mut TrainingProgress::new(console), &stop)?;

    console.note("3/4 predicting the test pictures");
    let predictor = Predictor::open(std::slice::from_ref(&places.run), None)?;
    let pictures = Pictures::composed(composer(TEST_GLYPHS)?, seed + 1, TEST_PICTURES);
    let options = PredictOptions::default();
    let predictions = predict::predict(
        &predictor,
        &pictures,
        options,
        &places.predictions,
        console,
        &stop,
    )?;
    let answers = Predictions::read_answers(&test_set.join("answer.csv"))?;
    let score = evaluate::score(&predictions, &answers, &Thresholds::default())?;

    console.note("4/4 writing the submission");
    write_atomically(&places.sample, sample_submission(&answers).as_bytes())?;
    Template::read(&places.sample)?.write(
        &predictions,
        &Thresholds::default(),
        &places.submission,
    )?;
    let facts = Facts {
        test_accuracy: score.accuracy(),
        oof_accuracy: summary.out_of_fold.accuracy,
        accuracy_of_all_zeros: score.accuracy_of_all_zeros(),
        seconds: started.elapsed().as_secs_f64(),
        run: places.run,
        data: places.data,
        predictions: places.predictions,
        submission: places.submission,
    };
    let text = facts.text();
    Report::new(facts, text)
}

fn make_pictures(
    glyphs: &str,
    count: u64,
    seed: u64,
    out: &Path,
    console: Console,
    stop: &AtomicBool,
) -> Result<()> {
    if out.join("answer.csv").is_file() {
        return Ok(());
    }
    let composer = composer(glyphs)?;
    let options = WriteOptions {
        out: out.to_path_buf(),
        count,
        seed,
        glyphs: glyphs.to_owned(),
        threads: None,
    };
    Ok(compose::write(&composer, &options, console, stop)?)
}

fn composer(glyphs: &str) -> Result<Composer> {
    let pool = glyphs.parse::<GlyphSpec>()?.open()?;
    Ok(Composer::new(Config::default().compose, pool)?)
}

/// The plan that the folder was begun with, or a new one from the time that is left.
fn plan(arguments: &Arguments, path: &Path, started: Instant) -> Result<Plan> {
    if let Ok(text) = std::fs::read_to_string(path) {
        let plan: Plan = serde_json::from_str(&text).map_err(|error| {
            let hint = "name another --out, or remove this folder";
            soup_data::Error::format(path, error.to_string(), hint)
        })?;
        let settings = (arguments.minutes, arguments.seed, &arguments.settings);
        if (plan.minutes, plan.seed, &plan.settings) != settings {
            return Err(Usage(format!(
                "{} was begun with --minutes {} --seed {} {}; give the same to go on, or name \
                 another --out",
                arguments.out.display(),
                plan.minutes,
                plan.seed,
                plan.settings.join(" "),
            ))
            .into());
        }
        return Ok(plan);
    }
    let total = Duration::from_secs_f64(arguments.minutes * 60.0);
    let left = total
        .saturating_sub(started.elapsed())
        .saturating_sub(AFTER_TRAINING)
        // Even a short wish trains a little.
        .max(Duration::from_secs(3));
    let plan = Plan {
        minutes: arguments.minutes,
        seed: arguments.seed,
        settings: arguments.settings.clone(),
        train_minutes: (left.as_secs_f64() / 60.0 * 1000.0).round() / 1000.0,
    };
    write_atomically(path, serde_json::to_string_pretty(&plan)?.as_bytes())?;
    Ok(plan)
}

/// All zeros for the test pictures, as a contest would hand it out.
fn sample_submission(answers: &Predictions) -> String {
    let mut text = format!("index,{}\n", answers.labels().join(","));
    let zeros = ",0".repeat(answers.labels().len());
    for id in answers.ids() {
        text.push_str(&format!("{id}{zeros}\n"));
    }
    text
}

impl Facts {
    fn text(&self) -> String {
        let (run, data) = (self.run.display(), self.data.display());
        format!(
            "Learned to read noisy letters in {:.0} s.\n\n\
             test accuracy         {:.4}  on pictures of glyphs that the training never saw\n\
             out-of-fold accuracy  {:.4}  on held-out pictures, which chose the best epoch\n\
             all zeros             {:.4}  what saying no to everything would score\n\n\
             pictures and answers  {data}\n\
             the run               {run}\n\
             probabilities         {}\n\
             submission            {}\n\n\
             Look closer at this run:\n  \
             soup evaluate --predictions {} --labels {data}/test/answer.csv\n",
            self.seconds,
            self.test_accuracy,
            self.oof_accuracy,
            self.accuracy_of_all_zeros,
            self.predictions.display(),
            self.submission.display(),
            self.predictions.display(),
        )
    }
}
