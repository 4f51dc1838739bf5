#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use super::*;

#[derive(Deserialize)]
struct Fixture {
    base: f32,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    config: Schedule,
    steps_per_epoch: u64,
    epochs: f64,
    rates: Vec<f64>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../tests/fixtures/schedules.json")).unwrap()
}

#[test]
fn rates_agree_with_pytorch_and_timm() {
    let fixture = fixture();
    let mut worst = 0.0f64;
    for case in &fixture.cases {
        case.config.check(case.epochs).unwrap();
        for (step, &theirs) in case.rates.iter().enumerate() {
            let ours =
                case.config
                    .rate(fixture.base, step as u64, case.steps_per_epoch, case.epochs);
            // The base rate itself is an f32 here: 2e-8 of its size are gone before the start.
            let difference =
                (f64::from(ours) - theirs).abs() / theirs.max(1e-4 * f64::from(fixture.base));
            worst = worst.max(difference);
            assert!(
                difference < 2e-7,
                "{:?} step {step}: {ours} {theirs}",
                case.config
            );
        }
    }
    println!("worst relative difference: {worst:e}");
}

#[test]
fn steps_past_the_end_keep_the_last_rate() {
    for case in &fixture().cases {
        let total = total_steps(case.steps_per_epoch, case.epochs);
        let rate = |step| {
            case.config
                .rate(1.0, step, case.steps_per_epoch, case.epochs)
        };
        if !matches!(case.config, Schedule::Step(_)) {
            assert_eq!(rate(total), rate(total + 1000), "{:?}", case.config);
        }
    }
}

#[test]
fn the_shortest_trainings_have_rates() {
    for case in &fixture().cases {
        for (steps_per_epoch, epochs) in [(1, 1.0), (1, 2.0), (2, 0.5), (3, 0.7), (0, 0.0)] {
            for step in 0..3 {
                let rate = case.config.rate(1e-3, step, steps_per_epoch, epochs);
                assert!((0.0..=1e-3).contains(&rate), "{:?} {rate}", case.config);
            }
        }
    }
}

#[test]
fn bad_parameters_are_named() {
    for (text, message) in [
        (
            r#"{"kind":"step","step_size":0}"#,
            "`schedule.step_size` is 0",
        ),
        (r#"{"kind":"step","gamma":0}"#, "`schedule.gamma` is 0"),
        (
            r#"{"kind":"cosine","min_rate":-1}"#,
            "`schedule.min_rate` is -1",
        ),
        (
            r#"{"kind":"cosine","warmup_epochs":3}"#,
            "`schedule.warmup_epochs` is 3",
        ),
        (
            r#"{"kind":"one_cycle","pct_start":1}"#,
            "`schedule.pct_start` is 1",
        ),
        (
            r#"{"kind":"one_cycle","div_factor":0}"#,
            "`schedule.div_factor` is 0",
        ),
    ] {
        let schedule: Schedule = serde_json::from_str(text).unwrap();
        let error = schedule.check(3.0).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
    assert!(serde_json::from_str::<Schedule>(r#"{"kind":"constant","gamma":1}"#).is_err());
}
