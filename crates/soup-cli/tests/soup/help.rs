//! Help under snapshot: what a person reads first. After a wanted change, run the tests with
//! `INSTA_UPDATE=always` and read the difference.

use crate::place::Place;

const VERBS: [&str; 25] = [
    "quickstart",
    "compose",
    "labels",
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
    "docs",
    "completions",
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
fn shells_complete_every_verb_and_each_has_a_manual_page() {
    let place = Place::new("help_shells");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let outcome = place.soup(&format!("completions {shell}"));
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
        for verb in VERBS {
            assert!(outcome.stdout.contains(verb), "{shell} knows no {verb}");
        }
    }
    let facts = place.json("completions --man man");
    assert_eq!(facts["pages"].as_array().unwrap().len(), 1 + VERBS.len());
    assert!(place.read("man/soup-pack.1").contains("max\\-value"));
    assert_eq!(place.soup("completions").code, 2);
}

/// The program carries each page of the book.
#[test]
fn docs_are_those_of_the_book() {
    let place = Place::new("help_docs");
    let book = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
    let summary = std::fs::read_to_string(format!("{book}/SUMMARY.md")).unwrap();
    let named = summary
        .split("](")
        .skip(1)
        .filter_map(|link| link.split_once(".md)"));
    let named: Vec<&str> = named
        .map(|(page, _)| page)
        .filter(|page| *page != "README")
        .collect();
    assert_eq!(place.json("docs")["pages"], serde_json::json!(named));
    for page in named {
        let text = std::fs::read_to_string(format!("{book}/{page}.md")).unwrap();
        assert_eq!(
            place.soup(&format!("docs {page}")).stdout.trim_end(),
            text.trim_end()
        );
    }
    assert_eq!(place.soup("docs nothing").code, 2);
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
