#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Case {
    name: String,
    labels: usize,
    bins: usize,
    targets: Vec<f32>,
    probabilities: Vec<f32>,
    reliability: Diagram,
    curve: Vec<Scores>,
    pairs: Vec<usize>,
    expected: Vec<f64>,
    counts_true: Vec<usize>,
    counts_predicted: Vec<usize>,
}

#[derive(Deserialize)]
struct Diagram {
    count: Vec<usize>,
    probability: Vec<f64>,
    present: Vec<f64>,
    error: f64,
}

#[derive(Deserialize)]
struct Scores {
    threshold: f64,
    accuracy: f64,
    precision: Option<f64>,
    recall: Option<f64>,
    f1: f64,
}

fn cases() -> Vec<Case> {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../tests/fixtures/facts.json")).unwrap();
    assert_eq!(cases.len(), 5);
    cases
}

#[track_caller]
fn same(ours: f64, theirs: f64, what: &str) {
    assert!((ours - theirs).abs() < 1e-12, "{what}: {ours} {theirs}");
}

#[test]
fn reliability_is_that_of_scikit_learn() {
    for case in cases() {
        let ours = Reliability::of(&case.probabilities, &case.targets, case.bins);
        let theirs = &case.reliability;
        let counts: Vec<usize> = ours.bins.iter().map(|bin| bin.count).collect();
        assert_eq!(counts, theirs.count, "{}", case.name);
        for (place, bin) in ours.bins.iter().enumerate() {
            same(bin.probability, theirs.probability[place], &case.name);
            same(bin.present, theirs.present[place], &case.name);
        }
        same(ours.error, theirs.error, &case.name);
    }
}

#[test]
fn the_threshold_curve_is_that_of_scikit_learn() {
    for case in cases() {
        let ours = threshold_curve(&case.probabilities, &case.targets);
        assert_eq!(ours.len(), 101);
        for theirs in &case.curve {
            let place = (theirs.threshold * 100.0).round() as usize;
            let ours = ours[place];
            let what = format!("{} at {}", case.name, theirs.threshold);
            same(ours.threshold, theirs.threshold, &what);
            same(ours.accuracy, theirs.accuracy, &what);
            same(ours.f1, theirs.f1, &what);
            for (ours, theirs) in [
                (ours.precision, theirs.precision),
                (ours.recall, theirs.recall),
            ] {
                match theirs {
                    Some(theirs) => same(ours, theirs, &what),
                    None => assert!(ours.is_nan(), "{what}: {ours}"),
                }
            }
        }
    }
}

#[test]
fn false_negatives_and_positives_are_paired_as_numpy_pairs_them() {
    for case in cases() {
        let answers: Vec<bool> = case.probabilities.iter().map(|p| *p > 0.5).collect();
        let confusion = Confusion::of(&answers, &case.targets, case.labels);
        for cell in 0..case.labels * case.labels {
            let pair = confusion.pair(cell / case.labels, cell % case.labels);
            assert_eq!(pair.images, case.pairs[cell], "{}", case.name);
            same(pair.expected, case.expected[cell], &case.name);
        }
        let truth = case.targets.iter().map(|target| *target > 0.5);
        assert_eq!(label_counts(truth, case.labels), case.counts_true);
        assert_eq!(
            label_counts(answers.into_iter(), case.labels),
            case.counts_predicted
        );
    }
}

/// Label 1 is predicted wherever label 0 is true; labels 2 and 3 are wrong at random.
#[test]
fn a_confusion_stands_out() {
    let (mut answers, mut targets) = (Vec::new(), Vec::new());
    for image in 0..60 {
        let confused = image % 3 == 0;
        targets.extend([
            f32::from(u8::from(confused)),
            0.0,
            f32::from(u8::from(image % 4 == 0)),
            0.0,
        ]);
        answers.extend([false, confused, false, image % 5 == 0]);
    }
    let confusion = Confusion::of(&answers, &targets, 4);
    let pairs = confusion.above_chance(2.0);
    assert_eq!(pairs.len(), 1, "{pairs:?}");
    assert_eq!(
        (
            pairs[0].false_negative,
            pairs[0].false_positive,
            pairs[0].images
        ),
        (0, 1, 20)
    );
    assert_eq!(confusion.wrong(0), 20);
}

#[test]
fn folds_are_compared_with_all() {
    // Two labels; the second one is in fold 1 only.
    let targets = [1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0];
    let facts = DataFacts::of(&targets, &[0, 0, 1, 1], 2);
    assert_eq!(facts.shares, [0.75, 0.5]);
    assert_eq!(facts.folds.len(), 2);
    assert_eq!(
        (facts.folds[1].images, facts.folds[1].labels_each),
        (2, 1.5)
    );
    assert_eq!(facts.folds[0].furthest, Some((1, -0.5)));
}
