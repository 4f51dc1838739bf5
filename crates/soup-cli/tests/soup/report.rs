//! `report`, `runs` and `track`: pages, lists and tracking of a run.

use crate::place::Place;

const TINY: &str = "--preset quick data.compose_share=1 data.composed=16 data.composed_valid=8 \
    model.name=soup_nano train.batch=8 train.epochs=2 compose.width=64 compose.height=64 \
    compose.side=[12,30] compose.letters=[2,5] compose.distractor_share=0";

#[test]
fn a_run_becomes_a_page_a_line_and_event_files() {
    let place = Place::new("report");
    place.json(&format!("train {TINY} --out runs/first"));
    place.json(&format!("train {TINY} train.rate=0.001 --out runs/second"));

    let facts = place.json("report runs/first --images 3");
    assert_eq!(facts["report"], "runs/first/report.html");
    assert_eq!(
        (&facts["of"], &facts["not_judged"]),
        (&"runs".into(), &serde_json::json!([]))
    );
    let page = place.read("runs/first/report.html");
    assert_eq!(facts["bytes"], page.len());
    assert_eq!(page.matches("aria-label=\"heat map of").count(), 9);
    for part in [
        "Calibration of probabilities",
        "Images with the largest loss",
        "model.name",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // A network without maps has none to show.
    let plain = TINY.replace("model.name", "boxes.weight=0 model.head=linear model.name");
    place.json(&format!("train {plain} --out plain"));
    place.json("report plain -o plain.html");
    let page = place.read("plain.html");
    assert!(!page.contains("heat map of") && page.contains("label_map"));

    let outcome = place.soup("report runs/first runs/second --out both.html");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    assert!(
        outcome.stdout.starts_with("both.html  ") && outcome.stdout.ends_with(" kB\n"),
        "{}",
        outcome.stdout
    );
    assert!(place.read("both.html").contains("2 runs compared"));

    let outcome = place.soup("runs runs");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{}", outcome.stdout);
    assert!(
        lines.iter().all(|line| line.chars().count() <= 80),
        "{}",
        outcome.stdout
    );
    assert!(lines[1].starts_with("first ") && lines[3].starts_with("second "));
    assert_eq!(lines[4], "    train.rate=0.001");
    let facts = place.json("runs runs");
    let score = place.json("evaluate runs/first");
    assert_eq!(facts["runs"][0]["accuracy"], score["accuracy"]);
    assert_eq!(facts["runs"][0]["folds"], serde_json::json!([1, 1]));

    let facts = place.json("track runs/first runs/second --tensorboard board");
    assert_eq!(facts["runs"][1]["tensorboard_epochs"], 2);
    assert!(
        place
            .path("board/second/fold0/events.out.tfevents.0.soup")
            .is_file()
    );
}

#[test]
fn bad_runs_have_a_message_and_an_exit_code() {
    let place = Place::new("report_bad");
    place
        .write("empty/here.txt", "")
        .write("damaged/config.toml", "[train\n");
    place.write(
        "sweep/sweep.toml",
        "[[option]]\nkey = 'train.rate'\nvalues = [1]\n",
    );
    place.write("sweep/base.toml", "");
    place
        .write("begun/config.toml", "")
        .write("begun/fold0/metrics.jsonl", "{\"fold\":0\n");
    let mut table = String::new();
    for (code, arguments) in [
        (2, "report"),
        (3, "report nowhere"),
        (3, "report empty"),
        (2, "report damaged"),
        (3, "report begun"),
        (2, "report empty begun"),
        (2, "report sweep empty --out page.html"),
        (2, "report empty --images 201"),
        (3, "runs nowhere"),
        (3, "runs empty"),
        (3, "runs begun"),
        (2, "track empty"),
        (3, "track empty --tensorboard board"),
        (2, "track begun ./begun --tensorboard board"),
        (2, "track empty --experiment mine --tensorboard board"),
    ] {
        let message = place.failure(code, arguments);
        table.push_str(&format!("$ soup {arguments}\n[{code}] {message}\n"));
    }
    // A run without an epoch is a run.
    place.write("new/config.toml", "");
    for (code, arguments) in [
        (2, "track new --mlflow https://localhost:5000"),
        (1, "track new --mlflow http://127.0.0.1:1"),
    ] {
        let message = place.failure(code, arguments);
        table.push_str(&format!("$ soup {arguments}\n[{code}] {message}\n"));
    }
    insta::assert_snapshot!("bad_runs_to_look_at", table);
    let outcome = place.soup("report new --out new.html");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(
        outcome
            .stderr
            .contains("no fold of this run is trained yet"),
        "{}",
        outcome.stderr
    );
    assert!(place.read("new.html").contains("no epoch yet"));
}
