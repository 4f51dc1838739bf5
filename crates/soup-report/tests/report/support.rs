//! Folders of runs and sweeps that nobody trained: real images, folds and settings, and predictions drawn
//! by lot.

use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use serde_json::json;
use soup_compose::{Composer, WriteOptions, glyphs::GlyphSpec, write_dataset};
use soup_data::{
    dataset::{Columns, Dataset},
    folds::{FoldKind, Folds},
    pack::{Pack, PackOptions, write_pack},
};
use soup_decide::{
    Decision, Sample, ThresholdKind,
    calibration::CalibrationKind,
    decision::{Decoding, Recipe},
};
use soup_random::{Purpose, Stream};
use soup_sweep::{SweepFile, Trial, TrialRecord};
use soup_train::{
    config::Config,
    npy,
    runs::{EpochRecord, RunDirectory},
    trainer::OutOfFold,
};

/// How large a run is.
#[derive(Clone, Copy)]
pub struct Size {
    pub images: u64,
    pub side: u32,
    pub folds: u32,
    pub epochs: usize,
}

/// Composes and packs images into `folder/pack`.
pub fn pack(folder: &Path, size: Size) -> PathBuf {
    let (set, out) = (folder.join("set"), folder.join("pack"));
    let settings = ["width", "height"].map(|key| format!("compose.{key}={}", size.side));
    let mut settings = settings.to_vec();
    if size.side < 256 {
        settings.extend(["compose.side=[10,24]", "compose.letters=[2,4]"].map(str::to_owned));
        settings.push("compose.distractor_share=0.0".to_owned());
    }
    let config = Config::load(Some("quick"), &settings).unwrap();
    let glyphs: GlyphSpec = "strokes".parse().unwrap();
    let composer = Composer::new(config.compose, glyphs.open().unwrap()).unwrap();
    let options = WriteOptions {
        out: set.clone(),
        count: size.images,
        seed: 5,
        glyphs: "strokes".to_owned(),
        threads: None,
    };
    write_dataset(&composer, &options, &|_| ControlFlow::Continue(())).unwrap();
    let dataset = Dataset::open(&set, &Columns::default()).unwrap();
    write_pack(&dataset, &out, &PackOptions::default()).unwrap();
    out
}

/// A run on a pack, all folds ended; `skill` is how far probabilities are from chance.
pub fn run(path: &Path, pack: &Path, size: Size, skill: f32, settings: &[&str]) {
    let mut all = vec![
        format!("data.path={}", json!(pack)),
        format!("folds.k={}", size.folds),
        format!("train.epochs={}", size.epochs),
    ];
    all.extend(settings.iter().map(|text| (*text).to_owned()));
    let config = Config::load(Some("quick"), &all).unwrap();
    fs::create_dir_all(path).unwrap();
    fs::write(path.join("config.toml"), config.to_toml()).unwrap();
    let pack = Pack::open(pack).unwrap();
    let table = pack.table();
    let folds = Folds::make(FoldKind::Kfold, size.folds, 42, table, None).unwrap();
    folds.save(&path.join("folds.json")).unwrap();

    let labels = table.label_names().len();
    let mut probabilities = Vec::new();
    for row in 0..table.len() {
        let mut draws = Stream::new(9, Purpose::Bootstrap, 0, row as u64);
        for label in 0..labels {
            let present = table.labels(row).unwrap()[label] == 1;
            let evidence = if present { skill } else { -skill } + draws.normal();
            probabilities.push(1.0 / (1.0 + (-evidence).exp()));
        }
    }
    let directory = RunDirectory::at(path);
    for fold in 0..size.folds {
        let files = directory.fold(fold as usize);
        fs::create_dir_all(files.root()).unwrap();
        files
            .write_metrics(&epochs(fold as usize, size.epochs))
            .unwrap();
        let session = "{\"time\":\"2026-11-24T16:18:06Z\",\"version\":\"0.1.0\",\"threads\":2,\"epoch\":1,\"step\":0}\n";
        fs::write(files.file("sessions.jsonl"), session).unwrap();
        let rows = folds.valid_rows(fold);
        let own = rows
            .iter()
            .flat_map(|row| &probabilities[*row as usize * labels..][..labels]);
        let own: Vec<f32> = own.copied().collect();
        npy::write(&files.file("valid.npy"), &own, labels).unwrap();
    }
    npy::write(&directory.file("oof.npy"), &probabilities, labels).unwrap();
    let names = json!({"ids": table.ids(), "labels": table.label_names()});
    fs::write(directory.file("oof.ids.json"), names.to_string()).unwrap();
    directory.merge().unwrap();
}

