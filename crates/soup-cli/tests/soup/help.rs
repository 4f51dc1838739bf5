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

#[test]
fn old_names_are_read_with_a_hint() {
    let place = Place::new("renamed");
    for (line, hint) in [
        (
            "report nowhere --pictures 3",
            "hint: --pictures is now called --images\n",
        ),
        (
            "train --preset quick --out run data.crowd_share=2 data.compose_share=1",
            "hint: data.crowd_share is now called data.dense_share\n",
        ),
    ] {
        let outcome = place.soup(line);
        assert_ne!(outcome.code, 0, "{line}");
        assert!(outcome.stderr.starts_with(hint), "{}", outcome.stderr);
        assert_eq!(outcome.stderr.matches("hint: ").count(), 1);
        let quiet = place.soup(&format!("{line} --quiet"));
        assert!(!quiet.stderr.contains(hint), "{}", quiet.stderr);
    }
    let both = place.failure(
        2,
        "train --out run data.crowd=[3,4] data.dense_letters=[3,4]",
    );
    assert!(
        both.contains("data.crowd: is the old name of data.dense_letters"),
        "{both}"
    );
}
