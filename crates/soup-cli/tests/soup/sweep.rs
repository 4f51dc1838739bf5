//! `sweep`: real trainings, so small that they learn little, by several processes that are killed.

use std::{
    collections::BTreeMap,
    fs,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use soup_random::{Purpose, Stream};

use crate::{
    going_on::{kill_until_it_ends, kills_wanted},
    place::Place,
};

const TINY: &str = "preset = 'quick'\n\
settings = ['data.compose_share=1', 'data.composed=48', 'data.composed_valid=16', \
'compose.width=64', 'compose.height=64', 'compose.side=[8,20]', 'model.name=repvgg_nano', \
'train.batch=8', 'train.epochs=4', 'train.checkpoint_steps=2']\n\
[race]\nrungs = [0.5]\nseeds = 2\nbudget = 0.9\n\
[[option]]\nkey = 'train.rate'\nvalues = [1e-3, 4e-3]\n\
[[option]]\nname = 'noise'\n[option.choices]\nlittle = ['compose.noise=60']\nmuch = ['compose.noise=255']\n";

/// The finished trials, by their files: none may change or go.
fn finished(place: &Place, sweep: &str) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = fs::read_dir(place.path(sweep).join("trials")) else {
        return BTreeMap::new();
    };
    let entries = entries.map(|entry| entry.unwrap().path());
    entries
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(path).unwrap())
        })
        .collect()
}

/// The weights of every run of a sweep.
fn models(place: &Place, sweep: &str) -> BTreeMap<String, Vec<u8>> {
    let runs = fs::read_dir(place.path(sweep).join("runs")).unwrap();
    let model = |run: fs::DirEntry| {
        let name = run.file_name().into_string().unwrap();
        Some((
            name,
            fs::read(run.path().join("fold0/model.safetensors")).ok()?,
        ))
    };
    runs.filter_map(|run| model(run.unwrap())).collect()
}

