//! What a run leaves, and what it refuses.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::{
    fs,
    ops::ControlFlow,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use soup_compose::{
    Composer, WriteOptions,
    glyphs::{GlyphPool, strokes::Strokes},
    write_dataset,
};
use soup_data::{
    ImageShape, Source,
    dataset::{Columns, Dataset},
    folds::{FoldKind, Folds},
    pack::{PackOptions, write_pack},
};
use soup_decide::metrics::ScoredPredictions;
use soup_model::{ErrorKind, PredictOptions, Predictor};
use soup_train::{
    Error, checkpoint,
    config::{CheckedConfig, Config},
    npy,
    progress::Event,
    runs::RunDirectory,
    trainer::{OwnedData, TrainData, TrainRequest, TrainSummary, train, train_on},
};
use support::{Data, request};

static NEVER: AtomicBool = AtomicBool::new(false);

fn run(path: &Path, overrides: &[&str], data: &TrainData<'_>) -> Result<TrainSummary, Error> {
    train_on(&request(path, overrides), data, &mut (), &NEVER)
}

/// A network of the zoo on composed images, from the settings alone, learns; what it leaves
/// predicts what the run says it does.
#[test]
fn a_run_from_settings_alone_learns_and_its_model_file_predicts_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let overrides = [
        "data.compose_share=1",
        "data.composed=64",
        "data.composed_valid=24",
        "compose.width=32",
        "compose.height=32",
        "compose.side=[14, 26]",
        "compose.letters=[1, 2]",
        "compose.distractor_side=[8, 14]",
        "compose.noise=20",
        "transforms=[{kind='normalize', mean=[0.5], std=[0.25]}]",
        "model.name=repvgg_a0",
        "optimizer.kind=adamw",
        "train.epochs=4",
        "train.rate=0.002",
        "train.batch=8",
    ]
    .map(str::to_owned);
    let config = Config::load(None, &overrides).unwrap().check().unwrap();
    let request = TrainRequest {
        config,
        run: &path,
        network: None,
        folds: None,
        plans_of: None,
    };
    let mut losses = Vec::new();
    let mut progress = |event: &Event<'_>| {
        if let Event::EpochFinished(record) = event {
            losses.push(record.train_loss);
        }
    };
    let summary = train(&request, &mut progress, &NEVER).unwrap();
    assert_eq!((losses.len(), summary.folds[0].steps), (4, 32));
    assert!(losses[3] < 0.6 * losses[0], "{losses:?}");
    assert_eq!(summary.out_of_fold_images, 24);
    assert_eq!(summary.out_of_fold.accuracy, summary.folds[0].best.accuracy);

    // The run again: nothing to do, the same summary.
    let again = train(&request, &mut (), &NEVER).unwrap();
    assert_eq!(again, summary);

    // The model file alone gives the probabilities that the run kept.
    let predictor = Predictor::open(std::slice::from_ref(&path), None).unwrap();
    let held_out = OwnedData::composed(&request.config).unwrap();
    let data = held_out.borrow();
    let indices: Vec<u64> = (0..24).collect();
    let probabilities = predictor
        .predict(
            data.validation.unwrap(),
            &indices,
            &PredictOptions {
                threads: 1,
                batch: 5,
                ..PredictOptions::default()
            },
            &mut |_, _| {},
            &NEVER,
        )
        .unwrap();
    let (kept, columns) = npy::read(&path.join("oof.npy")).unwrap();
    assert_eq!(columns, 26);
    let worst = probabilities
        .iter()
        .zip(&kept)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    assert!(worst < 1e-5, "{worst}");
}

