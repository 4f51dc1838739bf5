//! What is fitted, against scikit-learn and SciPy (`fixtures/make_fits.py`).
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde::Deserialize;
use soup_decide::calibration::{Calibration, CalibrationKind};
use soup_decide::decision::{Decoding, Metric, Recipe, trials};
use soup_decide::ensemble::fit_weights;
use soup_decide::{DecideError, Decision, Parts, Predictions, Sample, ThresholdKind};
use soup_random::{Purpose, Stream};

#[derive(Deserialize)]
struct Fixture {
    labels: usize,
    targets: Vec<f32>,
    models: Vec<Vec<f32>>,
    temperature: f64,
    slopes: Vec<f64>,
    intercepts: Vec<f64>,
    right_common: usize,
    right_per_label: Vec<usize>,
    weights: Vec<f64>,
    mixture_loss: f64,
}

impl Fixture {
    fn read() -> Self {
        serde_json::from_str(include_str!("fixtures/fits.json")).unwrap()
    }

    fn table(&self, name: &str, values: &[f32]) -> Predictions {
        table(name, self.labels, values)
    }

    fn sample(&self) -> Sample {
        let model = self.table("model", &self.models[0]);
        Sample::new(&model, &self.table("truth", &self.targets)).unwrap()
    }
}

fn table(name: &str, labels: usize, values: &[f32]) -> Predictions {
    let ids = (0..values.len() / labels).map(|row| row.to_string());
    Predictions::new(name, ids.collect(), names(labels), values.to_vec()).unwrap()
}

fn names(labels: usize) -> Vec<String> {
    (0..labels).map(|label| format!("label {label}")).collect()
}

