#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use serde::Deserialize;
use serde_json::{Map, Value};

use super::*;

#[derive(Deserialize)]
struct Case {
    name: String,
    labels: usize,
    thresholds: Vec<f32>,
    targets: Vec<f32>,
    probabilities: Vec<f32>,
    expected: Map<String, Value>,
    expected_labels: Vec<Map<String, Value>>,
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("label {index}")).collect()
}

/// Every figure of scikit-learn against the field of that name in the JSON that scripts read.
#[test]
fn figures_agree_with_scikit_learn() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../tests/fixtures/metrics.json")).unwrap();
    assert_eq!(cases.len(), 7);
    let mut worst = 0.0f64;
    for case in &cases {
        let labels = names(case.labels);
        let table = Table::new(
            &case.probabilities,
            &case.targets,
            &labels,
            &case.thresholds,
        )
        .unwrap();
        let ours = serde_json::to_value(table.evaluate()).unwrap();
        let mut pairs: Vec<(&Value, &Map<String, Value>)> = vec![(&ours, &case.expected)];
        pairs.extend(
            ours["labels"]
                .as_array()
                .unwrap()
                .iter()
                .zip(&case.expected_labels),
        );
        assert_eq!(pairs.len(), case.labels + 1);
        for (ours, expected) in pairs {
            for (key, theirs) in expected {
                let ours = &ours[key];
                let Some(theirs) = theirs.as_f64() else {
                    assert!(
                        theirs.is_null() && ours.is_null(),
                        "{} {key}: {ours}",
                        case.name
                    );
                    continue;
                };
                let ours = ours.as_f64().unwrap();
                let difference = (ours - theirs).abs() / theirs.abs().max(1.0);
                worst = worst.max(difference);
                assert!(difference < 1e-12, "{} {key}: {ours} {theirs}", case.name);
            }
        }
    }
    println!("worst difference: {worst:e}");
}

#[test]
fn the_harmonic_class_f1_is_that_of_the_mean_precision_and_recall() {
    let (probabilities, targets) = ([0.9, 0.9, 0.9, 0.1], [1.0, 1.0, 0.0, 1.0]);
    let labels = names(2);
    let evaluation = Table::new(&probabilities, &targets, &labels, &[0.5])
        .unwrap()
        .evaluate();
    // Label 0: precision 1/2, recall 1; label 1: precision 1, recall 1/2.
    assert_eq!(evaluation.class_f1_harmonic, 0.75);
    assert!((evaluation.class_f1 - 2.0 / 3.0).abs() < 1e-15);
}

#[test]
fn a_probability_at_its_threshold_is_a_no() {
    let labels = names(1);
    let evaluation = Table::new(&[0.5], &[0.0], &labels, &[0.5])
        .unwrap()
        .evaluate();
    assert_eq!(evaluation.labels[0].predicted, 0);
}

#[test]
fn a_table_that_cannot_be_judged_says_where() {
    let labels = names(2);
    let message = |probabilities: &[f32], targets: &[f32], thresholds: &[f32]| {
        Table::new(probabilities, targets, &labels, thresholds)
            .unwrap_err()
            .to_string()
    };
    let (fine, cells) = ([0.5], [0.0; 4]);
    assert_eq!(
        message(&[0.1, 0.2, 0.3, f32::NAN], &cells, &fine),
        "row 1, label `label 1`: NaN is not a probability between 0 and 1"
    );
    assert!(message(&[0.1, 0.2, 1.5, 0.0], &cells, &fine).starts_with("row 1, label `label 0`"));
    assert_eq!(
        message(&cells, &[0.0, 2.0, 0.0, 0.0], &fine),
        "row 0, label `label 1`: the true label is 2, not 0 or 1"
    );
    assert!(message(&cells, &[0.0; 2], &fine).contains("4 probabilities and 2 labels"));
    assert!(message(&[0.0; 3], &[0.0; 3], &fine).contains("3 probabilities"));
    assert!(message(&cells, &cells, &[0.5; 3]).starts_with("3 thresholds"));
    assert!(message(&cells, &cells, &[1.5]).contains("1.5"));
    assert!(message(&[], &[], &fine).contains("0 pictures with 2 labels"));
    assert!(
        Table::new(&[], &[], &[], &fine)
            .unwrap_err()
            .to_string()
            .contains("nothing")
    );
}

#[test]
fn the_bootstrap_interval_is_as_wide_as_theory_says() {
    // 1,600 pictures, a quarter of them right: the standard error is sqrt(.25 * .75 / 1600).
    let values: Vec<f64> = (0..1600).map(|row| f64::from(row % 4 == 0)).collect();
    let bootstrap = Bootstrap {
        samples: 2000,
        seed: 42,
    };
    let interval = bootstrap.interval(&values);
    let error = (0.25f64 * 0.75 / 1600.0).sqrt();
    assert!(
        (interval.low - (0.25 - 1.96 * error)).abs() < 0.1 * error,
        "{interval:?}"
    );
    assert!(
        (interval.high - (0.25 + 1.96 * error)).abs() < 0.1 * error,
        "{interval:?}"
    );
    assert_eq!(interval, bootstrap.interval(&values));
    assert_ne!(
        interval,
        Bootstrap {
            seed: 43,
            ..bootstrap
        }
        .interval(&values)
    );
    let same = bootstrap.interval(&[0.5; 10]);
    assert_eq!((same.low, same.high), (0.5, 0.5));
    assert!(bootstrap.interval(&[]).low.is_nan());
}

