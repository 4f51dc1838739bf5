//! `train`: runs, from the outside.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use soup_graph::safetensors;
use soup_zoo::{Head, ModelConfig, build};

use crate::place::Place;

/// A network and images so small that a step takes milliseconds.
const TINY: &str = "--preset quick data.compose_share=1 data.composed=48 data.composed_valid=16 \
    compose.width=64 compose.height=64 compose.side=[8,20] \
    model.name=repvgg_nano train.batch=8 train.epochs=2";

#[test]
fn a_run_trains_and_says_what_it_came_to() {
    let place = Place::new("train");
    let facts = place.json(&format!("train {TINY} --out runs/a"));
    assert_eq!(facts["run"], "runs/a");
    assert_eq!(facts["folds"].as_array().unwrap().len(), 1);
    assert!(facts["oof_accuracy"].as_f64().unwrap() > 0.3);
    for file in [
        "config.toml",
        "metrics.csv",
        "metrics.jsonl",
        "log.txt",
        "oof.npy",
    ] {
        assert!(place.path("runs/a").join(file).is_file(), "{file}");
    }
    assert!(place.path("runs/a/fold0/model.safetensors").is_file());
    // The out-of-fold probabilities are a prediction file like any other.
    place.json("ensemble runs/a/oof.npy --out oof.csv");

    // A run that is over is over: the same command says the same and trains no step.
    let before = fs::read(place.path("runs/a/fold0/model.safetensors")).unwrap();
    let again = place.json(&format!("train {TINY} --out runs/a"));
    assert_eq!(again["oof_accuracy"], facts["oof_accuracy"]);
    assert_eq!(
        fs::read(place.path("runs/a/fold0/model.safetensors")).unwrap(),
        before
    );

    let outcome = place.soup(&format!("train {TINY} --out runs/a"));
    assert!(
        outcome.stdout.contains("next: soup predict runs/a"),
        "{}",
        outcome.stdout
    );
    assert!(
        outcome.stderr.contains("fold 0 is done"),
        "{}",
        outcome.stderr
    );
    let outcome = place.soup(&format!("train {TINY} --out runs/a --quiet"));
    assert_eq!(outcome.stderr, "");
}

#[test]
fn the_batch_size_is_found_once() {
    let place = Place::new("train_auto_batch");
    let command = format!("train {TINY} --out runs/a --auto-batch");
    let batch = |outcome: &str| {
        let config = fs::read_to_string(place.path("runs/a/config.toml")).unwrap();
        let line = config.lines().find(|line| line.starts_with("batch = "));
        let batch: usize = line.unwrap()["batch = ".len()..].parse().unwrap();
        assert!(
            outcome.contains(&format!("train.batch={batch}")),
            "{outcome}"
        );
        batch
    };
    let first = place.soup(&command);
    assert!(first.stderr.contains("images/s"), "{}", first.stderr);
    let found = batch(&first.stderr);
    // 48 images an epoch.
    assert!(found.is_power_of_two() && found <= 32, "{found}");
    let again = place.soup(&command);
    assert!(
        again.stderr.contains("the run is there"),
        "{}",
        again.stderr
    );
    assert_eq!(batch(&again.stderr), found);
}

