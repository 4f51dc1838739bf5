//! `ensemble` and `submit`: from prediction files to a submission.

use std::io::Read;
use std::process::Stdio;

use serde_json::json;

use crate::place::{Place, contest_data};

const OURS: &str = "index,a,b\n00001,0.9,0.2\n00002,0.6,0.4\n";
const THEIRS: &str = "id,b,a\r\n2,1,0\r\n1,0,1\r\n";
const SAMPLE: &str = "index,a,b\r\n2,0,0\r\n1,0,0\r\n";

fn place(test: &str) -> Place {
    let place = Place::new(test);
    place
        .write("ours.csv", OURS)
        .write("theirs.csv", THEIRS)
        .write("sample.csv", SAMPLE);
    place
}

#[test]
fn two_teams_become_one_submission() {
    let place = place("two_teams");
    let facts = place.json("ensemble ours.csv theirs.csv --out mean.csv");
    assert_eq!(
        facts,
        json!({"files": ["ours.csv", "theirs.csv"], "method": "mean", "pictures": 2, "labels": 2,
               "out": "mean.csv"})
    );
    assert_eq!(
        place.read("mean.csv"),
        "index,a,b\n00001,0.95,0.1\n00002,0.3,0.7\n"
    );
    let facts = place.json("submit mean.csv --sample sample.csv --out out/submission.csv");
    assert_eq!(
        facts,
        json!({"predictions": "mean.csv", "pictures": 2, "labels": 2, "labels_per_picture": 1.0,
               "out": "out/submission.csv"})
    );
    assert_eq!(
        place.read("out/submission.csv"),
        "index,a,b\r\n2,0,1\r\n1,1,0\r\n"
    );

    let text =
        place.soup("submit mean.csv --sample sample.csv --out s.csv --threshold 0.05,a=0.96");
    assert_eq!(
        text.stdout,
        "2 images x 2 labels in s.csv, 1.00 labels an image\n"
    );
    assert_eq!(
        text.stderr,
        "ids of sample.csv were matched without their leading zeros: `2` is `00002`\n"
    );
    assert_eq!(place.read("s.csv"), "index,a,b\r\n2,0,1\r\n1,0,1\r\n");
}

