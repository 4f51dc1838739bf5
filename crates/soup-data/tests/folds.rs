//! Folds against scikit-learn and iterative-stratification; fold files that must be refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use soup_data::dataset::LabelTable;
use soup_data::folds::{FoldKind, Folds};

fn fixture() -> Value {
    serde_json::from_str(include_str!("fixtures/folds.json")).unwrap()
}

fn checksum(folds: &[u32]) -> String {
    folds
        .iter()
        .fold(0u64, |total, &fold| {
            total
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(u64::from(fold))
                .wrapping_add(1_442_695_040_888_963_407)
        })
        .to_string()
}

fn unlabelled(rows: usize) -> LabelTable {
    LabelTable::new(
        (0..rows).map(|row| row.to_string()).collect(),
        vec![],
        vec![],
    )
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("soup-folds-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn kfold_gives_scikit_learns_indices() {
    for case in fixture()["kfold"].as_array().unwrap() {
        let rows = case["rows"].as_u64().unwrap() as usize;
        let (k, seed) = (case["k"].as_u64().unwrap(), case["seed"].as_u64().unwrap());
        let folds = Folds::make(FoldKind::Kfold, k as u32, seed, &unlabelled(rows), None).unwrap();
        if let Some(all) = case["fold"].as_array() {
            let all: Vec<u32> = all.iter().map(|v| v.as_u64().unwrap() as u32).collect();
            assert_eq!(folds.of_rows(), all);
        }
        assert_eq!(checksum(folds.of_rows()), case["checksum"], "{rows} rows");
    }
}

/// The labels of `make_folds.py`, from the same formula.
fn labelled(fixture: &Value) -> LabelTable {
    let rows = fixture["rows"].as_u64().unwrap();
    let rates: Vec<u64> = fixture["rates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_u64().unwrap())
        .collect();
    let mut labels = vec![];
    for row in 0..rows {
        for (label, rate) in rates.iter().enumerate() {
            let mixed = (row * 2_654_435_761 + label as u64 * 40_503 * row) % (1 << 32);
            labels.push(u8::from((mixed / 7).is_multiple_of(*rate)));
        }
    }
    LabelTable::new(
        (0..rows).map(|row| row.to_string()).collect(),
        rates.iter().map(|rate| format!("rate{rate}")).collect(),
        labels,
    )
}

#[test]
fn stratified_folds_are_as_even_as_the_peers() {
    let fixture = &fixture()["stratified"];
    let table = labelled(fixture);
    let mut ours = vec![];
    for seed in [42, 1, 2] {
        let folds = Folds::make(FoldKind::Stratified, 5, seed, &table, None).unwrap();
        let mut worst = vec![0.0f64; table.label_names().len()];
        let mut size_error = 0usize;
        for label in 0..worst.len() {
            let total: u64 = fixture["totals"][label].as_u64().unwrap();
            let mut counts = [0u64; 5];
            for row in 0..table.len() {
                counts[folds.of_rows()[row] as usize] +=
                    u64::from(table.labels(row).unwrap()[label]);
            }
            assert_eq!(counts.iter().sum::<u64>(), total);
            for count in counts {
                worst[label] = worst[label].max((count as f64 - total as f64 / 5.0).abs());
            }
        }
        for fold in 0..5 {
            size_error = size_error.max(folds.valid_rows(fold).len().abs_diff(600));
        }
        assert!(size_error <= 3, "{size_error}");
        ours.push(worst);
    }
    let sum = |values: &[f64]| values.iter().sum::<f64>();
    let theirs: Vec<f64> = fixture["worst"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect();
    eprintln!("worst deviation a label: ours {ours:?}, iterative-stratification {theirs:?}");
    let mean = ours.iter().map(|worst| sum(worst)).sum::<f64>() / 3.0;
    assert!(mean <= sum(&theirs) * 1.25 + 1.0, "{mean} {}", sum(&theirs));
}

#[test]
fn groups_stay_together_and_folds_even() {
    let table = unlabelled(997);
    let groups: Vec<String> = (0..997)
        .map(|row| format!("source{}", row * row % 61))
        .collect();
    let folds = Folds::make(FoldKind::Group, 4, 3, &table, Some(&groups)).unwrap();
    let mut seen = std::collections::BTreeMap::new();
    for (group, fold) in groups.iter().zip(folds.of_rows()) {
        assert_eq!(*seen.entry(group).or_insert(fold), fold);
    }
    let sizes: Vec<usize> = (0..4).map(|fold| folds.valid_rows(fold).len()).collect();
    assert!(
        sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 33,
        "{sizes:?}"
    );
}

#[test]
fn every_row_is_held_out_once() {
    let table = labelled(&fixture()["stratified"]);
    let folds = Folds::make(FoldKind::Stratified, 3, 9, &table, None).unwrap();
    let mut all: Vec<u64> = (0..3).flat_map(|fold| folds.valid_rows(fold)).collect();
    all.sort_unstable();
    assert_eq!(all, (0..3000).collect::<Vec<_>>());
    assert_eq!(folds.train_rows(1).len() + folds.valid_rows(1).len(), 3000);
}

#[test]
fn a_fold_file_of_other_data_is_refused() {
    let folder = folder("other");
    let path = folder.join("folds.json");
    let folds = Folds::make(FoldKind::Kfold, 2, 1, &unlabelled(10), None).unwrap();
    folds.save(&path).unwrap();
    folds.save(&path).unwrap();
    assert_eq!(Folds::load(&path, &unlabelled(10)).unwrap(), folds);

    let error = Folds::load(&path, &unlabelled(11)).unwrap_err().to_string();
    assert!(
        error.contains("made for 10 rows, but the data has 11"),
        "{error}"
    );
    let mut ids: Vec<String> = (0..10).map(|row| row.to_string()).collect();
    ids.swap(0, 1);
    let error = Folds::load(&path, &LabelTable::new(ids, vec![], vec![]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("other ids or labels"), "{error}");
    let other = Folds::make(FoldKind::Kfold, 2, 2, &unlabelled(10), None).unwrap();
    let error = other.save(&path).unwrap_err().to_string();
    assert!(error.contains("already there"), "{error}");
    assert_eq!(Folds::read(&path).unwrap(), folds);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn damaged_fold_files_and_senseless_settings_are_named() {
    let folder = folder("damaged");
    let path = folder.join("folds.json");
    Folds::make(FoldKind::Kfold, 2, 1, &unlabelled(4), None)
        .unwrap()
        .save(&path)
        .unwrap();
    let good = fs::read_to_string(&path).unwrap();
    for (from, to, expected) in [
        ("\"version\":1", "\"version\":9", "version 9"),
        ("soup-folds", "other", "format `other`"),
        ("\"rows\":4", "\"rows\":5", "4 folds for 5 rows"),
        ("\"k\":2", "\"k\":1", "1 folds of 4 rows"),
        ("\"kind\":\"kfold\"", "\"kind\":\"luck\"", "not a fold file"),
        ("\"seed\"", "\"sead\"", "unknown field `sead`"),
        ("\"fold\":[", "\"fold\":[7,", "5 folds for 4 rows"),
        ("}", "", "not a fold file"),
    ] {
        assert!(good.contains(from), "{from}");
        fs::write(&path, good.replace(from, to)).unwrap();
        let error = Folds::read(&path).unwrap_err().to_string();
        assert!(
            error.contains(expected) && error.contains("folds.json"),
            "{error}"
        );
    }
    let table = unlabelled(4);
    let fails = |kind, k, seed, groups: Option<&[String]>| {
        Folds::make(kind, k, seed, &table, groups)
            .unwrap_err()
            .to_string()
    };
    assert!(fails(FoldKind::Kfold, 1, 0, None).contains("give 2 to 4"));
    assert!(fails(FoldKind::Kfold, 5, 0, None).contains("give 2 to 4"));
    assert!(fails(FoldKind::Kfold, 2, 1 << 32, None).contains("0 to 4294967295"));
    assert!(fails(FoldKind::Stratified, 2, 0, None).contains("need labels"));
    assert!(fails(FoldKind::Group, 2, 0, None).contains("column"));
    assert!(fails(FoldKind::Group, 2, 0, Some(&vec!["a".into(); 4])).contains("2 groups"));
    fs::remove_dir_all(folder).unwrap();
}