#[test]
fn the_folder_holds_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::new();
    let path = folder.path().join("runs/first");
    let mut asked = request(&path, &["train.epochs=2"]);
    asked.folds = Some(vec![1]);
    train_on(&asked, &data.borrow(), &mut (), &NEVER).unwrap();
    let (values, columns) = npy::read(&path.join("oof.npy")).unwrap();
    assert_eq!((values.len(), columns), (40 * 26, 26));
    let trained = |row: usize| !values[row * 26].is_nan();
    assert!((0..40).all(|row| trained(row) == (row % 2 == 1)));
    assert!(!path.join("fold0").exists());

    asked.folds = None;
    let summary = train_on(&asked, &data.borrow(), &mut (), &NEVER).unwrap();
    let (values, _) = npy::read(&path.join("oof.npy")).unwrap();
    let mut targets = vec![0.0; 40 * 26];
    let borrowed = data.borrow();
    let packed = borrowed.rows.unwrap();
    let mut pixels = vec![0; packed.shape().len()];
    for row in 0..40 {
        packed
            .read(row, &mut pixels, &mut targets[row as usize * 26..][..26])
            .unwrap();
    }
    let table = ScoredPredictions::new(&values, &targets, packed.label_names(), &[0.5]).unwrap();
    assert_eq!(table.evaluate(), summary.out_of_fold);

    let run = RunDirectory::at(&path);
    assert_eq!(run.config().unwrap(), asked.config.clone().into_inner());
    assert_eq!(run.folds().unwrap(), [0, 1]);
    let csv = fs::read_to_string(path.join("metrics.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 4);
    let log = fs::read_to_string(path.join("log.txt")).unwrap();
    for part in [
        "rate = 0.01",
        "fold 0 epoch 2",
        "fold 1 epoch 1",
        "images/s (images ",
        "MiB",
    ] {
        assert!(log.contains(part), "{part} is not in\n{log}");
    }
    let names: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(path.join("oof.ids.json")).unwrap()).unwrap();
    assert_eq!(names["ids"][39], "00039");
    assert_eq!(names["labels"][25], "z");
    // Of the epochs' weights as many as asked for, and nothing half-written.
    let mut names: Vec<String> = fs::read_dir(path.join("fold0"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "best.ckpt",
            "epoch002.ckpt",
            "last.ckpt",
            "lock",
            "log.txt",
            "metrics.csv",
            "metrics.jsonl",
            "model.safetensors",
            "sessions.jsonl",
            "valid.npy"
        ]
    );
}

#[test]
fn other_settings_are_refused_by_name_and_harmless_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::new();
    let path = folder.path().join("run");
    run(&path, &["train.epochs=1"], &data.borrow()).unwrap();
    let error = run(
        &path,
        &["train.epochs=1", "train.rate=0.02"],
        &data.borrow(),
    )
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    let text = error.to_string();
    assert!(
        text.contains("train.rate: 0.01 there, 0.02 now") && !text.contains("epochs"),
        "{text}"
    );
    run(
        &path,
        &[
            "train.epochs=1",
            "train.threads=1",
            "train.checkpoint_steps=7",
        ],
        &data.borrow(),
    )
    .unwrap();

    let mut other = data.borrow();
    other.fingerprint = "other images";
    let error = run(&path, &["train.epochs=1"], &other)
        .unwrap_err()
        .to_string();
    assert!(error.contains("other images"), "{error}");
    let mut asked = request(&path, &["train.epochs=1"]);
    asked.folds = Some(vec![0, 2]);
    let error = train_on(&asked, &data.borrow(), &mut (), &NEVER).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no fold 2; the folds are 0 to 1"
    );
}

#[test]
fn a_fold_is_trained_by_one_process_and_another_fold_by_another() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::new();
    let path = folder.path().join("run");
    let held = RunDirectory::at(&path).fold(0).take().unwrap();
    let error = run(&path, &["train.epochs=1"], &data.borrow()).unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    let mut asked = request(&path, &["train.epochs=1"]);
    asked.folds = Some(vec![1]);
    train_on(&asked, &data.borrow(), &mut (), &NEVER).unwrap();
    drop(held);
    run(&path, &["train.epochs=1"], &data.borrow()).unwrap();
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::new();
    let (path, whole) = (folder.path().join("run"), folder.path().join("whole"));
    run(&whole, &[], &data.borrow()).unwrap();
    let mut steps = 0;
    let stop = AtomicBool::new(false);
    let mut progress = |event: &Event<'_>| {
        steps += usize::from(matches!(event, Event::Step(_)));
        stop.store(steps >= 7, std::sync::atomic::Ordering::Relaxed);
    };
    let error = train_on(&request(&path, &[]), &data.borrow(), &mut progress, &stop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    let last = path.join("fold0/last.ckpt");
    let bytes = fs::read(&last).unwrap();
    fs::write(&last, &bytes[..bytes.len() / 2]).unwrap();
    let error = run(&path, &[], &data.borrow()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    let text = error.to_string();
    assert!(
        text.contains("fold0/last.ckpt")
            && text.contains("truncated")
            && text.contains("intact (epoch 1, step 6)"),
        "{text}"
    );
    fs::remove_file(&last).unwrap();
    run(&path, &[], &data.borrow()).unwrap();
    assert!(
        fs::read(path.join("fold0/model.safetensors")).unwrap()
            == fs::read(whole.join("fold0/model.safetensors")).unwrap()
    );
}

/// The images of another source until one of them is gone.
struct Vanishing<'a> {
    source: &'a dyn Source,
    gone: u64,
}