/// Another run's network, with another head, which boxes cannot train.
#[test]
fn a_run_begins_with_the_weights_of_another() {
    let place = Place::new("train_weights");
    place.json(&format!(
        "train {TINY} model.head=label_map model.context=true boxes.weight=1 --out first"
    ));
    let weights = "model.weights=first/fold0/model.safetensors";
    // So low a rate moves next to nothing (the first step of the warm-up is 1e-5 long).
    let still = format!("train {TINY} {weights} train.rate=1e-12");
    let outcome = place.soup(&format!("{still} model.head=linear --out second"));
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let expected = "first/fold0/model.safetensors: fresh: 'head.fc.weight', 'head.fc.bias'; not used: \
        'context.bias', 'context.weight', 'label_map.bias' and 1 more";
    let line = format!("fold 0: weights of {expected}\n");
    assert!(outcome.stderr.contains(&line), "{}", outcome.stderr);
    let log = fs::read_to_string(place.path("second/fold0/log.txt")).unwrap();
    assert!(log.contains(&format!(" weights {expected}\n")), "{log}");
    // A file that holds anything but its network's weights is refused.
    let weights = |run: &str, head, context| {
        let graph = build(&ModelConfig {
            name: "repvgg_nano".to_owned(),
            channels: 1,
            head,
            context,
            ..ModelConfig::default()
        });
        let graph = graph.unwrap();
        let file = place.path(run).join("fold0/model.safetensors");
        let weights = safetensors::load(&file, &graph).unwrap();
        (graph, weights)
    };
    let (graph, first) = weights("first", Head::LabelMap, true);
    let (other, second) = weights("second", Head::Linear, false);
    let filters = graph.parameters().iter();
    let filters = filters.filter(|parameter| parameter.name().ends_with(".conv.weight"));
    assert!(filters.clone().count() > 5);
    for filter in filters {
        let there = second.of(other.parameter(filter.name()).unwrap());
        let apart = first
            .of(filter)
            .iter()
            .zip(there)
            .map(|(a, b)| (a - b).abs());
        assert!(apart.fold(0.0, f32::max) < 1e-4, "{}", filter.name());
    }

    // A run goes on without the file, and a wrong one is refused before anything is written.
    let again = format!("{still} model.head=linear --out second");
    fs::rename(place.path("first"), place.path("elsewhere")).unwrap();
    assert_eq!(place.soup(&again).code, 0);
    let message = place.failure(1, &format!("{still} --out third"));
    assert!(
        message.contains("first/fold0/model.safetensors: "),
        "{message}"
    );
    assert!(!place.path("third").exists());
    fs::rename(place.path("elsewhere"), place.path("first")).unwrap();
    let message = place.failure(3, &format!("{still} model.name=repvgg_a0 --out third"));
    assert!(
        message.contains("first/fold0/model.safetensors: "),
        "{message}"
    );
}

#[test]
fn wrong_settings_are_named() {
    let place = Place::new("train_bad");
    place
        .write("bad.toml", "[train]\nepochs = \"many\"\n")
        .write("no.toml", "[[[");
    let first = place.soup(&format!("train {TINY} --out taken"));
    assert_eq!(first.code, 0, "{}", first.stderr);
    let cases = [
        (2, "train --out o --preset dacon13"),
        (2, "train --out o --preset bad.toml"),
        (2, "train --out o --preset no.toml"),
        (2, "train --out o --preset quick train.epoch=3"),
        (2, "train --out o --preset quick train.epochs=0"),
        (2, "train --out o --preset quick epochs"),
        (2, "train --out o --preset quick --fold one"),
        (2, "train --preset quick"),
        (2, "train --out o"),
    ];
    let mut table = String::new();
    for (code, arguments) in cases {
        table.push_str(&format!(
            "$ soup {arguments}\n[{code}] {}\n",
            place.failure(code, arguments)
        ));
    }
    for (code, more) in [
        (2, "--fold 3 --out fresh"),
        (2, "--out taken train.rate=0.5"),
        (1, "--out bad.toml"),
        (2, "--out other model.name=vgg"),
        (2, "--out other model.name=repvgg_nan"),
    ] {
        let message = place.failure(code, &format!("train {TINY} {more} --quiet"));
        table.push_str(&format!("$ soup train TINY {more}\n[{code}] {message}\n"));
    }
    // What is refused leaves no folder behind.
    assert_eq!(place.files(), ["bad.toml", "no.toml", "taken"]);
    insta::assert_snapshot!("bad_trainings", table);
}