fn start(place: &Place, arguments: &str) -> Child {
    (place.command(arguments))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills processes without warning once so many trials are finished.
fn kill_after(place: &Place, trials: usize, mut children: Vec<Child>) {
    let started = Instant::now();
    while finished(place, "s").len() < trials {
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "nothing gets finished"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    for child in &mut children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

fn scores(ranking: &Value) -> Vec<(&Value, &Value, &Value, &Value)> {
    let rows = ranking["candidates"].as_array().unwrap();
    rows.iter()
        .map(|row| {
            (
                &row["candidate"],
                &row["status"],
                &row["score"],
                &row["behind"],
            )
        })
        .collect()
}

#[test]
#[cfg(unix)]
fn killed_sweeps_go_on_and_no_trial_is_repeated_or_lost() {
    let place = Place::new("sweep");
    place.write("sweep.toml", TINY);
    let begin = "sweep sweep.toml --out s --stale-seconds 1";
    // Killed: its second worker ends when the pipe does.
    kill_after(
        &place,
        2,
        vec![start(&place, &format!("{begin} --workers 2"))],
    );
    let first = finished(&place, "s");
    // Two that were started by hand, killed.
    let join = "sweep s --stale-seconds 1 --threads 1";
    kill_after(
        &place,
        first.len() + 3,
        vec![start(&place, join), start(&place, join)],
    );
    let second = finished(&place, "s");
    assert!(
        second.len() < 13,
        "the sweep ended before it could be killed"
    );
    let ranking = place.json(&format!("{begin} --workers 2"));
    assert_eq!(ranking["complete"], true);

    let last = finished(&place, "s");
    for (name, bytes) in first.iter().chain(&second) {
        assert!(last.get(name) == Some(bytes), "{name} was trained again");
    }
    // Two seeds of four candidates at the first rung, then what the budget of 7.2 trainings buys.
    assert_eq!(
        ranking["cost"]["trials"].as_u64().unwrap() as usize,
        last.len()
    );
    assert!(ranking["cost"]["trainings"].as_f64().unwrap() <= 7.2);
    assert!(!ranking["tied"].as_array().unwrap().is_empty());
    assert_eq!(fs::read_dir(place.path("s/claims")).unwrap().count(), 0);
    assert!(
        place
            .path("s/runs/c000-s0/fold0/model.safetensors")
            .is_file()
    );

    // Never killed, by one process: the same trials, the same figures, the same bytes.
    let begun = Instant::now();
    let whole = place.json("sweep sweep.toml --out whole");
    let length = begun.elapsed();
    assert_eq!(scores(&ranking), scores(&whole));
    let names = |sweep: &str| finished(&place, sweep).into_keys().collect::<Vec<_>>();
    assert_eq!(names("s"), names("whole"));
    assert!(models(&place, "s") == models(&place, "whole"));
    // Killed at drawn moments.
    let mut moments = Stream::new(26, Purpose::Bootstrap, 2, 0);
    let (mut kills, mut sweeps) = (0, 0);
    while kills < kills_wanted() {
        let name = format!("drawn{sweeps}");
        let command = format!("sweep sweep.toml --out {name} --stale-seconds 1");
        kills += kill_until_it_ends(&place, &command, length, &mut moments);
        assert_eq!(scores(&place.json(&command)), scores(&whole));
        assert_eq!(names(&name), names("whole"));
        assert!(models(&place, &name) == models(&place, "whole"));
        sweeps += 1;
    }
    eprintln!("{kills} kills in {sweeps} sweeps");
    // Again: nothing is trained.
    let again = place.soup("sweep s");
    assert_eq!((again.code, again.stderr.as_str()), (0, ""));
    assert!(
        again.stdout.contains("effect of each value"),
        "{}",
        again.stdout
    );
    assert_eq!(finished(&place, "s"), last);
    assert_eq!(
        place.read("s/ranking.txt").trim_end(),
        again.stdout.trim_end()
    );
    assert_eq!(place.read("s/ranking.csv").lines().count(), 5);
    // By the loss instead, which the trials recorded too.
    let other = place.json("sweep s --metric loss");
    let score = other["candidates"][0]["score"].as_f64().unwrap();
    assert!(score < 0.0 && other["metric"] == "loss", "{other}");
    assert!(
        place
            .read("s/ranking.json")
            .contains("\"metric\": \"accuracy\"")
    );
}

#[test]
#[cfg(unix)]
fn a_budget_ends_a_sweep_and_ctrl_c_keeps_what_is_done() {
    let place = Place::new("sweep_budget");
    place.write("sweep.toml", TINY);
    let facts = place.json("sweep sweep.toml --out s --trials 3");
    assert_eq!(
        (&facts["budget_used_up"], &facts["complete"]),
        (&true.into(), &false.into())
    );
    assert_eq!(facts["cost"]["trials"], 3);
    let facts = place.json("sweep s --budget-minutes 0.00001");
    assert_eq!(facts["cost"]["trials"], 3);
    let mut child = start(&place, "sweep s --workers 2 --stale-seconds 1");
    let started = Instant::now();
    while finished(&place, "s").len() < 5 {
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "nothing gets finished"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(4));
    // Everyone is gone, in order.
    for folder in ["s/claims", "s/workers"] {
        assert_eq!(
            fs::read_dir(place.path(folder)).unwrap().count(),
            0,
            "{folder}"
        );
    }
}

#[test]
fn wrong_sweeps_are_named() {
    let place = Place::new("sweep_bad");
    let options = "[[option]]\nkey = 'train.rate'\nvalues = [1e-3]\n";
    let with =
        |more: &str| format!("preset = 'quick'\nsettings = ['data.compose_share=1']\n{more}");
    place
        .write("sweep.toml", TINY)
        .write("no.toml", "[[[")
        .write("key.toml", with(&format!("metrik = 'loss'\n{options}")))
        .write("metric.toml", with(&format!("metric = 'auc'\n{options}")))
        .write("none.toml", with(""))
        .write(
            "option.toml",
            with("[[option]]\nkey = 'train.rat'\nvalues = [1]\n"),
        )
        .write(
            "value.toml",
            with("[[option]]\nkey = 'train.rate'\nvalues = [0]\n"),
        )
        .write(
            "range.toml",
            with("[[option]]\nkey = 'train.rate'\nlow = 1\n"),
        )
        .write(
            "rung.toml",
            with(&format!("[race]\nrungs = [2.0]\n{options}")),
        )
        .write(
            "search.toml",
            with(&format!("[search]\nkind = 'tpee'\ncount = 3\n{options}")),
        )
        .write(
            "count.toml",
            with(&format!("[search]\nkind = 'random'\ncount = 0\n{options}")),
        );
    place.json("sweep sweep.toml --out taken --trials 0");
    let cases = [
        (2, "sweep sweep.toml"),
        (3, "sweep nowhere.toml --out o"),
        (2, "sweep no.toml --out o"),
        (2, "sweep key.toml --out o"),
        (2, "sweep metric.toml --out o"),
        (2, "sweep none.toml --out o"),
        (2, "sweep option.toml --out o"),
        (2, "sweep value.toml --out o"),
        (2, "sweep range.toml --out o"),
        (2, "sweep rung.toml --out o"),
        (2, "sweep search.toml --out o"),
        (2, "sweep count.toml --out o"),
        (2, "sweep sweep.toml --out o data.compose_share=0"),
        (2, "sweep sweep.toml --out o folds.k=1"),
        (2, "sweep sweep.toml --out o --workers 0"),
        (2, "sweep sweep.toml --out o --budget-minutes 0"),
        (2, "sweep sweep.toml --out taken train.epochs=9"),
        (2, "sweep taken --out o"),
        (3, "sweep ."),
    ];
    let mut table = String::new();
    for (code, arguments) in cases {
        table.push_str(&format!(
            "$ soup {arguments}\n[{code}] {}\n",
            place.failure(code, arguments)
        ));
    }
    insta::assert_snapshot!("bad_sweeps", table);
    assert!(!place.path("o").exists());
}

/// The sweeps that come with the program are sweeps, and their values are settings.
#[test]
fn shipped_sweeps_begin() {
    let place = Place::new("sweep_shipped");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sweeps");
    for name in ["dacon12-options", "backbones"] {
        let facts = place.json(&format!(
            "sweep {folder}/{name}.toml --out {name} --trials 0"
        ));
        assert_eq!(facts["complete"], false);
        assert!(facts["candidates"].as_array().unwrap().len() >= 8, "{name}");
    }
}

#[test]
fn a_trial_that_diverges_is_recorded_and_the_sweep_goes_on() {
    let place = Place::new("sweep_diverged");
    let sweep = TINY.replace("seeds = 2", "seeds = 1").replace(
        "'train.epochs=4'",
        "'train.epochs=4', 'schedule.kind=step', 'schedule.step_size=1'",
    );
    let (options, _) = sweep.split_once("[[option]]").unwrap();
    let option = "[[option]]\nkey = 'schedule.gamma'\nvalues = [1e20, 0.5]\n";
    place.write("sweep.toml", format!("{options}{option}"));
    let facts = place.json("sweep sweep.toml --out s");
    let candidates = facts["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 2);
    let of = |gamma: &str| {
        let is = |row: &&Value| row["values"].to_string().contains(gamma);
        candidates
            .iter()
            .find(is)
            .unwrap_or_else(|| panic!("{facts}"))
    };
    let failure = of("100000000000000000000")["failure"].as_str().unwrap();
    for part in ["fold 0, epoch 2", "lower train.rate"] {
        assert!(failure.contains(part), "{failure}");
    }
    assert!(
        of("100000000000000000000")["score"].is_null() && of("0.5")["score"].is_number(),
        "{facts}"
    );
    assert!(of("0.5")["failure"].is_null(), "{facts}");
    // The next process goes on with what is written and trains nothing again.
    let before = finished(&place, "s");
    place.json("sweep s");
    assert_eq!(finished(&place, "s"), before);
}
