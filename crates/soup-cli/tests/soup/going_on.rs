//! Runs that are gone on with, killed, moved, and read where nothing can be written.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use soup_random::{Purpose, Stream};

use crate::place::Place;

const COMPOSED: &str = "compose.width=64 compose.height=64 compose.side=[8,20]";
const TINY: &str = "--preset quick model.name=repvgg_nano train.batch=8 train.epochs=1";

/// Forty labelled images in the folder `set`.
fn with_images(test: &str) -> Place {
    let place = Place::new(test);
    place.json(&format!("compose {COMPOSED} --count 40 --seed 3 --out set"));
    place
}

fn model(place: &Place, run: &str, fold: usize) -> Vec<u8> {
    let file = format!("{run}/fold{fold}/model.safetensors");
    fs::read(place.path(&file)).unwrap()
}

/// Every file below a folder.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn a_run_goes_on_with_its_own_settings() {
    let place = with_images("own_settings");
    place.json(&format!("train {TINY} --data set --out r --fold 0"));
    let facts = place.json("train --out r --fold 1");
    assert_eq!(
        (&facts["folds_trained"], &facts["fold_count"]),
        (&2.into(), &5.into())
    );
    let outcome = place.soup("train --data set --out r --fold 0");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(
        outcome.stdout.contains("2 of 5 folds are trained in r\n"),
        "{}",
        outcome.stdout
    );
    // The preset again, and settings that do not reach the result; the images are the run's.
    place.json(&format!(
        "train {TINY} --out r --fold 2 train.threads=1 train.checkpoint_steps=1"
    ));
    let whole = place.json(&format!("train {TINY} --data set --out whole --fold 2"));
    assert_eq!(whole["folds_trained"], 1);
    assert!(model(&place, "r", 2) == model(&place, "whole", 2));
    let message = place.failure(
        2,
        "train --out r --fold 1 train.epochs=4 folds.k=4 train.threads=2",
    );
    for expected in ["train.epochs: 1 there, 4 now", "folds.k: 5 there, 4 now"] {
        assert!(message.contains(expected), "{message}");
    }
    assert!(!message.contains("threads"), "{message}");
}

#[test]
fn a_run_from_a_folder_lives_on_without_it() {
    let place = with_images("moved_folder");
    place.json(&format!("train {TINY} --data set --out r --fold 0"));
    let score = place.json("evaluate r");

    // What changed is named.
    let table = place.read("set/answer.csv");
    let mut lines: Vec<String> = table.lines().map(str::to_owned).collect();
    let label = lines[0].split(',').nth(1).unwrap().to_owned();
    let cells: Vec<&str> = table.lines().nth(2).unwrap().split(',').collect();
    let (then, now) = if cells[1] == "0" { (0, 1) } else { (1, 0) };
    let rest = cells[2..].join(",");
    lines[2] = format!("{},{now},{rest}", cells[0]);
    place.write("set/answer.csv", lines.join("\n"));
    let message = place.failure(3, "train --out r --fold 1 --quiet");
    let expected = format!(
        "image `{}`: label `{label}` was {then} and is {now}",
        cells[0]
    );
    assert!(
        message.contains("error: set: changed") && message.contains(&expected),
        "{message}"
    );
    place.write("set/answer.csv", &table);
    let image = |name: &str| place.path(&format!("set/images/{name}.png"));
    let kept = ["00001", "00002"].map(|name| fs::read(image(name)).unwrap());
    for name in ["00001", "00002"] {
        fs::copy(image("00005"), image(name)).unwrap();
    }
    let message = place.failure(3, "train --out r --fold 1 --quiet");
    for id in [1, 2] {
        let expected = format!("  image `{id}` has changed");
        assert!(message.contains(&expected), "{message}");
    }
    assert!(message.contains("put the old ones back"), "{message}");
    for (name, kept) in ["00001", "00002"].into_iter().zip(kept) {
        fs::write(image(name), kept).unwrap();
    }

    // Gone: the run has its own.
    fs::rename(place.path("set"), place.path("gone")).unwrap();
    assert_eq!(place.json("evaluate r"), score);
    place.json("tta r --try hflip --images 4");
    place.json("doctor r");
    assert_eq!(
        place.json("report r --out r.html")["not_judged"],
        serde_json::json!([])
    );
    let outcome = place.soup("train --out r --fold 1");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let expected = "set is not there any more; the run goes on with the images that it packed, r/pictures.pack";
    assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
    place.json(&format!("train {TINY} --data gone --out whole --fold 1"));
    assert!(model(&place, "r", 1) == model(&place, "whole", 1));

    // Others in its place: scored on the run's own, and not trained on.
    place.json(&format!("compose {COMPOSED} --count 40 --seed 9 --out set"));
    place.json("evaluate r");
    let message = place.failure(3, "train --out r --fold 2 --quiet");
    assert!(message.contains("label `"), "{message}");
}