#[test]
fn calibrations_are_scipys_and_scikit_learns() {
    let fixture = Fixture::read();
    let sample = fixture.sample();
    match Calibration::fit(CalibrationKind::Temperature, &sample) {
        Calibration::Temperature { temperature } => assert!(
            (temperature / fixture.temperature - 1.0).abs() < 1e-6,
            "{temperature} and {}",
            fixture.temperature
        ),
        other => panic!("{other:?}"),
    }
    match Calibration::fit(CalibrationKind::Platt, &sample) {
        Calibration::Platt { slopes, intercepts } => {
            let ours = slopes.iter().chain(&intercepts);
            let theirs = fixture.slopes.iter().chain(&fixture.intercepts);
            assert_eq!(slopes.len(), fixture.labels);
            for (ours, theirs) in ours.zip(theirs) {
                assert!((ours - theirs).abs() < 1e-4, "{ours} and {theirs}");
            }
            // Six positives of the last label are too few to learn from.
            assert_eq!((slopes[4], intercepts[4]), (1.0, 0.0));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn thresholds_are_as_good_as_any() {
    let fixture = Fixture::read();
    let sample = fixture.sample();
    let right = |thresholds: &[f32], label: usize| {
        (fixture.models[0].iter().zip(&fixture.targets))
            .skip(label)
            .step_by(fixture.labels)
            .filter(|(value, target)| (**value > thresholds[label]) == (**target == 1.0))
            .count()
    };
    let common = ThresholdKind::Common.fit(&sample);
    let all: usize = (0..fixture.labels).map(|label| right(&common, label)).sum();
    assert_eq!(all, fixture.right_common);
    let own = ThresholdKind::PerLabel.fit(&sample);
    for (label, expected) in fixture.right_per_label.iter().enumerate() {
        assert_eq!(right(&own, label), *expected, "label {label}");
    }
    assert_eq!(ThresholdKind::Half.fit(&sample), [0.5; 5]);
}

/// Perfect, hopeless, constant and extreme columns: every threshold is one, every calibration finite.
#[test]
fn odd_columns_are_survived() {
    let rows = 60;
    let truth: Vec<f32> = (0..rows)
        .flat_map(|row| [f32::from(row % 2 == 0); 4])
        .collect();
    let values: Vec<f32> = (0..rows)
        .flat_map(|row| {
            let present = f32::from(row % 2 == 0);
            [present, 1.0 - present, 0.5, 1.0]
        })
        .collect();
    let sample = Sample::new(&table("odd", 4, &values), &table("truth", 4, &truth)).unwrap();
    for kind in [ThresholdKind::Common, ThresholdKind::PerLabel] {
        for threshold in kind.fit(&sample) {
            assert!((0.0..=1.0).contains(&threshold), "{threshold}");
        }
    }
    assert_eq!(ThresholdKind::PerLabel.fit(&sample)[0], 0.5);
    for kind in [CalibrationKind::Temperature, CalibrationKind::Platt] {
        let calibration = Calibration::fit(kind, &sample);
        for (cell, value) in values.iter().enumerate() {
            let better = calibration.of(cell % 4, *value);
            assert!((0.0..=1.0).contains(&better), "{kind:?} {value}: {better}");
        }
    }
}

#[test]
fn weights_are_scipys_and_too_little_data_is_refused() {
    let fixture = Fixture::read();
    let truth = fixture.table("truth", &fixture.targets);
    let models: Vec<_> = (fixture.models.iter())
        .map(|values| fixture.table("model", values))
        .collect();
    let fitted = fit_weights(&models, &truth).unwrap();
    assert!(fitted.is_fitted, "{fitted:?}");
    assert!(fitted.loss_gain.is_gain());
    assert!((fitted.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    for (ours, scipys) in fitted.weights.iter().zip(&fixture.weights) {
        assert!((ours - scipys).abs() < 0.01, "{ours} and {scipys}");
    }
    let loss: f64 = (0..fixture.targets.len())
        .map(|cell| {
            let mixed: f64 = (fixture.models.iter().zip(&fitted.weights))
                .map(|(model, weight)| weight * f64::from(model[cell]))
                .sum();
            let right = if fixture.targets[cell] == 1.0 {
                mixed
            } else {
                1.0 - mixed
            };
            -right.ln()
        })
        .sum::<f64>()
        / fixture.targets.len() as f64;
    assert!(
        (loss - fixture.mixture_loss).abs() < 2e-5,
        "{loss} and {}",
        fixture.mixture_loss
    );

    // The same model twice: a tie, so equal weights stay.
    let twice = [models[0].clone(), models[0].clone()];
    let tie = fit_weights(&twice, &truth).unwrap();
    assert!(!tie.is_fitted);
    assert_eq!(tie.weights, [0.5, 0.5]);

    let few = 5 * 199;
    let short = |values: &[f32]| fixture.table("few", &values[..few]);
    let models: Vec<_> = fixture.models[..2]
        .iter()
        .map(|values| short(values))
        .collect();
    let error = fit_weights(&models, &short(&fixture.targets)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "199 images are too few to fit weights of an ensemble: it takes 200; what is fitted on \
         less is noise"
    );
    assert!(fit_weights(&models[..1], &truth).is_err());
    assert!(matches!(
        fit_weights(&[], &truth),
        Err(DecideError::NothingToCombine)
    ));
}

/// Images of exactly 3 of 8 labels under an over-confident model.
fn ruled(images: usize) -> (Vec<f32>, Vec<f32>) {
    let mut draws = Stream::new(2, Purpose::Compose, 9, 0);
    let (mut targets, mut values) = (Vec::new(), Vec::new());
    for _ in 0..images {
        let mut row = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0f32];
        draws.shuffle(&mut row);
        for target in row {
            let evidence = (2.0 * target - 1.0) + draws.normal();
            let logit = (3.0f32 / 5.0).ln() + 2.0 * evidence;
            values.push(1.0 / (1.0 + (-2.5 * logit).exp()));
        }
        targets.extend(row);
    }
    (targets, values)
}

#[test]
fn a_rule_is_found_and_none_is_not() {
    let (targets, values) = ruled(400);
    let (predictions, truth) = (table("model", 8, &values), table("truth", 8, &targets));
    let sample = Sample::new(&predictions, &truth).unwrap();
    let parts = Parts::drawn(400, 5, 0);
    assert_eq!(parts.count(), 5);
    for (metric, decoding) in [
        (Metric::Accuracy, Decoding::Count),
        (Metric::ExactMatch, Decoding::Set),
    ] {
        let trials = trials(&names(8), &sample, &parts, metric, &mut |_| {}).unwrap();
        assert_eq!(trials.len(), 7);
        let best: Vec<_> = trials.iter().filter(|trial| trial.is_best).collect();
        assert_eq!(best.len(), 1);
        assert_eq!(best[0].recipe.calibration, CalibrationKind::Temperature);
        // With exactly three labels the set has the best cells too: accept either for cells.
        assert!(
            best[0].recipe.decoding == decoding
                || metric == Metric::Accuracy && best[0].recipe.decoding == Decoding::Set,
            "{best:?}"
        );
        assert!(best[0].loss_gain.is_gain());
        assert!(best[0].accuracy_gain.is_gain() && best[0].exact_match_gain.is_gain());
    }

    // Independent calibrated labels: the plain recipe stays.
    let mut draws = Stream::new(4, Purpose::Compose, 9, 0);
    let values: Vec<f32> = (0..8 * 400).map(|_| draws.uniform()).collect();
    let targets: Vec<f32> = (values.iter())
        .map(|value| f32::from(u8::from(draws.chance(*value))))
        .collect();
    let sample = Sample::new(&table("model", 8, &values), &table("truth", 8, &targets)).unwrap();
    let trials = trials(&names(8), &sample, &parts, Metric::Accuracy, &mut |_| {}).unwrap();
    assert!(trials[0].is_best, "{trials:#?}");
    assert_eq!(trials[0].recipe, Recipe::PLAIN);
}

#[test]
fn a_decision_is_a_file_and_its_answers_are_a_table() {
    let (targets, values) = ruled(200);
    let (predictions, truth) = (table("model", 8, &values), table("truth", 8, &targets));
    let sample = Sample::new(&predictions, &truth).unwrap();
    let recipe = Recipe {
        calibration: CalibrationKind::Platt,
        thresholds: ThresholdKind::PerLabel,
        decoding: Decoding::Set,
    };
    let views = "rotations".parse().unwrap();
    let decision = Decision::fit(recipe, &names(8), &sample, &targets)
        .unwrap()
        .with_views(Some(views));
    let folder = std::env::temp_dir().join(format!("soup-decision-{}", std::process::id()));
    let path = folder.join("decision.json");
    decision.write(&path).unwrap();
    assert_eq!(Decision::read(&path).unwrap(), decision);
    let text = std::fs::read_to_string(&path).unwrap();

    // Every image has its three labels, whatever the order of the columns in the file.
    let mut turned: Vec<String> = names(8);
    turned.reverse();
    let other = predictions
        .arranged(predictions.ids(), &turned, std::path::Path::new("turned"))
        .unwrap();
    let answers = decision.answer(&other, None).unwrap();
    assert_eq!(
        answers,
        decision.answer(&predictions, Some(Decoding::Set)).unwrap()
    );
    let answered = answers.table().unwrap();
    for row in 0..answered.len() {
        assert_eq!(answered.row(row).iter().sum::<f32>(), 3.0);
    }
    let by_threshold = decision
        .answer(&predictions, Some(Decoding::Threshold))
        .unwrap();
    assert_ne!(by_threshold.answers, answers.answers);

    for (from, to, problem) in [
        ("soup-decision", "soup-pack", "format `soup-pack`"),
        ("\"version\": 1", "\"version\": 9", "version 9"),
        (
            "\"pseudo_pictures\": 1.0",
            "\"pseudo_pictures\": -1.0",
            "pseudo_pictures is -1",
        ),
        ("rot90", "rot91", "rot91"),
        ("\"decoding\"", "\"decode\"", "unknown field `decode`"),
        (
            "label 0",
            "label 0\", \"label 8",
            "8 labels and 9 counts, but there are 9 labels",
        ),
    ] {
        let broken = text.replacen(from, to, 1);
        assert_ne!(broken, text, "{from}");
        std::fs::write(&path, broken).unwrap();
        let error = Decision::read(&path).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
    let few = Sample::new(&table("j", 8, &values[..8 * 49]), &truth).unwrap();
    assert!(matches!(
        Decision::fit(recipe, &names(8), &few, &targets),
        Err(DecideError::TooFewImages { needed: 50, .. })
    ));
}
