#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::collections::BTreeMap;

use super::*;

#[derive(Deserialize)]
struct Fixture {
    labels: usize,
    sets: BTreeMap<String, Set>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Set {
    logits: Vec<f32>,
    targets: Vec<f32>,
}

#[derive(Deserialize)]
struct Case {
    config: Loss,
    set: String,
    loss: f64,
    gradient: Vec<f64>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../tests/fixtures/losses.json")).unwrap()
}

/// PyTorch in f64 on the same values; the gradient is rounded to f32 here.
#[test]
fn losses_and_gradients_agree_with_pytorch() {
    let fixture = fixture();
    assert!(fixture.cases.len() > 30);
    let (mut worst_loss, mut worst_gradient) = (0.0f64, 0.0f64);
    for case in &fixture.cases {
        let set = &fixture.sets[&case.set];
        case.config.check().unwrap();
        case.config.check_labels(fixture.labels).unwrap();
        let mut gradient = vec![f32::NAN; set.logits.len()];
        let loss = case
            .config
            .evaluate(&set.logits, &set.targets, fixture.labels, &mut gradient);
        let difference = (loss - case.loss).abs() / case.loss.abs().max(1e-3);
        worst_loss = worst_loss.max(difference);
        assert!(
            difference < 1e-12,
            "{:?} {}: {loss} {}",
            case.config,
            case.set,
            case.loss
        );
        let scale = case.gradient.iter().fold(0.0f64, |m, g| m.max(g.abs()));
        for (cell, (&ours, &theirs)) in gradient.iter().zip(&case.gradient).enumerate() {
            let difference = (f64::from(ours) - theirs).abs() / (theirs.abs() + 1e-6 * scale);
            worst_gradient = worst_gradient.max(difference);
            assert!(
                difference < 1e-6,
                "{:?} {} cell {cell}: {ours} {theirs}",
                case.config,
                case.set
            );
        }
    }
    println!("worst relative difference: loss {worst_loss:e}, gradient {worst_gradient:e}");
}

#[test]
fn gradients_agree_with_finite_differences() {
    let fixture = fixture();
    for case in fixture.cases.iter().filter(|case| case.set != "far") {
        let set = &fixture.sets[&case.set];
        let mut ignored = vec![0.0; set.logits.len()];
        let mut gradient = ignored.clone();
        let mut logits = set.logits.clone();
        case.config
            .evaluate(&logits, &set.targets, fixture.labels, &mut gradient);
        for cell in 0..logits.len() {
            // The step must be exact in f32 around the logit.
            let centre = logits[cell];
            let (above, below) = (centre + 1.0 / 256.0, centre - 1.0 / 256.0);
            logits[cell] = above;
            let up = case
                .config
                .evaluate(&logits, &set.targets, fixture.labels, &mut ignored);
            logits[cell] = below;
            let down = case
                .config
                .evaluate(&logits, &set.targets, fixture.labels, &mut ignored);
            logits[cell] = centre;
            let derivative = (up - down) / f64::from(above - below);
            let detached = matches!(&case.config, Loss::Asymmetric(loss) if loss.detach_focus);
            let near = (derivative - f64::from(gradient[cell])).abs() < 1e-5;
            assert!(
                near || detached,
                "{:?} {}: {derivative} {}",
                case.config,
                case.set,
                gradient[cell]
            );
        }
    }
}

#[test]
fn far_logits_give_finite_losses_with_a_gradient() {
    for case in &fixture().cases {
        for logit in [-100.0, -50.0, 50.0, 100.0, f32::MAX, f32::MIN] {
            for target in [0.0, 1.0, 0.25] {
                let mut gradient = [f32::NAN; 2];
                let loss = Loss::evaluate(
                    &match &case.config {
                        Loss::Bce(_) => Loss::default(),
                        other => other.clone(),
                    },
                    &[logit, 0.5],
                    &[target, 1.0],
                    2,
                    &mut gradient,
                );
                assert!(
                    loss.is_finite() && gradient.iter().all(|g| g.is_finite()),
                    "{:?} {logit} {target}: {loss} {gradient:?}",
                    case.config
                );
            }
        }
    }
    // A positive at -100 must pull at full strength, also under the asymmetric loss.
    for loss in [Loss::default(), Loss::Asymmetric(Asymmetric::default())] {
        let mut gradient = [0.0];
        let value = loss.evaluate(&[-100.0], &[1.0], 1, &mut gradient);
        assert!(
            (value - 100.0).abs() < 1e-6 && (gradient[0] + 1.0).abs() < 1e-6,
            "{loss:?}"
        );
    }
}

/// Whatever the target; of the two-way loss where a label of the image is there.
#[test]
fn a_logit_that_is_no_number_makes_the_loss_none() {
    for case in &fixture().cases {
        let loss = match &case.config {
            Loss::Bce(_) => Loss::default(),
            other => other.clone(),
        };
        for place in 0..4 {
            let mut logits = [0.5, -1.0, 2.0, 0.1];
            logits[place] = f32::NAN;
            let mut gradient = [0.0; 4];
            let value = loss.evaluate(&logits, &[1.0, 0.0, 0.0, 1.0], 2, &mut gradient);
            assert!(
                value.is_nan() && gradient[place].is_nan(),
                "{loss:?} {place}: {value} {gradient:?}"
            );
        }
    }
}

#[test]
fn bad_parameters_are_named() {
    for (text, message) in [
        (
            r#"{"kind":"bce","label_smoothing":1.0}"#,
            "`loss.label_smoothing` is 1",
        ),
        (
            r#"{"kind":"bce","positive_weights":[1,0]}"#,
            "`loss.positive_weights` is [1.0, 0.0]",
        ),
        (r#"{"kind":"focal","gamma":-1}"#, "`loss.gamma` is -1"),
        (r#"{"kind":"focal","alpha":2}"#, "`loss.alpha` is 2"),
        (r#"{"kind":"asymmetric","clip":1}"#, "`loss.clip` is 1"),
        (
            r#"{"kind":"asymmetric","gamma_negative":-2}"#,
            "`loss.gamma_negative` is -2",
        ),
        (
            r#"{"kind":"two_way","temperature_negative":0}"#,
            "`loss.temperature_negative` is 0",
        ),
        (r#"{"kind":"hill","lambda":0.5}"#, "`loss.lambda` is 0.5"),
    ] {
        let loss: Loss = serde_json::from_str(text).unwrap();
        let error = loss.check().unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
    let loss: Loss = serde_json::from_str(r#"{"kind":"bce","positive_weights":[1,2,3]}"#).unwrap();
    assert_eq!(
        loss.check_labels(26).unwrap_err().to_string(),
        "`loss.positive_weights` is a list of 3 weights: give one weight for all labels or one for \
         each of the 26 labels"
    );
    let unknown = serde_json::from_str::<Loss>(r#"{"kind":"focal","gama":1}"#).unwrap_err();
    assert!(
        unknown.to_string().contains("unknown field `gama`"),
        "{unknown}"
    );
}

#[test]
fn a_loss_is_written_and_read_back() {
    for case in &fixture().cases {
        let text = serde_json::to_string(&case.config).unwrap();
        assert_eq!(serde_json::from_str::<Loss>(&text).unwrap(), case.config);
    }
}

struct Sum;

impl Criterion for Sum {
    fn evaluate(&self, logits: &[f32], _: &[f32], labels: usize, gradient: &mut [f32]) -> f64 {
        gradient.fill(1.0 / labels as f32);
        logits.iter().map(|logit| f64::from(*logit)).sum()
    }
}

#[test]
fn a_loss_of_a_programs_own_stands_in_its_place_and_is_known_by_its_name_elsewhere() {
    let own = Loss::Own(Own::new("sum", std::sync::Arc::new(Sum)));
    own.check().unwrap();
    own.check_labels(2).unwrap();
    let mut gradient = [0.0; 4];
    let loss = own.evaluate(&[1.0, 2.0, 3.0, 4.0], &[0.0; 4], 2, &mut gradient);
    assert_eq!((loss, gradient), (10.0, [0.5; 4]));

    let text = serde_json::to_string(&own).unwrap();
    assert_eq!(text, r#"{"kind":"own","name":"sum"}"#);
    let read: Loss = serde_json::from_str(&text).unwrap();
    assert_eq!(read, own);
    assert_eq!(
        read.check_labels(2).unwrap_err().to_string(),
        "`loss.name` is sum: 'sum' is not built in: only the program that brought it along has it"
    );
}

/// What is unknown neither counts nor teaches: the loss is that of the other cells, with their gradient.
#[test]
fn unknown_cells_are_left_out() {
    let fixture = fixture();
    let mut kinds = std::collections::HashSet::new();
    for case in &fixture.cases {
        let set = &fixture.sets[&case.set];
        let rows = set.logits.len() / fixture.labels;
        // Whole images, so that the losses by image and by label know them too.
        let unknown = |cell: usize| (cell / fixture.labels) % 3 == 1;
        if rows < 2 {
            continue;
        }
        let masked: Vec<f32> = (set.targets.iter().enumerate())
            .map(|(cell, target)| if unknown(cell) { f32::NAN } else { *target })
            .collect();
        let keep = |values: &[f32]| -> Vec<f32> {
            let cells = values
                .iter()
                .enumerate()
                .filter(|(cell, _)| !unknown(*cell));
            cells.map(|(_, value)| *value).collect()
        };
        let (logits, targets) = (keep(&set.logits), keep(&set.targets));
        let mut ours = vec![f32::NAN; set.logits.len()];
        let mut theirs = vec![f32::NAN; logits.len()];
        let loss = case
            .config
            .evaluate(&set.logits, &masked, fixture.labels, &mut ours);
        let expected = case
            .config
            .evaluate(&logits, &targets, fixture.labels, &mut theirs);
        assert!(
            (loss - expected).abs() <= 1e-12 * expected.abs(),
            "{:?}",
            case.config
        );
        assert!(
            (0..ours.len())
                .filter(|cell| unknown(*cell))
                .all(|cell| ours[cell] == 0.0)
        );
        for (ours, theirs) in keep(&ours).iter().zip(&theirs) {
            assert!(
                (ours - theirs).abs() <= 1e-6 * theirs.abs() + 1e-9,
                "{:?}",
                case.config
            );
        }
        kinds.insert(std::mem::discriminant(&case.config));
    }
    assert!(kinds.len() >= 5);
    // Single cells, against PyTorch's mean with the weights 1, 0 and 1.
    let mut gradient = [9.0; 3];
    let loss = Loss::default().evaluate(&[2.0, -1.0, 0.0], &[1.0, f32::NAN, 0.0], 3, &mut gradient);
    assert!((loss - (0.126_928_011_042_972_6 + 2f64.ln()) / 2.0).abs() < 1e-12);
    assert_eq!(gradient[1], 0.0);
    assert!((gradient[2] - 0.25).abs() < 1e-7);
    let loss = Loss::default().evaluate(&[2.0], &[f32::NAN], 1, &mut gradient[..1]);
    assert_eq!((loss, gradient[0]), (0.0, 0.0));
}