#[test]
fn a_run_from_a_pack_knows_its_images() {
    let place = with_images("moved_pack");
    place.json("pack --images set/images --labels set/answer.csv --out pack");
    place.json(&format!("train {TINY} --data pack --out r --fold 0"));
    let score = place.json("evaluate r");
    fs::rename(place.path("pack"), place.path("elsewhere")).unwrap();
    // The labels are the run's; images are searched for.
    assert_eq!(place.json("evaluate r"), score);
    let outcome = place.soup("report r --out r.html");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(
        outcome
            .stderr
            .contains("r: the page shows no images: pack: "),
        "{}",
        outcome.stderr
    );
    let message = place.failure(3, "tta r --try hflip --quiet");
    assert!(
        message.contains("soup train --data PACK --out r"),
        "{message}"
    );
    place.json("train --data elsewhere --out r --fold 1");
    place.json("tta r --try hflip --images 4");

    // Other pixels under the same labels are not trained on, by whichever fold.
    fs::copy(
        place.path("set/images/00005.png"),
        place.path("set/images/00001.png"),
    )
    .unwrap();
    place.json("pack --images set/images --labels set/answer.csv --out pack");
    let message = place.failure(2, "train --data pack --out r --fold 2 --quiet");
    assert!(message.contains("was trained on other data"), "{message}");

    // A changed byte is found by the doctor, a lost one at once.
    let pixels = place.path("pack/pictures.npy");
    let mut bytes = fs::read(&pixels).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 255;
    fs::write(&pixels, &bytes).unwrap();
    let facts = place.json("doctor pack");
    let found = &facts["findings"][0];
    assert_eq!(
        (&found["check"], &found["verdict"]),
        (&"packed images".into(), &"problem".into())
    );
    assert_eq!(found["examples"], serde_json::json!(["`39`"]));
    fs::write(&pixels, &bytes[..last]).unwrap();
    let message = place.failure(3, &format!("train {TINY} --data pack --out other --quiet"));
    assert!(message.contains("cut short"), "{message}");
}

/// As on a read-only disk: no verb that only reads takes a lock or leaves a file.
#[test]
fn reading_a_run_writes_nothing() {
    let place = Place::new("only_read");
    // A decision takes fifty images.
    place.json(&format!("compose {COMPOSED} --count 60 --seed 3 --out set"));
    place.json(&format!("train {TINY} --data set --out runs/r folds.k=2"));
    for lock in ["runs/r/lock", "runs/r/fold0/lock", "runs/r/fold1/lock"] {
        fs::remove_file(place.path(lock)).unwrap();
    }
    let before = contents(&place.path("runs"));
    for verb in [
        "evaluate runs/r",
        "predict runs/r --images set/images --out p.csv",
        "report runs/r --out r.html",
        "runs runs",
        "doctor runs/r",
        "track runs/r --tensorboard b",
        "export runs/r --out m.soup",
        "decide runs/r --out d.json",
        "tta runs/r --images 4 --try hflip --out views.json",
    ] {
        place.json(verb);
        let after = contents(&place.path("runs"));
        assert!(before == after, "{verb}");
    }
}

#[test]
fn damaged_figures_are_made_anew_from_the_checkpoint() {
    let place = with_images("torn_figures");
    place.json(&format!("train {TINY} --data set --out r --fold 0,1"));
    let file = "r/fold1/metrics.jsonl";
    let whole = place.read(file);
    place.write(file, &whole[..whole.len() / 2]);
    let message = place.failure(3, "doctor r --quiet");
    assert!(
        message.contains("metrics.jsonl: line 1") && message.contains("soup train"),
        "{message}"
    );
    place.json("train --out r --fold 0");
    assert_eq!(place.read(file), whole);
    assert_eq!(place.read("r/metrics.jsonl").lines().count(), 2);
}

