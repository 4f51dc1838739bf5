#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use serde::Deserialize;
use serde_json::{Map, Value};

use super::*;

#[derive(Deserialize)]
struct Case {
    name: String,
    labels: usize,
    thresholds: Vec<f32>,
    targets: Vec<Option<f32>>,
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
    let mut cases: Vec<Case> =
        serde_json::from_str(include_str!("../../tests/fixtures/metrics.json")).unwrap();
    assert_eq!(cases.len(), 7);
    // Labels that are unknown are cells of no weight there.
    let unknown: Vec<Case> =
        serde_json::from_str(include_str!("../../tests/fixtures/metrics_unknown.json")).unwrap();
    assert_eq!(unknown.len(), 2);
    cases.extend(unknown);
    let mut worst = 0.0f64;
    for case in &cases {
        let labels = names(case.labels);
        let targets = case.targets.iter().map(|target| target.unwrap_or(f32::NAN));
        let targets: Vec<f32> = targets.collect();
        let table =
            ScoredPredictions::new(&case.probabilities, &targets, &labels, &case.thresholds)
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

/// An interval holds its score, and says the same where unknown cells are there or were never asked about.
#[test]
fn intervals_are_those_of_known_cells() {
    let labels = names(1);
    let known: Vec<(f32, f32)> = (0..60)
        .map(|row| {
            (
                (row * 7 % 60) as f32 / 60.0,
                f32::from(u8::from(row % 3 == 0)),
            )
        })
        .collect();
    let mut with_unknown = known.clone();
    (0..20).for_each(|row| with_unknown.insert(row * 3, (0.9, f32::NAN)));
    let of = |cells: &[(f32, f32)]| {
        let (probabilities, targets): (Vec<f32>, Vec<f32>) = cells.iter().copied().unzip();
        let table = ScoredPredictions::new(&probabilities, &targets, &labels, &[0.5]).unwrap();
        (table.evaluate(), table.intervals())
    };
    let ((scores, intervals), (theirs, their_intervals)) = (of(&known), of(&with_unknown));
    assert_eq!(scores.labels, theirs.labels);
    assert_eq!(scores.accuracy, theirs.accuracy);
    for (ours, theirs) in [
        (Some(intervals.accuracy), Some(their_intervals.accuracy)),
        (
            Some(intervals.exact_match),
            Some(their_intervals.exact_match),
        ),
        (
            intervals.mean_average_precision,
            their_intervals.mean_average_precision,
        ),
        (
            intervals.overall_precision,
            their_intervals.overall_precision,
        ),
        (intervals.overall_recall, their_intervals.overall_recall),
        (intervals.loss, their_intervals.loss),
    ] {
        let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
        assert!((ours.low - theirs.low).abs() < 1e-12, "{ours:?} {theirs:?}");
        assert!(
            (ours.high - theirs.high).abs() < 1e-12,
            "{ours:?} {theirs:?}"
        );
    }
}

#[test]
fn the_harmonic_class_f1_is_that_of_the_mean_precision_and_recall() {
    let (probabilities, targets) = ([0.9, 0.9, 0.9, 0.1], [1.0, 1.0, 0.0, 1.0]);
    let labels = names(2);
    let evaluation = ScoredPredictions::new(&probabilities, &targets, &labels, &[0.5])
        .unwrap()
        .evaluate();
    // Label 0: precision 1/2, recall 1; label 1: precision 1, recall 1/2.
    assert_eq!(evaluation.class_f1_harmonic, 0.75);
    assert!((evaluation.class_f1 - 2.0 / 3.0).abs() < 1e-15);
}

#[test]
fn a_probability_at_its_threshold_is_a_no() {
    let labels = names(1);
    let evaluation = ScoredPredictions::new(&[0.5], &[0.0], &labels, &[0.5])
        .unwrap()
        .evaluate();
    assert_eq!(evaluation.labels[0].predicted, 0);
}

#[test]
fn a_table_that_cannot_be_evaluated_says_where() {
    let labels = names(2);
    let message = |probabilities: &[f32], targets: &[f32], thresholds: &[f32]| {
        ScoredPredictions::new(probabilities, targets, &labels, thresholds)
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
    assert!(message(&[], &[], &fine).contains("0 images with 2 labels"));
    assert!(
        ScoredPredictions::new(&[], &[], &[], &fine)
            .unwrap_err()
            .to_string()
            .contains("nothing")
    );
}

#[test]
fn an_interval_is_as_wide_as_theory_says() {
    // 1,600 images, a quarter of them right: the standard error is sqrt(.25 * .75 / 1600).
    let values: Vec<f64> = (0..1600).map(|row| f64::from(row % 4 == 0)).collect();
    let interval = Interval::of_shares(&values);
    let error = (0.25f64 * 0.75 / 1600.0).sqrt();
    for (end, expected) in [
        (interval.low, 0.25 - 1.96 * error),
        (interval.high, 0.25 + 1.96 * error),
    ] {
        assert!((end - expected).abs() < 0.1 * error, "{interval:?}");
    }
    // Nothing wrong in 100 images: statsmodels' proportion_confint(100, 100, method="wilson").
    let all = Interval::of_shares(&[1.0; 100]);
    assert!(
        (all.low - 0.963_006_501_448_714_3).abs() < 1e-9 && all.high == 1.0,
        "{all:?}"
    );
    // A share and its variance: proportion_confint(3, 50, method="wilson"), but for 49 degrees of freedom.
    let few: Vec<f64> = (0..50).map(|row| f64::from(row < 3)).collect();
    let few = Interval::of_shares(&few);
    assert!(
        (few.low - 0.0206).abs() < 0.001 && (few.high - 0.1622).abs() < 0.002,
        "{few:?}"
    );
}

#[test]
fn row_values_have_the_metrics_as_their_means() {
    let (probabilities, targets) = (
        [0.9, 0.2, 0.6, 0.1, 0.7, 0.4],
        [1.0, 0.0, 0.0, 0.0, 1.0, 1.0],
    );
    let labels = names(2);
    let table = ScoredPredictions::new(&probabilities, &targets, &labels, &[0.5]).unwrap();
    let evaluation = table.evaluate();
    for (metric, expected) in [
        (RowMetric::Accuracy, evaluation.accuracy),
        (RowMetric::ExactMatch, evaluation.exact_match),
        (RowMetric::Loss, evaluation.loss),
    ] {
        let values = table.row_values(metric);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean - expected).abs() < 1e-15, "{metric:?}");
    }
}

/// A thousand images of three labels, one of which hardly ever occurs.
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

/// What an image moves a score by and how far off few positives put it, against leaving out each image
/// of the table and scoring the rest.
#[test]
fn influences_are_those_of_tables_without_a_image() {
    use super::interval::Influence;
    let rows = 60;
    let (probabilities, targets) = drawn(rows);
    let column =
        |values: &[f32]| -> Vec<f32> { values.iter().skip(1).step_by(3).copied().collect() };
    let (probabilities, targets) = (column(&probabilities), column(&targets));
    let cells: Vec<(f32, bool)> = (probabilities.iter().zip(&targets))
        .map(|(probability, target)| (*probability, *target == 1.0))
        .collect();
    let ours = Influence::average_precision(&cells).unwrap();
    assert!((ours.value - average_precision(cells.iter().copied()).unwrap()).abs() < 1e-12);
    let without: Vec<f64> = (0..rows)
        .map(|out| {
            (0..rows)
                .filter(move |row| *row != out)
                .map(|row| cells[row])
        })
        .map(|rest| average_precision(rest).unwrap())
        .collect();
    let count = rows as f64;
    let middle = without.iter().sum::<f64>() / count;
    let bias = (count - 1.0) * (middle - ours.value);
    assert!((ours.bias - bias).abs() < 1e-10, "{} {bias}", ours.bias);
    let positives = cells.iter().filter(|cell| cell.1).count() as f64;
    let scale = ((count - 1.0) / count * (positives - 1.0) / positives).sqrt();
    for (ours, without) in ours.of_images.iter().zip(&without) {
        assert!((ours - (middle - without) * scale).abs() < 1e-10);
    }

    // F1 beside the jackknife of its counts: the same to the first order.
    let number = |flag: bool| f64::from(u8::from(flag));
    let pairs: Vec<(f64, f64)> = (cells.iter())
        .map(|(probability, present)| (number(*probability > 0.5), number(*present)))
        .collect();
    let twice: Vec<f64> = pairs
        .iter()
        .map(|(yes, present)| 2.0 * yes * present)
        .collect();
    let both: Vec<f64> = pairs.iter().map(|(yes, present)| yes + present).collect();
    let f1 = Influence::ratio(&twice, &both);
    let sum = |values: &[f64], out: usize| values.iter().sum::<f64>() - values[out];
    let without: Vec<f64> = (0..rows)
        .map(|out| sum(&twice, out) / sum(&both, out))
        .collect();
    let middle = without.iter().sum::<f64>() / count;
    let variance = |values: &mut dyn Iterator<Item = f64>| values.map(|by| by * by).sum::<f64>();
    let ours = variance(&mut f1.of_images.iter().copied());
    let theirs = variance(&mut without.iter().map(|value| value - middle));
    assert!((ours / theirs - 1.0).abs() < 0.06, "{ours} {theirs}");
    let bias = (count - 1.0) * (middle - f1.value);
    assert!(
        (f1.bias - bias).abs() < 0.1 * bias.abs() + 1e-6,
        "{} {bias}",
        f1.bias
    );
}

/// The long tail of any real set of labels: one to three images each.
#[test]
fn rare_labels_have_no_interval_and_a_reason_and_no_interval_misses_its_score() {
    use soup_random::{Purpose, Stream};
    let mut draws = Stream::new(11, Purpose::Bootstrap, 1, 1);
    for (rows, count, most) in [(300, 80, 3), (300, 20, 60), (40, 3, 2), (1, 1, 1)] {
        let mut targets = vec![0.0f32; rows * count];
        for label in 0..count {
            for _ in 0..1 + label % most {
                targets[draws.below(rows as u32) as usize * count + label] = 1.0;
            }
        }
        let probabilities: Vec<f32> = (targets.iter())
            .map(|target| (0.28 + 0.34 * target + 0.12 * draws.normal()).clamp(0.001, 0.999))
            .collect();
        let labels = names(count);
        let table = ScoredPredictions::new(&probabilities, &targets, &labels, &[0.5]).unwrap();
        let scores = serde_json::to_value(table.evaluate()).unwrap();
        let intervals = table.intervals();
        let missing = intervals.missing.clone();
        let intervals = serde_json::to_value(intervals).unwrap();
        assert_eq!(intervals.as_object().unwrap().len() + missing.len(), 11);
        for (name, interval) in intervals.as_object().unwrap() {
            let [low, value, high] = [&interval["low"], &scores[name], &interval["high"]];
            let [low, value, high] = [low, value, high].map(|end| end.as_f64().unwrap());
            assert!(
                low <= value && value <= high,
                "{name}: {low} {value} {high}"
            );
            assert!(low < high && low >= 0.0, "{name}: {low} {high}");
        }
        if count == 80 {
            assert_eq!(
                missing["CR"],
                "80 of 80 labels have fewer than 12 positives: label 0, label 1, label 2, label 3, \
                 label 4 and 75 more"
            );
            for score in ["CF1", "CF1_harmonic", "CR", "mAP"] {
                assert!(missing.contains_key(score), "{score}");
            }
            assert!(intervals["OR"].is_object());
        }
        if rows == 1 {
            assert_eq!(missing["OR"], "there are 1 positives, fewer than 12");
        }
    }
}

/// Where one to three of many are wrong, Wilson's interval alone would hold in 91 of 100 sets.
#[test]
fn few_mistakes_and_perfect_ranks_are_not_taken_for_more_than_they_show() {
    let wrong = |count: usize| -> Vec<f64> {
        (0..100)
            .map(|row| f64::from(u8::from(row >= count)))
            .collect()
    };
    for (count, high) in [(0, 1.0), (1, 0.999_487), (2, 0.996_446), (3, 0.991_823)] {
        let interval = Interval::of_shares(&wrong(count));
        assert!((interval.high - high).abs() < 2e-4, "{count}: {interval:?}");
        assert!(interval.low < 1.0 - count as f64 / 100.0);
    }
    // Every image with the label above all without it.
    let targets: Vec<f32> = (0..60).map(|row| f32::from(u8::from(row < 20))).collect();
    let mut probabilities: Vec<f32> = targets.iter().map(|target| 0.2 + 0.6 * target).collect();
    let labels = names(1);
    let table = ScoredPredictions::new(&probabilities, &targets, &labels, &[0.5]).unwrap();
    let intervals = table.intervals();
    assert_eq!(intervals.mean_average_precision, None);
    assert!(intervals.missing["mAP"].starts_with("every image with a label ranks above all"));
    probabilities[0] = 0.1;
    let table = ScoredPredictions::new(&probabilities, &targets, &labels, &[0.5]).unwrap();
    let interval = table.intervals().mean_average_precision.unwrap();
    assert!(interval.high > interval.low && interval.high <= 1.0);
}

#[test]
fn answers_of_another_origin_keep_the_ranking_of_the_probabilities() {
    let (probabilities, targets) = drawn(50);
    let labels = names(3);
    let plain = ScoredPredictions::new(&probabilities, &targets, &labels, &[0.5]).unwrap();
    let right: Vec<bool> = targets.iter().map(|target| *target == 1.0).collect();
    let oracle = plain.with_answers(&right).unwrap();
    let (plain, oracle) = (plain.evaluate(), oracle.evaluate());
    assert_eq!((oracle.accuracy, oracle.exact_match), (1.0, 1.0));
    assert_eq!(oracle.labels[0].threshold, None);
    assert!(plain.accuracy < 1.0);
    assert_eq!(oracle.loss, plain.loss);
    assert_eq!(oracle.mean_average_precision, plain.mean_average_precision);
    let table = ScoredPredictions::new(&probabilities, &targets, &labels, &[0.5]).unwrap();
    assert!(table.with_answers(&right[1..]).is_err());
}

#[test]
fn a_paired_difference_is_surer_than_two_intervals() {
    // Hard and easy images; ours is a hundredth better on each.
    let theirs: Vec<f64> = (0..200).map(|row| f64::from(row % 10) / 10.0).collect();
    let ours: Vec<f64> = theirs.iter().map(|value| value + 0.01).collect();
    let gain = Difference::of(&ours, &theirs);
    assert!(
        gain.is_gain() && (gain.mean - 0.01).abs() < 1e-12,
        "{gain:?}"
    );
    let wide = Interval::of_shares(&ours);
    assert!(wide.high - wide.low > 0.05);
    let none = Difference::of(&theirs, &theirs);
    assert!(!none.is_gain());
    assert!(!Difference::of(&theirs, &ours).is_gain());
}

/// Exact sign test: of 4 images that differ all for one side happens once in 16, of 6 once in 64.
#[test]
fn few_images_that_differ_prove_nothing() {
    let gain = |better: usize, worse: usize| {
        let ours: Vec<f64> = (0..200).map(|row| f64::from(row < better)).collect();
        let theirs: Vec<f64> = (0..200).map(|row| f64::from(row >= 200 - worse)).collect();
        let gain = Difference::of(&ours, &theirs);
        assert!(gain.low <= gain.mean && gain.mean <= gain.high);
        gain.is_gain()
    };
    for (better, worse, proven) in [
        (3, 0, false),
        (4, 0, false),
        (5, 0, false),
        (6, 0, true),
        (7, 1, false),
        (8, 1, true),
        (9, 2, false),
        (10, 2, true),
    ] {
        assert_eq!(gain(better, worse), proven, "{better} to {worse}");
    }
    assert!(Difference::of(&[], &[]).mean.is_nan());
}

/// Two equally good models: a gain is "proven" in 2.5 of 100 sets at most, for rare and for common
/// differences, of one size and of many.
#[test]
fn equal_models_hardly_ever_differ() {
    use soup_random::{Purpose, Stream};
    for (apart, sizes) in [
        (0.01, false),
        (0.03, false),
        (0.05, true),
        (0.5, true),
        (1.0, false),
    ] {
        let sets = 4000;
        let proven = (0..sets)
            .filter(|set| {
                let mut draws = Stream::new(*set, Purpose::Bootstrap, 1, 2);
                let mut differences = Vec::new();
                for _ in 0..200 {
                    let size = if sizes {
                        -draws.uniform().max(1e-9).ln()
                    } else {
                        1.0
                    };
                    let sign = if draws.chance(0.5) { 1.0 } else { -1.0 };
                    differences.push(f64::from(draws.chance(apart)) * f64::from(sign * size));
                }
                Difference::of(&differences, &[0.0; 200]).is_gain()
            })
            .count();
        let share = proven as f64 / sets as f64;
        // Two and a half standard errors above 2.5 %.
        assert!(share < 0.031, "{apart}: {share}");
    }
}