impl Source for Vanishing<'_> {
    fn len(&self) -> u64 {
        self.source.len()
    }
    fn shape(&self) -> ImageShape {
        self.source.shape()
    }
    fn label_names(&self) -> &[String] {
        self.source.label_names()
    }
    fn read(
        &self,
        index: u64,
        pixels: &mut [u8],
        labels: &mut [f32],
    ) -> Result<Option<Vec<soup_data::Annotation>>, soup_data::Error> {
        if index == self.gone {
            return Err(soup_data::Error::DamagedImage {
                path: "images/00017.png".into(),
                row: Some(19),
                id: "00017".to_owned(),
                problem: "it is gone".to_owned(),
            });
        }
        self.source.read(index, pixels, labels)
    }
}

#[test]
fn a_vanished_image_is_named_and_the_run_goes_on_once_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::new();
    let (path, whole) = (folder.path().join("run"), folder.path().join("whole"));
    let every_step = ["train.checkpoint_steps=1"];
    run(&whole, &every_step, &data.borrow()).unwrap();
    let mut torn = data.borrow();
    let vanishing = Vanishing {
        source: torn.rows.unwrap(),
        gone: 17,
    };
    torn.rows = Some(&vanishing);
    let error = run(&path, &every_step, &torn).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    let text = error.to_string();
    assert!(
        text.contains("00017.png") && text.contains("row 19"),
        "{text}"
    );
    run(&path, &every_step, &data.borrow()).unwrap();
    assert!(
        fs::read(path.join("fold1/model.safetensors")).unwrap()
            == fs::read(whole.join("fold1/model.safetensors")).unwrap()
    );
}

/// `/dev/full` is a disk without room: the second checkpoint does not fit.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named_and_the_checkpoint_before_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::new();
    let (path, whole) = (folder.path().join("run"), folder.path().join("whole"));
    run(&whole, &[], &data.borrow()).unwrap();
    let mut saved = 0;
    let mut progress = |event: &Event<'_>| {
        if let Event::Checkpoint(path) = event {
            saved += 1;
            if saved == 1 {
                let next = path.with_file_name("next.ckpt.partial");
                std::os::unix::fs::symlink("/dev/full", next).unwrap();
            }
        }
    };
    let error = train_on(&request(&path, &[]), &data.borrow(), &mut progress, &NEVER).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    let text = error.to_string();
    assert!(
        text.contains("next.ckpt: cannot write: No space left"),
        "{text}"
    );
    run(&path, &[], &data.borrow()).unwrap();
    assert!(
        fs::read(path.join("fold0/model.safetensors")).unwrap()
            == fs::read(whole.join("fold0/model.safetensors")).unwrap()
    );
}

#[test]
fn a_loss_that_is_no_number_ends_the_run_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::new();
    let path = folder.path().join("run");
    let overrides = [
        "optimizer.kind=sgd",
        "train.rate=1e30",
        "train.clip_norm=0",
        "schedule.kind=constant",
    ];
    let error = run(&path, &overrides, &data.borrow()).unwrap_err();
    let text = error.to_string();
    let Error::SomeDiverged { diverged, trained } = error else {
        panic!("{text}");
    };
    // The first fold does not end the second.
    let folds: Vec<usize> = diverged.iter().map(|found| found.fold).collect();
    assert_eq!((folds, trained), (vec![0, 1], vec![]));
    assert!(
        text.starts_with("2 of 2 folds diverged\n  fold 0, epoch 1, step "),
        "{text}"
    );
    assert!(text.contains("\n  fold 1, epoch 1, step "), "{text}");
    assert!(text.contains("no epoch was finished before"), "{text}");
    assert!(text.contains("lower train.rate"), "{text}");
    assert!(!path.join("fold0/model.safetensors").exists());
}