#[test]
fn every_method_and_rule_reaches_the_library() {
    let place = place("methods");
    let combine = |options: &str| {
        place.json(&format!(
            "ensemble ours.csv theirs.csv {options} --out e.csv"
        ));
        let text = place.read("e.csv");
        text.lines()
            .skip(1)
            .map(|line| line.split_once(',').unwrap().1.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        combine("--weights 3,1"),
        ["0.92499995,0.15", "0.45000002,0.55"]
    );
    assert_eq!(combine("--method vote"), ["1,0", "0,0"]);
    assert_eq!(combine("--method vote --tie yes"), ["1,0", "1,1"]);
    assert_eq!(combine("--method vote --tie mean"), ["1,0", "0,1"]);
    assert_eq!(combine("--method vote --threshold 0.3"), ["1,0", "0,1"]);
    let logits = combine("--method logit-mean");
    assert!(logits[1].starts_with("0.0003"), "{logits:?}");
    place.json("ensemble ours.csv --out e.npy");
    place.json("ensemble e.npy --out back.csv");
    assert_eq!(place.read("back.csv"), OURS);
}

#[test]
fn bad_input_has_a_message_and_an_exit_code() {
    let place = place("bad");
    place
        .write("short.csv", "index,a,b\n1,0,1\n2,0\n")
        .write("logits.csv", "index,a,b\n1,0,1\n2,0,-3\n")
        .write("twice.csv", "index,a,b\n1,0,1\n1,0,0\n")
        .write("one.csv", "index,a,b\n1,0,1\n")
        .write("three.csv", "index,a,b\n1,0,1\n2,0,0\n3,0,0\n")
        .write("columns.csv", "index,a,c\n1,0,1\n2,0,0\n")
        .write("alone.npy", b"\x93NUMPY\x01\x00")
        .write("binary.csv", [0xff, 0xfe, 0, 1, 2])
        .write("folder/x", "")
        .write("empty.csv", "");
    let cases = [
        (3, "ensemble ours.csv missing.csv --out e.csv"),
        (3, "ensemble ours.csv short.csv --out e.csv"),
        (3, "ensemble ours.csv logits.csv --out e.csv"),
        (3, "ensemble ours.csv twice.csv --out e.csv"),
        (3, "ensemble ours.csv one.csv --out e.csv"),
        (3, "ensemble ours.csv three.csv --out e.csv"),
        (3, "ensemble ours.csv columns.csv --out e.csv"),
        (3, "ensemble ours.csv alone.npy --out e.csv"),
        (3, "ensemble ours.csv binary.csv --out e.csv"),
        (3, "ensemble ours.csv empty.csv --out e.csv"),
        (1, "ensemble ours.csv folder --out e.csv"),
        (2, "ensemble ours.csv --out ours.csv/e.csv"),
        (2, "ensemble ours.csv --weights 1,2 --out e.csv"),
        (2, "ensemble ours.csv --weights -1 --out e.csv"),
        (2, "ensemble ours.csv --tie yes --out e.csv"),
        (
            2,
            "ensemble ours.csv --method vote --threshold q=0.1 --out e.csv",
        ),
        (3, "submit one.csv --sample sample.csv --out e.csv"),
        (3, "submit three.csv --sample sample.csv --out e.csv"),
        (3, "submit columns.csv --sample sample.csv --out e.csv"),
        (3, "submit ours.csv --sample short.csv --out e.csv"),
        (3, "submit ours.csv --sample twice.csv --out e.csv"),
        (3, "submit ours.csv --sample binary.csv --out e.csv"),
        (3, "submit ours.csv --sample empty.csv --out e.csv"),
        (
            2,
            "submit ours.csv --sample sample.csv --out e.csv --threshold q=0.1",
        ),
    ];
    let before = place.files();
    let mut table = String::new();
    for (code, arguments) in cases {
        table.push_str(&format!(
            "$ soup {arguments}\n[{code}] {}\n",
            place.failure(code, arguments)
        ));
    }
    assert_eq!(place.files(), before, "a failure leaves no file behind");
    insta::assert_snapshot!("bad_predictions", table);

    let outcome = place.soup("submit one.csv --sample sample.csv --out e.csv --json");
    assert_eq!(outcome.code, 3);
    let object: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(object["exit_code"], 3);
    assert!(object["error"].as_str().unwrap().contains("`2`"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = place("pipe");
    let mut child = place
        .command("ensemble ours.csv --out e.csv")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(stderr, "");
}

#[test]
#[ignore = "needs the contest's files"]
fn the_seven_real_files_become_a_submission_in_the_real_shape() {
    let data = contest_data();
    let place = Place::new("real");
    let mut files: Vec<_> = (std::fs::read_dir(data.join("dirty_mnist_2nd_submissions")).unwrap())
        .map(|entry| entry.unwrap().path().display().to_string())
        .filter(|path| path.ends_with(".csv.gz"))
        .collect();
    files.sort();
    assert_eq!(files.len(), 7);
    let sample = data.join("dirty_mnist_2nd_labels/sample_submission.csv.gz");
    place.json(&format!(
        "ensemble {} --method vote --out vote.csv",
        files.join(" ")
    ));
    let facts = place.json(&format!(
        "submit vote.csv --sample {} --out s.csv",
        sample.display()
    ));
    assert_eq!(
        (&facts["pictures"], &facts["labels"]),
        (&json!(5000), &json!(26))
    );
    let (votes, submission) = (place.read("vote.csv"), place.read("s.csv"));
    assert_eq!(submission, votes.replace('\n', "\r\n"));
}
