//! Help under snapshot: what a person reads first. After a wanted change, run the tests with
//! `INSTA_UPDATE=always` and read the difference.

use crate::place::Place;

const VERBS: [&str; 22] = [
    "quickstart",
    "compose",
    "pack",
    "doctor",
    "folds",
    "subset",
    "train",
    "watch",
    "sweep",
    "tta",
    "decide",
    "evaluate",
    "report",
    "runs",
    "track",
    "predict",
    "export",
    "serve",
    "ensemble",
    "submit",
    "models",
    "bench",
];

#[test]
fn help_of_every_verb() {
    let place = Place::new("help");
    let outcome = place.soup("--help");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    insta::assert_snapshot!("soup", outcome.stdout);
    for verb in VERBS {
        let outcome = place.soup(&format!("{verb} --help"));
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
        insta::assert_snapshot!(verb, outcome.stdout);
    }
}

#[test]
fn every_verb_has_help_under_snapshot_and_an_example() {
    let place = Place::new("help_complete");
    let help = place.soup("--help").stdout;
    let verbs: Vec<_> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(verbs, VERBS);
    for verb in verbs {
        let help = place.soup(&format!("{verb} --help")).stdout;
        assert!(
            help.contains(&format!("  soup {verb}")),
            "{verb} --help has no example"
        );
        assert!(help.contains("--json"), "{verb} has no --json");
    }
}

#[test]
fn wrong_usage_is_exit_code_2_and_says_what_is_right() {
    let place = Place::new("usage");
    let nothing = place.soup("");
    assert_eq!(nothing.code, 2);
    assert!(nothing.stderr.contains("soup quickstart"));
    insta::assert_snapshot!("unknown_verb", place.failure(2, "submitt"));
    insta::assert_snapshot!(
        "unknown_flag",
        place.failure(2, "submit p.csv --sampel s.csv")
    );
    insta::assert_snapshot!(
        "missing_flag",
        place.failure(2, "submit p.csv --sample s.csv")
    );
    insta::assert_snapshot!(
        "bad_value",
        place.failure(2, "submit p.csv --sample s.csv --out o.csv --threshold 5")
    );
}
