//! A run that is killed at any moment ends with the same bytes as one that never was.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use soup_model::ErrorKind;
use soup_random::{Purpose, Stream};
use soup_train::{
    Error, checkpoint,
    progress::Event,
    trainer::{TrainRequest, TrainSummary, train_on},
};
use support::{Data, request};

/// Names the run's folder to the process that [`train_in_a_process_of_its_own`] is in, and its settings.
const RUN: &str = "SOUP_TEST_RUN";
const SETTINGS: &str = "SOUP_TEST_SETTINGS";
/// A training by the clock, of a second or so.
const MINUTES: &str = "train.minutes=0.01";

fn train(run: &Path, settings: &[&str], plans_of: Option<&Path>) -> Result<TrainSummary, Error> {
    let data = Data::new();
    let stop = AtomicBool::new(false);
    let request = TrainRequest {
        plans_of: plans_of.map(Path::to_owned),
        ..request(run, settings)
    };
    train_on(&request, &data.borrow(), &mut (), &stop)
}

/// Not a test by itself: what the others start and kill.
#[test]
#[ignore = "started by the other tests"]
fn train_in_a_process_of_its_own() {
    let Some(run) = std::env::var_os(RUN) else {
        println!("skipped: {RUN} names no run");
        return;
    };
    let settings = std::env::var(SETTINGS).unwrap();
    train(Path::new(&run), &settings.lines().collect::<Vec<_>>(), None).unwrap();
}

fn start(run: &Path, settings: &[&str]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "train_in_a_process_of_its_own"])
        .env(RUN, run)
        .env(SETTINGS, settings.join("\n"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Everything that a run leaves and that must not depend on kills: all files, checkpoints without
/// and tables with their times taken out.
fn remains(run: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let folders = [run.to_owned(), run.join("fold0"), run.join("fold1")];
    for path in folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
    {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let bytes = match name.as_str() {
            "sessions.jsonl" => continue,
            _ if name.ends_with(".ckpt") => {
                let mut read = checkpoint::read::<serde_json::Value>(&path)
                    .unwrap()
                    .unwrap();
                without_times(&mut read.state);
                format!("{read:?}").into_bytes()
            }
            "metrics.jsonl" => fs::read_to_string(&path)
                .unwrap()
                .lines()
                .map(|line| {
                    let mut value = serde_json::from_str(line).unwrap();
                    without_times(&mut value);
                    format!("{value}\n")
                })
                .collect::<String>()
                .into_bytes(),
            "metrics.csv" => columns(&fs::read_to_string(&path).unwrap(), ',', 11),
            // The time in front and the speed, seconds and memory at the end.
            "log.txt" => fs::read_to_string(&path)
                .unwrap()
                .lines()
                .map(|line| {
                    let line = if line.starts_with("20") {
                        &line[21..]
                    } else {
                        line
                    };
                    let end = line.find(", rate").unwrap_or(line.len());
                    format!("{}\n", &line[..end])
                })
                .collect::<String>()
                .into_bytes(),
            _ => fs::read(&path).unwrap(),
        };
        files.insert(path.strip_prefix(run).unwrap().to_owned(), bytes);
    }
    files
}

fn columns(text: &str, separator: char, count: usize) -> Vec<u8> {
    text.lines()
        .map(|line| {
            let cells: Vec<&str> = line.split(separator).take(count).collect();
            format!("{cells:?}\n")
        })
        .collect::<String>()
        .into_bytes()
}

fn without_times(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            for name in ["seconds", "images_per_second", "memory_mib", "log_length"] {
                map.remove(name);
            }
            map.values_mut().for_each(without_times);
        }
        serde_json::Value::Array(list) => list.iter_mut().for_each(without_times),
        _ => {}
    }
}

fn assert_same(killed: &Path, reference: &BTreeMap<PathBuf, Vec<u8>>) {
    let found = remains(killed);
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(reference));
    for (name, bytes) in &found {
        assert!(bytes == &reference[name], "{} differs", name.display());
    }
}

/// How often a test kills; SOUP_KILLS=20 kills that often.
fn kills_wanted() -> usize {
    let wanted = std::env::var("SOUP_KILLS");
    wanted.map_or(3, |wanted| wanted.parse().expect("SOUP_KILLS is a number"))
}

/// Kills runs at drawn moments, as often as is wanted, each until it ends; `check` gets each after every kill and,
/// with true, at its end.
fn kill_until_done(settings: &[&str], length: Duration, check: &mut dyn FnMut(&Path, bool)) {
    let folder = tempfile::tempdir().unwrap();
    let mut moments = Stream::new(26, Purpose::Bootstrap, 0, 0);
    let (mut kills, mut runs) = (0, 0);
    while kills < kills_wanted() {
        let run = folder.path().join(format!("killed{runs}"));
        loop {
            let mut child = start(&run, settings);
            let delay = length.mul_f32(moments.range(0.02, 0.7));
            thread::sleep(delay.max(Duration::from_millis(1)));
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "a resumed process failed");
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            check(&run, false);
        }
        check(&run, true);
        runs += 1;
    }
    println!("{kills} kills in {runs} runs, every file equal");
}