/// Rectifiers do not hide it, nothing that is no number comes to disk, and what was best before stays and answers.
#[test]
fn a_run_that_diverges_says_where_and_keeps_the_last_good_weights() {
    let data = Data::new();
    for precision in ["f32", "bf16"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let precision = format!("model.precision={precision}");
        let overrides = [
            "model.name=repvgg_nano",
            &precision,
            "schedule.kind=step",
            "schedule.step_size=1",
            "schedule.gamma=1e20",
            "train.checkpoint_steps=1",
        ];
        let train = || {
            let asked = TrainRequest {
                network: None,
                folds: Some(vec![0]),
                ..request(&path, &overrides)
            };
            let error = train_on(&asked, &data.borrow(), &mut (), &NEVER).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Failed);
            match error {
                Error::Diverged(found) => *found,
                error => panic!("{precision}: {error}"),
            }
        };
        let found = train();
        assert_eq!((found.fold, found.epoch, found.best_epoch), (0, 2, Some(1)));
        let text = found.to_string();
        assert!(
            text.contains("the best weights, of epoch 1, are kept"),
            "{text}"
        );
        assert_eq!(text.contains("model.precision=f32"), found.in_bf16);

        let predictor = Predictor::open(std::slice::from_ref(&path), None).unwrap();
        let options = PredictOptions::default();
        let (examples, rows) = (data.borrow().rows.unwrap(), [0, 1, 2]);
        let answers = predictor.predict(examples, &rows, &options, &mut |_, _| {}, &NEVER);
        assert_eq!(answers.unwrap().len(), 3 * 26);

        // The same command says so at once, and made to try again it ends the same.
        let again = train();
        assert!(again.to_string().contains("stopped there"), "{again}");
        let written = again.written.unwrap();
        assert!(text != again.what && again.what == found.what);
        fs::remove_file(written).unwrap();
        assert_eq!(train(), found);
    }
}

/// As a version wrote it that did not check.
#[test]
fn a_checkpoint_of_what_is_no_number_is_not_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::new();
    let path = folder.path().join("run");
    let overrides = ["train.epochs=1"];
    run(&path, &overrides, &data.borrow()).unwrap();
    let last = path.join("fold0/last.ckpt");
    let graph = support::network();
    let (weights, statistics) = (graph.trainable_len(), graph.buffer_len());
    for spoilt in 0..6 {
        let mut found = checkpoint::read::<serde_json::Value>(&last)
            .unwrap()
            .unwrap();
        let mut arrays = [
            ("weights", weights),
            ("statistics", statistics),
            ("average.weights", weights),
            ("average.statistics", statistics),
            ("exp_avg", weights),
            ("exp_avg_sq", weights),
        ]
        .map(|(name, len)| (name, found.take(name, len).unwrap()));
        let good = arrays.clone();
        arrays[spoilt].1[0] = [f32::NAN, f32::INFINITY][spoilt % 2];
        let write = |arrays: &[(&str, Vec<f32>); 6]| {
            let arrays = arrays
                .each_ref()
                .map(|(name, values)| (*name, values.as_slice()));
            checkpoint::write(&last, &found.state, &arrays).unwrap();
        };
        write(&arrays);
        let error = run(&path, &overrides, &data.borrow()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("last.ckpt: a value of "), "{text}");
        assert!(text.contains("this run diverged"), "{text}");
        write(&good);
    }
    run(&path, &overrides, &data.borrow()).unwrap();
}

#[test]
fn too_few_images_and_too_large_batches_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::new();
    let error = run(
        &folder.path().join("run"),
        &["train.batch=64"],
        &data.borrow(),
    )
    .unwrap_err()
    .to_string();
    assert!(
        error.starts_with("train.batch: a step takes 128 images") && error.contains("only 40"),
        "{error}"
    );
}

/// A budget becomes a number of steps, which the run obeys; at the end of an epoch it becomes another one where the
/// time has gone by faster.
#[test]
fn a_time_budget_is_planned_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::new();
    let path = folder.path().join("run");
    let overrides = ["train.minutes=0.0001", "schedule.warmup_epochs=0.5"];
    let begun = std::time::Instant::now();
    run(&path, &overrides, &data.borrow()).unwrap();
    // Far below what the epochs of the settings would take, even on a busy machine.
    assert!(begun.elapsed().as_secs_f64() < 120.0);
    let plan = fs::read_to_string(path.join("fold0/plan.json")).unwrap();
    assert!(plan.contains("\"epoch_steps\":10"), "{plan}");
    for (steps, done) in [(7, 7), (1000, 10)] {
        let plan = format!(r#"{{"steps":{steps},"epoch_steps":10}}"#);
        fs::write(path.join("fold1/plan.json"), plan).unwrap();
        fs::remove_file(path.join("fold1/last.ckpt")).unwrap();
        let summary = run(&path, &overrides, &data.borrow()).unwrap();
        assert_eq!((summary.folds[1].steps, summary.folds[1].epochs), (done, 1));
        // What is done stays done: the checkpoint knows that the plan is another one now.
        let summary = run(&path, &overrides, &data.borrow()).unwrap();
        assert_eq!((summary.folds[1].steps, summary.folds[1].epochs), (done, 1));
    }
}