#[test]
fn row_values_have_the_metrics_as_their_means() {
    let (probabilities, targets) = (
        [0.9, 0.2, 0.6, 0.1, 0.7, 0.4],
        [1.0, 0.0, 0.0, 0.0, 1.0, 1.0],
    );
    let labels = names(2);
    let table = Table::new(&probabilities, &targets, &labels, &[0.5]).unwrap();
    let evaluation = table.evaluate();
    for (metric, expected) in [
        (RowMetric::Accuracy, evaluation.accuracy),
        (RowMetric::ExactMatch, evaluation.exact_match),
        (RowMetric::Loss, evaluation.loss),
    ] {
        let values = table.row_values(metric);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean - expected).abs() < 1e-15, "{metric:?}");
        let interval = table.interval(metric, &Bootstrap::default());
        assert!(
            interval.low <= expected && expected <= interval.high,
            "{metric:?}"
        );
    }
}

/// A thousand pictures of three labels, one of which hardly ever occurs.
fn drawn(rows: usize) -> (Vec<f32>, Vec<f32>) {
    use soup_random::{Purpose, Stream};
    let mut draws = Stream::new(3, Purpose::Bootstrap, 1, 0);
    let (mut probabilities, mut targets) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        for frequency in [0.5, 0.3, 0.01] {
            let present = draws.chance(frequency);
            let evidence = if present { 1.0 } else { -1.0 } + draws.normal();
            // Two digits: plenty of ties.
            let probability = (1.0 / (1.0 + (-evidence).exp()) * 100.0).round() / 100.0;
            targets.push(f32::from(u8::from(present)));
            probabilities.push(probability);
        }
    }
    (probabilities, targets)
}

/// Every score of a sample, counted by the weights of its pictures, is that of the table that holds
/// the pictures as often.
#[test]
fn intervals_are_those_of_the_tables_drawn() {
    let (rows, labels) = (60, names(3));
    let (probabilities, targets) = drawn(rows);
    let bootstrap = Bootstrap {
        samples: 40,
        seed: 9,
    };
    let table = Table::new(&probabilities, &targets, &labels, &[0.5, 0.4, 0.5]).unwrap();
    let ours = serde_json::to_value(table.intervals(&bootstrap)).unwrap();
    let mut sampled = Vec::new();
    for sample in 0..bootstrap.samples {
        let (mut drawn_probabilities, mut drawn_targets) = (Vec::new(), Vec::new());
        for (row, times) in bootstrap.picks(sample, rows).into_iter().enumerate() {
            for _ in 0..times {
                drawn_probabilities.extend_from_slice(&probabilities[row * 3..][..3]);
                drawn_targets.extend_from_slice(&targets[row * 3..][..3]);
            }
        }
        let table = Table::new(
            &drawn_probabilities,
            &drawn_targets,
            &labels,
            &[0.5, 0.4, 0.5],
        )
        .unwrap();
        sampled.push(serde_json::to_value(table.evaluate()).unwrap());
    }
    let scores = ours.as_object().unwrap();
    assert_eq!(scores.len(), 11);
    for (score, interval) in scores {
        let values: Vec<f64> = (sampled.iter())
            .map(|evaluation| evaluation[score].as_f64().unwrap())
            .collect();
        let expected = Interval::of(values);
        for (end, expected) in [("low", expected.low), ("high", expected.high)] {
            let ours = interval[end].as_f64().unwrap();
            assert!(
                (ours - expected).abs() < 1e-12,
                "{score} {end}: {ours} {expected}"
            );
        }
    }
    let means = table.interval(RowMetric::Loss, &bootstrap);
    assert!((means.low - table.intervals(&bootstrap).loss.low).abs() < 1e-12);
}

#[test]
fn answers_of_another_origin_keep_the_ranking_of_the_probabilities() {
    let (probabilities, targets) = drawn(50);
    let labels = names(3);
    let plain = Table::new(&probabilities, &targets, &labels, &[0.5]).unwrap();
    let right: Vec<bool> = targets.iter().map(|target| *target == 1.0).collect();
    let oracle = plain.with_answers(&right).unwrap();
    let (plain, oracle) = (plain.evaluate(), oracle.evaluate());
    assert_eq!((oracle.accuracy, oracle.exact_match), (1.0, 1.0));
    assert_eq!(oracle.labels[0].threshold, None);
    assert!(plain.accuracy < 1.0);
    assert_eq!(oracle.loss, plain.loss);
    assert_eq!(oracle.mean_average_precision, plain.mean_average_precision);
    let table = Table::new(&probabilities, &targets, &labels, &[0.5]).unwrap();
    assert!(table.with_answers(&right[1..]).is_err());
}

#[test]
fn a_paired_difference_is_surer_than_two_intervals() {
    let bootstrap = Bootstrap::default();
    // Hard and easy pictures; ours is a hundredth better on each.
    let theirs: Vec<f64> = (0..200).map(|row| f64::from(row % 10) / 10.0).collect();
    let ours: Vec<f64> = theirs.iter().map(|value| value + 0.01).collect();
    let gain = bootstrap.difference(&ours, &theirs);
    assert!(
        gain.is_gain() && (gain.mean - 0.01).abs() < 1e-12,
        "{gain:?}"
    );
    let wide = bootstrap.interval(&ours);
    assert!(wide.high - wide.low > 0.05);
    let none = bootstrap.difference(&theirs, &theirs);
    assert!(!none.is_gain());
    assert!(!bootstrap.difference(&theirs, &ours).is_gain());
}