#[test]
fn runs_by_epochs_that_were_killed_end_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let undisturbed = folder.path().join("undisturbed");
    let begun = Instant::now();
    assert!(start(&undisturbed, &[]).wait().unwrap().success());
    let length = begun.elapsed();
    let reference = remains(&undisturbed);
    assert!(reference.contains_key(Path::new("fold1/model.safetensors")));
    kill_until_done(&[], length, &mut |run, ended| {
        if ended {
            assert_same(run, &reference);
        }
    });
}

/// The text of each fold's plans but its end, which grows.
fn plans(run: &Path) -> [String; 2] {
    [0, 1].map(|fold| {
        let text = fs::read_to_string(run.join(format!("fold{fold}/plan.json")));
        let text = text.unwrap_or_default();
        text.trim_end_matches("]}").to_owned()
    })
}

/// What the clock decided is decided for good, and with it the run ends with the same bytes however often it is killed.
#[test]
fn runs_by_minutes_that_were_killed_end_with_the_bytes_of_their_plans() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [MINUTES, "train.checkpoint_steps=5"];
    let begun = Instant::now();
    let whole = folder.path().join("whole");
    assert!(start(&whole, &settings).wait().unwrap().success());
    let length = begun.elapsed();
    let replay = |run: &Path| {
        let again = folder.path().join("again");
        train(&again, &settings, Some(run)).unwrap();
        assert_same(run, &remains(&again));
        assert_ne!(plans(run), [const { String::new() }; 2]);
        fs::remove_dir_all(again).unwrap();
    };
    replay(&whole);
    let mut before = plans(&folder.path().join("none"));
    kill_until_done(&settings, length, &mut |run, ended| {
        let now = plans(run);
        for (now, before) in now.iter().zip(&before) {
            assert!(now.starts_with(before), "{before} became {now}");
        }
        before = now;
        if ended {
            replay(run);
            before.fill(String::new());
        }
    });
}

/// Ctrl-C after every step there is, and not one file differs.
#[test]
fn a_run_interrupted_after_every_step_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let undisturbed = folder.path().join("undisturbed");
    train(&undisturbed, &[], None).unwrap();
    let run = folder.path().join("interrupted");
    let data = Data::new();
    let mut interruptions = 0;
    let summary = loop {
        let stop = AtomicBool::new(false);
        let mut progress = |event: &Event<'_>| {
            if matches!(event, Event::Step(_)) {
                stop.store(true, Ordering::Relaxed);
            }
        };
        match train_on(&request(&run, &[]), &data.borrow(), &mut progress, &stop) {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
                interruptions += 1;
            }
            Ok(summary) => break summary,
        }
    };
    // Two folds, three epochs, (20 rows + 20 composed) / (2 x 2) steps.
    assert_eq!(interruptions, 2 * 3 * 10);
    assert_eq!(summary.folds[0].steps, 30);
    assert_same(&run, &remains(&undisturbed));
    let sessions = fs::read_to_string(run.join("fold0/sessions.jsonl")).unwrap();
    assert_eq!(sessions.lines().count(), 30);
}

/// An average of the end, mixed images and a learned pool go on as if nothing had been.
#[test]
fn other_averages_and_mixed_images_are_resumed_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::new();
    for (name, settings) in [
        (
            "swa",
            [
                "average.kind=swa",
                "average.start=0.3",
                "average.every=3",
                "mix.kind=mixup",
            ],
        ),
        (
            "ends",
            [
                "average.kind=swa",
                "average.start=0",
                "mix.kind=cutmix",
                "mix.share=1",
            ],
        ),
    ] {
        let undisturbed = folder.path().join(name);
        let run = folder.path().join(format!("{name} interrupted"));
        let go = |run: &Path, interrupt: bool| {
            let stop = AtomicBool::new(false);
            let mut steps = 0;
            let mut progress = |event: &Event<'_>| {
                steps += u32::from(matches!(event, Event::Step(_)));
                stop.store(interrupt && steps == 4, Ordering::Relaxed);
            };
            train_on(
                &request(run, &settings),
                &data.borrow(),
                &mut progress,
                &stop,
            )
        };
        go(&undisturbed, false).unwrap();
        let mut interruptions = 0;
        while let Err(error) = go(&run, true) {
            assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
            interruptions += 1;
        }
        assert!(interruptions >= 14, "{interruptions}");
        assert_same(&run, &remains(&undisturbed));
    }
}

/// The number of threads is among the settings that do not reach the result.
#[test]
fn another_number_of_threads_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::new();
    let weights: Vec<Vec<u8>> = ["1", "3"]
        .iter()
        .map(|threads| {
            let run = folder.path().join(threads);
            let setting = format!("train.threads={threads}");
            let stop = AtomicBool::new(false);
            train_on(&request(&run, &[&setting]), &data.borrow(), &mut (), &stop).unwrap();
            fs::read(run.join("fold1/model.safetensors")).unwrap()
        })
        .collect();
    assert!(weights[0] == weights[1]);
}