/// Folds are made once and obeyed ever after, and other ones are refused.
#[test]
fn the_folds_of_a_run_are_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let run = RunDirectory::at(&path);
    let config = support::config(&["data.compose_share=0", "folds.k=4"]);
    run.begin(&config).unwrap();
    let open = |config: &CheckedConfig, rows: u64| {
        let (packed, table) = support::packed(rows);
        OwnedData::packed(config, &run, Box::new(packed), &table, String::new())
    };
    let owned = open(&config, 40).unwrap();
    let data = owned.borrow();
    assert_eq!(data.held_out_rows.len(), 4);
    let (_, table) = support::packed(40);
    let expected = Folds::make(FoldKind::Kfold, 4, 42, &table, None).unwrap();
    assert_eq!(data.held_out_rows[3], expected.valid_rows(3));
    let mut rows = data.training(&config, 3).epoch(1, 0);
    rows.sort_unstable();
    assert_eq!(rows, expected.train_rows(3));
    assert_eq!(Folds::read(&run.file("folds.json")).unwrap(), expected);

    let error = open(&config, 41).map(|_| ()).unwrap_err().to_string();
    assert!(
        error.contains("folds.json") && error.contains("40 rows"),
        "{error}"
    );

    let file = folder.path().join("mine.json");
    let other = Folds::make(FoldKind::Kfold, 4, 7, &table, None).unwrap();
    other.save(&file).unwrap();
    let setting = format!("folds.file={}", file.display());
    let config = support::config(&["data.compose_share=0", "folds.k=4", &setting]);
    let error = open(&config, 40).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("holds other folds"), "{error}");
    fs::remove_file(run.file("folds.json")).unwrap();
    open(&config, 40).unwrap();
    assert_eq!(Folds::read(&run.file("folds.json")).unwrap(), other);
}

/// A folder of images with its table is packed into the run; a pack made beforehand gives the same
/// bytes, and images that changed since are refused.
#[test]
fn a_folder_of_images_trains_as_its_pack_does() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("letters");
    let pool = GlyphPool::new(Arc::new(Strokes::new(0)));
    let composer = Composer::new(support::compose_config(), pool).unwrap();
    let options = WriteOptions {
        out: images.clone(),
        count: 24,
        seed: 3,
        glyphs: "strokes".to_owned(),
        threads: None,
    };
    write_dataset(&composer, &options, &|_| ControlFlow::Continue(())).unwrap();
    let packed = folder.path().join("letters.pack");
    let dataset = Dataset::open(&images, &Columns::default()).unwrap();
    write_pack(&dataset, &packed, &PackOptions::default()).unwrap();

    let start = |data: &Path, run: &str| {
        let path = folder.path().join(run);
        let setting = format!("data.path={}", data.display());
        let overrides = [
            &setting,
            "folds.k=2",
            "data.compose_share=0",
            "train.epochs=1",
        ];
        let request = request(&path, &overrides);
        train(&request, &mut (), &NEVER).map(|summary| {
            (
                summary,
                fs::read(path.join("fold1/model.safetensors")).unwrap(),
            )
        })
    };
    let (from_folder, model) = start(&images, "from_folder").unwrap();
    let (from_pack, same) = start(&packed, "from_pack").unwrap();
    assert!(model == same);
    assert_eq!(from_folder.out_of_fold, from_pack.out_of_fold);
    assert_eq!(from_folder.out_of_fold_images, 24);
    let ids = fs::read_to_string(folder.path().join("from_pack/oof.ids.json")).unwrap();
    assert!(ids.starts_with(r#"{"ids":["0","1","2""#), "{ids}");
    // Either is taken for the other: what counts is what is in the images.
    start(&packed, "from_folder").unwrap();

    fs::copy(
        images.join("images/00001.png"),
        images.join("images/00000.png"),
    )
    .unwrap();
    let error = start(&images, "from_folder").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data, "{error}");
    fs::remove_file(images.join("images/00007.png")).unwrap();
    let error = start(&images, "new").unwrap_err().to_string();
    assert!(
        error.contains("answer.csv") && error.contains("row 9"),
        "{error}"
    );
    let error = start(Path::new("nowhere"), "new").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data, "{error}");
}
