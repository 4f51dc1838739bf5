//! `soup quickstart`: the main job from images to a submission, on images that the program makes
//! itself.

mod facts;
mod plan;

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::Instant,
};

use anyhow::Result;
use clap::Args;
use facts::Facts;
use plan::{Places, Plan};
use serde_json::Value;
use soup_compose::{Composer, WriteOptions, glyphs::GlyphSpec};
use soup_data::{
    dataset::{Columns, Dataset},
    files::write_whole,
    folds::{FoldKind, Folds},
    pack::{Pack, PackOptions},
};
use soup_decide::{
    Decision, Predictions, Rule, Template, decision::Metric, metrics::RowMetric, views::Candidate,
};
use soup_model::{PredictOptions, Predictor};
use soup_train::{
    config::{CheckedConfig, Config, renamed},
    trainer::{TrainRequest, train},
};
use soup_zoo::Head;

use super::{compose, decide, evaluate, pack, path_setting, predict, submit, tta};
use crate::{
    console::{Console, Report},
    failure::Usage,
    images::Images,
    interrupt,
    progress::TrainingProgress,
};

/// Two pools of glyphs that have none in common: to learn from and to be tested on.
const TRAIN_GLYPHS: &str = "strokes[0..200000]";
const TEST_GLYPHS: &str = "strokes[200000..250000]";
/// Keep the labelled images, the test images and those that training composes apart: seeds of
/// the command line are below 2^32, and training takes them as they are.
const TRAIN_SEED: u64 = 1 << 32;
const TEST_SEED: u64 = 2 << 32;
/// Folds that the labelled images are cut into.
const FOLDS: u32 = 5;
/// Views that are tried: small letters may be read better enlarged. Quarter turns add nothing to a network with p4
/// symmetry.
const VIEWS: &str = "scale:1.125,scale:1.25,scale:1.4";
/// Share of composed images beside the packed ones where the preset names none. They have boxes, which train more than
/// labels alone.
const COMPOSE_SHARE: f64 = 0.85;
/// Share of the training whose composed images are dense: they hold twice the letters.
const DENSE_SHARE: f64 = 0.67;
/// Images of an epoch: short ones, so that a few minutes hold several.
const EPOCH_IMAGES: usize = 6000;
/// Under this noise only the bin of a grey level carries information.
const TRANSFORMS: &str =
    r#"[{kind="quantize",edges=[0,100,200,255]},{kind="normalize",mean=[0.5],std=[0.5]}]"#;
/// Weight of the box loss where the preset names none.
const BOX_WEIGHT: f32 = 1.0;

/// Do the whole job on images that the program makes itself
///
/// Composes labelled images of letters under noise, and test images of other glyphs. Packs both, cuts
/// folds and trains. Fits views and a decision on the held-out images, and keeps what is a significant gain.
/// Scores out of fold and on the test images, predicts these and writes a submission. Nothing is downloaded.
/// Interrupted, the same command goes on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soup quickstart
  soup quickstart --out /tmp/first --minutes 30 --json
  soup quickstart --out /tmp/first --minutes 30 --folds 5    trains the other folds too

Folds share the minutes. Folds that are asked for later, in a folder that is there, take as long
each as the first did. The images take 130 KB each on the disk.

The clock decides the minutes of the training and how many steps they hold, once:
DIR/quickstart.json and DIR/run/fold0/plan.json. A quickstart that was killed keeps to them, and one
that finds them in a new DIR makes the same files.")]
pub struct Arguments {
    /// Folder for everything
    #[arg(long, value_name = "DIR", default_value = "quickstart")]
    out: PathBuf,

    /// Minutes that all of it may take; more minutes, better answers
    #[arg(long, value_name = "N", default_value_t = 7.0)]
    minutes: f64,

    /// Folds to train, of 5; a few minutes are best spent on one
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(FOLDS)))]
    folds: u32,

    /// Labelled images [default: 4000, fewer where there are less than 7 minutes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(10..))]
    images: Option<u32>,

    /// Test images [default: 1000, fewer where there are less than 7 minutes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    test_images: Option<u32>,

    /// Seed of the images, the folds and the training
    #[arg(long, value_name = "S", default_value_t = 42)]
    seed: u32,

    /// Settings laid over the preset quick: section.key=value
    #[arg(value_name = "SETTINGS")]
    settings: Vec<String>,
}

