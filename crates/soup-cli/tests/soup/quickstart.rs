//! `quickstart`: the main job, on a network so small that it learns little.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::place::Place;

const TINY: &str = "--minutes 0.1 --images 40 --test-images 15 compose.width=64 compose.height=64 \
    compose.side=[8,20] \
    model.name=repvgg_nano train.batch=8";

/// Enough held-out images to choose views and a decision by.
const DECIDED: &str = "--minutes 0.1 --images 260 --test-images 15 compose.width=64 compose.height=64 \
    compose.side=[8,20] model.name=repvgg_nano train.batch=8";

#[test]
fn the_main_job_in_one_command() {
    let place = Place::new("quickstart");
    let facts = place.json(&format!("quickstart --out q {DECIDED}"));
    for key in ["test_accuracy", "oof_accuracy", "seconds"] {
        assert!(facts[key].as_f64().unwrap() > 0.0, "{key}");
    }
    for key in [
        "run",
        "data",
        "submission",
        "sample_submission",
        "fold_file",
        "predictions",
        "decision",
    ] {
        assert!(place.path(facts[key].as_str().unwrap()).exists(), "{key}");
    }
    let counts = ["pictures", "test_pictures", "oof_pictures", "folds_trained"];
    assert_eq!(
        counts.map(|key| facts[key].as_u64().unwrap()),
        [260, 15, 52, 1]
    );

    // The contest's layout, and the folds that `folds` makes of it.
    for set in ["train", "test"] {
        for file in ["images/00000.png", "answer.csv", "boxes.csv"] {
            assert!(
                place.path("q/data").join(set).join(file).is_file(),
                "{file}"
            );
        }
    }
    place.json("folds --data q/data/train --kind kfold --k 5 --seed 42 --out folds.json");
    assert_eq!(place.read("folds.json"), place.read("q/folds.json"));
    assert_eq!(place.read("folds.json"), place.read("q/run/folds.json"));
    // No glyph of the test images is in the others.
    let glyphs = |set: &str| {
        let boxes = place.read(&format!("q/data/{set}/boxes.csv"));
        let column = |line: &str| line.rsplit(',').next().unwrap().to_owned();
        boxes.lines().skip(1).map(column).collect::<Vec<_>>()
    };
    let train = glyphs("train");
    assert!(train.len() > 300);
    assert!(glyphs("test").iter().all(|glyph| !train.contains(glyph)));

    // The figures are what `evaluate` says of the files that are left behind.
    let decided = "--decision q/run/decision.json";
    let score = place.json(&format!(
        "evaluate --predictions q/probs.csv --labels q/data/test/answer.csv {decided}"
    ));
    assert_eq!(score["accuracy"], facts["test_accuracy"]);
    assert_eq!(
        score["accuracy_of_all_zeros"],
        facts["accuracy_of_all_zeros"]
    );
    let submission =
        place.json("evaluate --predictions q/submission.csv --labels q/data/test/answer.csv");
    assert_eq!(submission["accuracy"], facts["test_accuracy"]);
    let test = place.json(&format!("evaluate q/run --data q/pack/test {decided}"));
    assert_eq!(test["accuracy"], facts["test_accuracy"]);
    let held_out = place.json("evaluate q/run");
    assert_eq!(held_out["accuracy"], facts["oof_accuracy"]);
    assert_eq!(held_out["pictures"], 52);
    assert_eq!(held_out["pictures_not_predicted"], 208);
    let sample = place.read("q/data/sample_submission.csv");
    assert_eq!(sample.lines().count(), 16);
    assert!(sample.ends_with(&format!("14{}\n", ",0".repeat(26))));

    // Again, what is there is taken: the same comes out. More folds join those that are there.
    let model = fs::read(place.path("q/run/fold0/model.safetensors")).unwrap();
    let again = place.json(&format!("quickstart --out q {DECIDED}"));
    for key in ["test_accuracy", "oof_accuracy", "accuracy_of_all_zeros"] {
        assert_eq!(again[key], facts[key], "{key}");
    }
    let outcome = place.soup(&format!("quickstart --out q --folds 2 {DECIDED}"));
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    for said in [
        "2 of 5 folds held out",
        "--folds 5 trains the others",
        "soup evaluate q/run",
        "soup submit",
    ] {
        assert!(outcome.stdout.contains(said), "{}", outcome.stdout);
    }
    assert_eq!(
        fs::read(place.path("q/run/fold0/model.safetensors")).unwrap(),
        model
    );
    insta::assert_snapshot!(
        "quickstart_bad",
        [
            place.failure(2, &format!("quickstart --out q {DECIDED} --seed 1 --quiet")),
            place.failure(2, "quickstart --out fresh --minutes 0 --quiet"),
            place.failure(2, "quickstart --out fresh --folds 6 --quiet"),
            place.failure(2, "quickstart --out other train.epoch=1 --quiet"),
            place.failure(2, "quickstart --out other model.name=repvgg_nan --quiet"),
        ]
        .concat()
    );
    assert!(!place.path("fresh").exists() && !place.path("other").exists());
}

#[test]
#[cfg(unix)]
fn killed_while_it_composes_packs_or_trains_it_goes_on() {
    let place = Place::new("quickstart_killed");
    let command = format!("quickstart --out q {TINY} train.checkpoint_steps=1");
    for seen in [
        "q/data/train/images/00003.png",
        "q/pack/train",
        "q/run/fold0/last.ckpt",
    ] {
        let mut child = (place.command(&command))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while !place.path(seen).exists() && child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < Duration::from_secs(120), "no {seen}");
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = Command::new("kill")
            .args(["-KILL", &child.id().to_string()])
            .status();
        child.wait().unwrap();
    }
    let facts = place.json(&command);
    assert_eq!(facts["test_pictures"], 15);
    let score = place.json("evaluate --predictions q/probs.csv --labels q/data/test/answer.csv");
    assert_eq!(score["accuracy"], facts["test_accuracy"]);
    assert_eq!(score["pictures"], 15);
}
