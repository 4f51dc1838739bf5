//! `docs/variants.md` names every variant that there is, and no other.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use serde::de::DeserializeOwned;
use soup_data::transforms::{Transform, View};
use soup_decide::views::Merge;
use soup_engine::optimizers;
use soup_graph::Activation;
use soup_train::{average, config::RateRule, losses, mixing, schedules};
use soup_zoo::{Head, MapPool};

/// The names that an enum knows, as it says itself of one that it does not.
fn names<T: DeserializeOwned>(unknown: &str) -> Vec<String> {
    let Err(error) = serde_json::from_str::<T>(unknown) else {
        panic!("{unknown} is a variant");
    };
    let text = error.to_string();
    let known = text.split_once("expected ").expect(&text).1;
    known
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn of_tables<T: DeserializeOwned>() -> Vec<String> {
    names::<T>(r#"{"kind": "?"}"#)
}

fn of_words<T: DeserializeOwned>() -> Vec<String> {
    names::<T>(r#""?""#)
}

#[test]
fn every_variant_is_on_the_page_of_variants() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/variants.md");
    let page = std::fs::read_to_string(path).unwrap();
    let sections = [
        ("Transforms", of_tables::<Transform>()),
        ("Mixing", of_tables::<mixing::Mix>()),
        ("Heads", of_words::<Head>()),
        ("Pools of label maps", of_words::<MapPool>()),
        ("Activations", of_words::<Activation>()),
        ("Losses", of_tables::<losses::Loss>()),
        ("Optimisers", of_tables::<optimizers::Optimizer>()),
        ("Schedules", of_tables::<schedules::Schedule>()),
        ("Rules of the rate", of_words::<RateRule>()),
        ("Averages", of_words::<average::Kind>()),
        ("Views", View::steps().map(str::to_owned).collect()),
        ("Merges of views", of_words::<Merge>()),
    ];
    let titles: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    let tested: Vec<&str> = sections.iter().map(|(title, _)| *title).collect();
    assert_eq!(titles, tested);
    for (title, mut known) in sections {
        let section = page.split(&format!("\n## {title}\n")).nth(1).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
        let mut written: Vec<String> = rows
            .map(|row| row.split('`').next().unwrap().to_owned())
            .collect();
        known.sort_unstable();
        written.sort_unstable();
        assert_eq!(written, known, "{title}");
    }
}

#[test]
fn transforms_that_draw_are_told_apart() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/variants.md");
    let page = std::fs::read_to_string(path).unwrap();
    for table in [
        r#"{"kind": "elastic"}"#,
        r#"{"kind": "grid_distortion"}"#,
        r#"{"kind": "median"}"#,
        r#"{"kind": "stretch", "low": 0, "high": 9}"#,
        r#"{"kind": "rotation", "degrees": 9}"#,
        r#"{"kind": "normalize", "preset": "none"}"#,
        r#"{"kind": "random_resized_crop", "size": 9}"#,
        r#"{"kind": "random_choice", "transforms": []}"#,
        r#"{"kind": "aug_mix"}"#,
    ] {
        let transform: Transform = serde_json::from_str(table).unwrap();
        let start = format!("| `{}` |", transform.kind());
        let row = page.lines().find(|line| line.starts_with(&start)).unwrap();
        let draws = row.split('|').nth(3).unwrap().trim();
        assert_eq!(draws == "yes", transform.is_random(), "{row}");
    }
}