/// Once, and a second time before it could end well.
#[test]
#[cfg(unix)]
fn interrupted_it_keeps_what_is_done() {
    let place = Place::new("train_interrupted");
    let command = |run: &str| format!("train {TINY} train.epochs=4 data.composed=256 --out {run}");
    let whole = place.json(&command("whole"));
    let model = |run: &str| fs::read(place.path(run).join("fold0/model.safetensors")).unwrap();
    for (run, signals) in [("once", 1), ("twice", 2)] {
        let mut child = (place.command(&command(run)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while !place.path(run).join("fold0/metrics.jsonl").exists() {
            assert!(
                started.elapsed() < Duration::from_secs(120),
                "no epoch ended"
            );
            assert!(child.try_wait().unwrap().is_none(), "the run ended early");
            std::thread::sleep(Duration::from_millis(5));
        }
        for _ in 0..signals {
            let sent = Command::new("kill")
                .args(["-INT", &child.id().to_string()])
                .status()
                .unwrap();
            assert!(sent.success());
        }
        assert_eq!(child.wait().unwrap().code(), Some(4));
        let facts = place.json(&command(run));
        assert_eq!(facts["oof_loss"], whole["oof_loss"]);
        assert!(model(run) == model("whole"));
    }
}

/// What a process that saw a fold diverge wrote down.
const DIVERGED: &str = "{\"fold\":0,\"epoch\":2,\"step\":3,\"what\":\"the loss is NaN\",\"best_epoch\":1,\"in_bf16\":false}\n";

#[test]
fn a_fold_that_diverged_ends_no_other_and_is_shown_everywhere() {
    let place = Place::new("train_diverged");
    place.json(
        "compose --count 32 --out set compose.width=64 compose.height=64 compose.side=[8,20]",
    );
    place.json("pack --data set --out pack");
    place.write("run/fold0/diverged.json", DIVERGED);
    let train = "train --preset quick --data pack --out run folds.k=2 data.compose_share=0 \
        model.name=repvgg_nano train.batch=8 train.epochs=1";
    // Again the same: nothing is forgotten and nothing trained twice.
    for _ in 0..2 {
        let said = place.failure(1, train);
        for part in [
            "1 of 2 folds diverged; fold 1 is trained to the end",
            "fold 0, epoch 2, step 3: the loss is NaN",
            "lower train.rate",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    assert!(place.path("run/fold1/model.safetensors").is_file());
    assert!(!place.path("run/fold0/model.safetensors").exists());
    assert_eq!(place.json("evaluate run")["pictures"], 16);
    // One fold alone says it as it is.
    let said = place.failure(1, &format!("{train} --fold 0"));
    assert!(
        !said.contains("of 2 folds") && said.contains("fold 0, epoch 2"),
        "{said}"
    );

    let said = place.soup("report run");
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(
        said.stderr
            .contains("fold 0, epoch 2, step 3: the loss is NaN"),
        "{}",
        said.stderr
    );
    let page = place.read("run/report.html");
    assert!(page.contains("Diverged: fold 0, epoch 2, step 3: the loss is NaN"));
    assert!(page.contains("lower train.rate"));
    let facts = place.json("report run");
    assert_eq!(
        (&facts["diverged"][0]["run"], &facts["diverged"][0]["step"]),
        (&"run".into(), &3.into())
    );

    let said = place.soup("runs run").stdout;
    assert!(said.contains("fold 0 diverged"), "{said}");
    assert_eq!(
        place.json("runs run")["runs"][0]["diverged"],
        serde_json::json!([0])
    );

    let (mut child, address, mut log) = crate::serve::start(&place, "watch run --port 0");
    let page = crate::watch::get(&address, "/");
    assert!(page.contains("Diverged: fold 0, epoch 2, step 3"), "{page}");
    assert!(!page.contains("Training."), "{page}");
    let page = crate::watch::get(&address, "/?language=ko");
    assert!(page.contains("폴드 0, 에포크 2, 스텝 3"), "{page}");
    crate::serve::signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut log, &mut said).unwrap();
    assert!(said.contains("fold 0, epoch 2, step 3"), "{said}");
}