#[test]
fn a_budget_that_ends_before_the_schedule_says_so_and_plans_can_be_followed_again() {
    let place = with_images("budget");
    let minutes = TINY.replace("train.epochs=1", "train.minutes=0.001");
    // Planned by a machine far faster than this one.
    place.write("r/fold0/plan.json", r#"{"steps":100000,"epoch_steps":4}"#);
    let outcome = place.soup(&format!(
        "train {minutes} --data set --out r --fold 0 --json"
    ));
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let expected =
        "the time budget is spent, 4 steps of the 100000 that the schedule was laid out for";
    assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
    let facts: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    let cut = serde_json::json!({"steps": 4, "planned": 100_000});
    assert_eq!(facts["folds"][0]["cut_short"], cut);
    assert!(place.read("r/log.txt").contains("the time budget is spent"));
    // It is known for good.
    assert_eq!(
        place.json("train --out r --fold 0")["folds"][0]["cut_short"],
        cut
    );

    let again = place.json("train --preset r/config.toml --out again --fold 0 --plans-of r");
    assert_eq!(again["folds"][0]["cut_short"], cut);
    assert!(model(&place, "r", 0) == model(&place, "again", 0));
    place.json("train --preset r/config.toml --out own --fold 0");
    let message = place.failure(2, "train --out own --fold 0 --plans-of r --quiet");
    assert!(message.contains("holds other plans"), "{message}");
    let message = place.failure(
        3,
        &format!("train {TINY} --data set --out other --fold 0 --plans-of r/none"),
    );
    assert!(
        message.contains("there are no plans to follow"),
        "{message}"
    );
}

/// How often a test kills; SOUP_KILLS=20 kills that often.
pub fn kills_wanted() -> usize {
    let wanted = std::env::var("SOUP_KILLS");
    wanted.map_or(3, |wanted| wanted.parse().expect("SOUP_KILLS is a number"))
}

/// Kills a command at drawn moments until it ends, and gives how often.
pub fn kill_until_it_ends(
    place: &Place,
    command: &str,
    length: Duration,
    moments: &mut Stream,
) -> usize {
    let mut kills = 0;
    loop {
        let mut child = (place.command(command))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(length.mul_f32(moments.range(0.02, 0.7)));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(
                status.success(),
                "{command} failed when it was gone on with"
            );
            return kills;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
}

/// The clock of a quickstart decides the minutes of its training and their plans; given these, every file is the same.
#[test]
fn killed_quickstarts_end_with_the_bytes_of_their_plans() {
    let tiny = "quickstart --out q --minutes 0.1 --images 40 --test-images 15 model.name=repvgg_nano \
        train.batch=8 train.checkpoint_steps=3";
    let command = format!("{tiny} {COMPOSED}");
    let (whole, begun) = (Place::new("quickstart_whole"), Instant::now());
    whole.json(&command);
    let length = begun.elapsed();
    let mut moments = Stream::new(26, Purpose::Bootstrap, 1, 0);
    let (mut kills, mut runs) = (0, 0);
    while kills < kills_wanted() {
        let killed = Place::new(&format!("quickstart_killed_{runs}"));
        kills += kill_until_it_ends(&killed, &command, length, &mut moments);
        let again = Place::new(&format!("quickstart_again_{runs}"));
        for plan in ["q/quickstart.json", "q/run/fold0/plan.json"] {
            again.write(plan, killed.read(plan));
        }
        again.json(&command);
        assert!(model(&killed, "q/run", 0) == model(&again, "q/run", 0));
        for file in [
            "probs.csv",
            "submission.csv",
            "run/oof.npy",
            "run/config.toml",
            "folds.json",
        ] {
            let of = |place: &Place| fs::read(place.path("q").join(file)).unwrap();
            assert!(of(&killed) == of(&again), "{file}");
        }
        runs += 1;
    }
    eprintln!("{kills} kills in {runs} quickstarts");
}
