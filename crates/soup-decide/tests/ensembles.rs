//! Ensembles against NumPy (`fixtures/make_ensemble.py`).
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::Value;
use soup_decide::ensemble::{Method, Tie, combine};
use soup_decide::{DecideError, Predictions, Thresholds};

fn fixture() -> Value {
    serde_json::from_str(include_str!("fixtures/ensemble.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_f64().unwrap())
        .collect()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn tables() -> Vec<Predictions> {
    let fixture = fixture();
    let tables = fixture["tables"].as_array().unwrap().iter().enumerate();
    tables
        .map(|(number, values)| {
            let values = numbers(values)
                .into_iter()
                .map(|value| value as f32)
                .collect();
            let ids = names(&["0", "1", "2", "3", "4", "5"]);
            Predictions::new(format!("t{number}"), ids, names(&["a", "b", "c"]), values).unwrap()
        })
        .collect()
}

#[track_caller]
fn assert_like_numpy(method: &Method, weighted: bool, key: &str) {
    let fixture = fixture();
    let weights = weighted.then(|| numbers(&fixture["weights"]));
    let combined = combine(&tables(), method, weights.as_deref()).unwrap();
    let expected = numbers(&fixture[key]);
    assert_eq!(combined.values().len(), expected.len());
    for (ours, numpy) in combined.values().iter().zip(expected) {
        assert!(
            (f64::from(*ours) - numpy).abs() < 6e-8,
            "{key}: {ours} and {numpy}"
        );
    }
}

fn vote(tie: Tie) -> Method {
    Method::Vote {
        thresholds: Thresholds::default(),
        tie,
    }
}

#[test]
fn every_method_gives_numpys_numbers() {
    assert_like_numpy(&Method::Mean, false, "mean");
    assert_like_numpy(&Method::Mean, true, "weighted_mean");
    assert_like_numpy(&Method::LogitMean, false, "logit_mean");
    assert_like_numpy(&Method::LogitMean, true, "weighted_logit_mean");
    assert_like_numpy(&vote(Tie::No), false, "vote_tie_no");
    assert_like_numpy(&vote(Tie::Yes), false, "vote_tie_yes");
    assert_like_numpy(&vote(Tie::Mean), false, "vote_tie_mean");
    assert_like_numpy(&vote(Tie::No), true, "weighted_vote");
}

#[test]
fn rows_and_columns_are_matched_by_name() {
    let tables = tables();
    let (ids, labels) = (
        names(&["5", "3", "1", "0", "2", "4"]),
        names(&["c", "a", "b"]),
    );
    let shuffled: Vec<_> = tables
        .iter()
        .enumerate()
        .map(|(number, table)| match number {
            0 => table.clone(),
            _ => table.arranged(&ids, &labels, "order".as_ref()).unwrap(),
        })
        .collect();
    assert_ne!(tables[1].values(), shuffled[1].values());
    for method in [Method::Mean, Method::LogitMean, vote(Tie::Mean)] {
        assert_eq!(
            combine(&tables, &method, None).unwrap(),
            combine(&shuffled, &method, None).unwrap()
        );
    }
}

#[test]
fn a_table_that_does_not_belong_is_refused_by_name() {
    let table = |name: &str, ids: &[&str], labels: &[&str]| {
        let values = vec![0.25; ids.len() * labels.len()];
        Predictions::new(name, names(ids), names(labels), values).unwrap()
    };
    let first = table("first.csv", &["1", "2"], &["a", "b"]);
    let message = |other: Predictions| {
        let error = combine(&[first.clone(), other], &Method::Mean, None).unwrap_err();
        assert!(error.is_bad_data());
        error.to_string()
    };
    assert_eq!(
        message(table("x.csv", &["1"], &["a", "b"])),
        "x.csv: there is no prediction for these images of first.csv: `2`; predict all of them"
    );
    assert_eq!(
        message(table("x.csv", &["3", "2", "1"], &["a", "b"])),
        "x.csv: these images are not in first.csv: `3`; is it a file for another set of images?"
    );
    assert_eq!(
        message(table("x.csv", &["1", "2"], &["a", "c"])),
        "x.csv: its label columns differ from those of first.csv: missing `b`, not expected `c`"
    );
}

#[test]
fn weights_must_fit() {
    let tables = tables();
    for (weights, message) in [
        (vec![1.0], "weights [1.0]: give one weight a file, 4 in all"),
        (
            vec![1.0, 0.0, 1.0, 1.0],
            "weights [1.0, 0.0, 1.0, 1.0]: every weight must be a positive number",
        ),
        (
            vec![1.0, f64::NAN, 1.0, 1.0],
            "weights [1.0, NaN, 1.0, 1.0]: every weight must be a positive number",
        ),
    ] {
        let error = combine(&tables, &Method::Mean, Some(&weights)).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    let error = combine(&[], &Method::Mean, None).unwrap_err();
    assert!(matches!(error, DecideError::NothingToCombine));
}

#[test]
fn weights_that_add_up_to_half_are_a_tie() {
    let cell =
        |value: f32| Predictions::new("t", names(&["1"]), names(&["a"]), vec![value]).unwrap();
    let tables = [cell(1.0), cell(1.0), cell(0.0)];
    let weights = [0.1, 0.2, 0.3]; // 0.1 + 0.2 > 0.3 in binary
    let of = |tie| {
        combine(&tables, &vote(tie), Some(&weights))
            .unwrap()
            .values()[0]
    };
    assert_eq!(of(Tie::No), 0.0);
    assert_eq!(of(Tie::Yes), 1.0);
}