pub fn run(arguments: &Arguments, console: Console) -> Result<Report> {
    let started = Instant::now();
    if !(arguments.minutes > 0.0 && arguments.minutes.is_finite()) {
        return Err(Usage("--minutes must be above 0".into()).into());
    }
    let stop = interrupt::watch()?;
    let places = Places::of(&arguments.out);
    // Nothing is begun with settings that cannot be.
    let settings = config(arguments, &places, 1.0)?;
    console.renamed(&renamed::used(None, &arguments.settings));
    let begun = Plan::read(&places.plan, arguments)?;
    let (images, test_images) = match &begun {
        Some(plan) => (plan.images, plan.test_images),
        None => plan::sizes(arguments),
    };

    console.note("1/7 composing images");
    let seed = u64::from(arguments.seed);
    for (glyphs, count, seed, out) in [
        (TRAIN_GLYPHS, images, seed + TRAIN_SEED, &places.train),
        (TEST_GLYPHS, test_images, seed + TEST_SEED, &places.test),
    ] {
        let pool = glyphs.parse::<GlyphSpec>()?.open()?;
        let composer = Composer::new(settings.compose.clone(), pool)?;
        let options = WriteOptions {
            out: out.clone(),
            count: u64::from(count),
            seed,
            glyphs: glyphs.to_owned(),
            threads: None,
        };
        // The answers are the last file of a set to be written.
        if !out.join("answer.csv").is_file() {
            compose::write(&composer, &options, console, &stop)?;
        }
    }

    console.note("2/7 packing them");
    let train_pack = pack_images(&places.train, &places.train_pack, console, &stop)?;
    pack_images(&places.test, &places.test_pack, console, &stop)?;

    console.note("3/7 cutting folds");
    Folds::make(FoldKind::Kfold, FOLDS, seed, train_pack.table(), None)?.save(&places.folds)?;

    console.note("4/7 training");
    let plan = match begun {
        Some(plan) => plan,
        None => Plan::begin(arguments, started, &places.plan)?,
    };
    let request = TrainRequest {
        config: config(arguments, &places, plan.train_minutes)?,
        run: &places.run,
        network: None,
        folds: Some((0..arguments.folds as usize).collect()),
        plans_of: None,
    };
    let summary = train(&request, &mut TrainingProgress::new(console), &stop)?;

    console.note("5/7 fitting views and a decision on the held-out images");
    let decision = decide_on(&places, summary.out_of_fold_images, console, &stop)?;
    let views = decision.as_ref().and_then(Decision::views).cloned();
    let views = views.unwrap_or_default();

    console.note("6/7 predicting the test images");
    let predictor = Predictor::open(std::slice::from_ref(&places.run), None)?;
    let predictions = predict::predict(
        &predictor,
        &Images::open(&places.test_pack)?,
        &PredictOptions {
            views,
            ..PredictOptions::default()
        },
        &places.predictions,
        console,
        &stop,
    )?;
    predictions.write(&places.predictions)?;
    let answers = Predictions::read_answers(&places.test.join("answer.csv"))?;
    let rule = decision.clone().map_or_else(Rule::default, |decision| {
        Rule::Decision(Box::new(decision), None)
    });
    let score = evaluate::score(&predictions, &answers, &rule)?;

    console.note("7/7 writing the submission");
    write_whole(&places.sample, sample_submission(&answers).as_bytes())?;
    let template = Template::read(&places.sample)?;
    let answered = submit::answer(&template, &predictions, &rule)?;
    write_whole(&places.submission, &answered.submission)?;
    let facts = Facts::new(
        &summary,
        decision.as_ref(),
        predictor.files().count(),
        &score,
        &plan,
        places,
        started,
    );
    let text = facts.text();
    Report::new(facts, text)
}

/// Fits views and a decision on the held-out images, where there are enough of them.
fn decide_on(
    places: &Places,
    held_out: usize,
    console: Console,
    stop: &AtomicBool,
) -> Result<Option<Decision>> {
    if held_out < Decision::FEWEST_IMAGES {
        console.note(&format!(
            "{held_out} held-out images are too few to fit on: images are predicted once, and a yes is a probability \
             above one half"
        ));
        return Ok(None);
    }
    tta::measure(
        (&places.run, None),
        &Candidate::parse_list(VIEWS)?,
        None,
        PredictOptions::default(),
        RowMetric::Accuracy,
        console,
        stop,
    )?;
    decide::for_run(&places.run, Metric::Accuracy, console, stop)?;
    Ok(Some(Decision::read(&places.decision)?))
}

/// The settings of the training.
fn config(arguments: &Arguments, places: &Places, train_minutes: f64) -> Result<CheckedConfig> {
    let preset = Config::load(Some("quick"), &[])?;
    let share = preset.data.compose_share;
    // Packed and composed images are both to be seen.
    let share = if share > 0.0 && share < 1.0 {
        share
    } else {
        COMPOSE_SHARE
    };
    // Composed images have boxes, which train the label maps.
    let box_weight = match preset.model.head {
        Head::LabelMap if !preset.boxes.is_on() => BOX_WEIGHT,
        _ => preset.boxes.weight,
    };
    let settings = vec![
        format!("boxes.weight={box_weight}"),
        format!("train.seed={}", arguments.seed),
        format!("train.minutes={train_minutes}"),
        path_setting("data.path", &places.train_pack)?,
        path_setting("folds.file", &places.folds)?,
        format!("data.compose_share={share}"),
        format!("data.dense_share={DENSE_SHARE}"),
        "data.dense_labels=false".to_owned(),
        format!("train.epoch_images={EPOCH_IMAGES}"),
        // Letters stand at any angle.
        "model.symmetry=p4".to_owned(),
        format!("transforms={TRANSFORMS}"),
        format!("data.glyphs={}", Value::from(TRAIN_GLYPHS)),
    ];
    let own = Config::load(Some("quick"), &settings)?;
    Ok(own.with(&arguments.settings)?.check()?)
}

fn pack_images(data: &Path, out: &Path, console: Console, stop: &AtomicBool) -> Result<Pack> {
    if !Pack::is_pack(out) {
        let dataset = Dataset::open(data, &Columns::default())?;
        let options = PackOptions {
            stop: Some(stop),
            ..PackOptions::default()
        };
        pack::write(&dataset, out, options, console)?;
    }
    Ok(Pack::open(out)?)
}

/// All zeros for the test images, as a contest would hand it out.
fn sample_submission(answers: &Predictions) -> String {
    let mut text = format!("index,{}\n", answers.labels().join(","));
    let zeros = ",0".repeat(answers.labels().len());
    for id in answers.ids() {
        text.push_str(&format!("{id}{zeros}\n"));
    }
    text
}