/// Fits everything that a decision may hold on a run's out-of-fold predictions.
pub fn decide(path: &Path, views: Option<&str>) {
    let found = OutOfFold::read(path, &AtomicBool::new(false)).unwrap();
    let (predictions, truth) = found.tables().unwrap();
    let sample = Sample::new(&predictions, &truth).unwrap();
    let recipe = Recipe {
        calibration: CalibrationKind::Platt,
        thresholds: ThresholdKind::PerLabel,
        decoding: Decoding::Count,
    };
    let decision = Decision::fit(recipe, predictions.labels(), &sample, &found.targets).unwrap();
    let views = views.map(|views| serde_json::from_str(views).unwrap());
    let decision = decision.with_views(views);
    decision.write(&path.join("decision.json")).unwrap();
}

/// Figures that fall and rise as those of a training do.
fn epochs(fold: usize, count: usize) -> Vec<EpochRecord> {
    (1..=count)
        .map(|epoch| {
            let progress = epoch as f64 / count as f64 + fold as f64 / 100.0;
            EpochRecord {
                fold,
                epoch,
                step: epoch as u64 * 100,
                rate: 0.001 * (1.0 - epoch as f64 / count as f64),
                train_loss: 0.7 - 0.4 * progress,
                train_accuracy: 0.55 + 0.4 * progress,
                // Nothing is known of the first epoch.
                valid_loss: if epoch == 1 {
                    f64::NAN
                } else {
                    0.7 - 0.3 * progress
                },
                valid_accuracy: 0.55 + 0.3 * progress,
                valid_exact_match: 0.1 * progress,
                valid_map: 0.5 + 0.4 * progress,
                best: true,
                seconds: 12.5,
                images_per_second: 40.0,
                memory_mib: 300.0,
            }
        })
        .collect()
}

/// A sweep over values, choices and a range.
pub const SEARCH: &str = "preset = 'quick'\nsettings = ['data.compose_share=1']\n\
    [search]\nkind = 'random'\ncount = 9\nseed = 3\n[race]\nrungs = []\nseeds = 2\nbudget = 1.0\n\
    [[option]]\nkey = 'train.rate'\nlow = 1e-4\nhigh = 1e-2\nlog = true\n\
    [[option]]\nkey = 'train.batch'\nvalues = [8, 16, 32]\n\
    [[option]]\nname = 'head <&>'\n[option.choices]\nmaps = ['model.head=label_map']\nplain = ['model.head=linear']\n";

/// A sweep that compares all with one.
pub const ABLATION: &str = "preset = 'quick'\nsettings = ['data.compose_share=1']\n\
    [race]\nrungs = []\nseeds = 2\nbudget = 1.0\n[reference]\nhead = 'maps'\n\
    [[option]]\nname = 'head'\n[option.choices]\nlinear = ['model.head=linear']\nmaps = ['model.head=label_map']\n\
    query = ['model.head=label_query']\n";

/// The folder of a sweep, every candidate trained to its end with two seeds.
pub fn sweep(path: &Path, text: &str) {
    fs::create_dir_all(path.join("trials")).unwrap();
    fs::write(path.join("sweep.toml"), text).unwrap();
    let file = SweepFile::parse(text, "sweep.toml").unwrap();
    fs::write(path.join("base.toml"), file.base().unwrap().to_toml()).unwrap();
    for candidate in 0..file.search.count(&file.options) {
        for seed in 0..2 {
            let trial = Trial {
                candidate,
                seed,
                rung: 0,
            };
            let record = TrialRecord {
                trial,
                settings: Vec::new(),
                train_seed: 42 + seed as u64,
                share: 1.0,
                score: Some(
                    0.7 + 0.01 * candidate as f64 + 0.002 * seed as f64 * (candidate % 3) as f64,
                ),
                scores: Default::default(),
                failure: None,
                epochs: 6,
                seconds: 60.0,
                images_per_second: 200.0 - 15.0 * candidate as f64,
                worker: "test".to_owned(),
                images: Vec::new(),
            };
            let name = format!("trials/c{candidate:03}-s{seed}-r0.json");
            fs::write(path.join(name), serde_json::to_vec(&record).unwrap()).unwrap();
        }
    }
}
