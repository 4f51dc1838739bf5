#![allow(clippy::unwrap_used, clippy::expect_used)]

use soup_random::{Purpose, Stream};

use super::*;
use crate::metrics::RowMetric;

#[test]
fn views_are_data() {
    let views: Views = "rotations,scale:1.25".parse().unwrap();
    assert_eq!(views.to_string(), "plain,rot90,rot180,rot270,scale:1.25");
    let text = serde_json::to_string(&views).unwrap();
    assert_eq!(
        text,
        r#"{"views":["plain","rot90","rot180","rot270","scale:1.25"],"merge":"mean"}"#
    );
    assert_eq!(serde_json::from_str::<Views>(&text).unwrap(), views);
    let dihedral: Views = "rotations,dihedral,flips".parse().unwrap();
    assert_eq!(dihedral.views().len(), 8);
    assert!(Views::plain().is_plain() && "plain".parse::<Views>().unwrap().is_plain());
    for text in [
        r#"{"views":[]}"#,
        r#"{"views":["plain","plain"]}"#,
        r#"{"views":["up"]}"#,
        r#"{"views":["plain"],"merge":"median"}"#,
        r#"{"views":["plain"],"other":1}"#,
    ] {
        assert!(serde_json::from_str::<Views>(text).is_err(), "{text}");
    }
    assert!("hflip,hflip".parse::<Views>().is_err());
    assert!("".parse::<Views>().is_err());
}

/// NumPy: with p = 1 / (1 + exp(-[2, -1, .5])), p.mean(), exp(log(p).mean()), sigmoid(logits.mean())
/// and p.max().
#[test]
fn merges_have_numpys_numbers() {
    let logits = [2.0f32, -1.0, 0.5];
    for (merge, expected) in [
        (Merge::Mean, 0.590_732_610_2),
        (Merge::GeometricMean, 0.528_301_099_2),
        (Merge::LogitMean, 0.622_459_331_2),
        (Merge::Max, 0.880_797_078),
    ] {
        let ours = merge.probability(logits.into_iter());
        assert!((ours - expected).abs() < 1e-6, "{merge:?}: {ours}");
    }
    for merge in Merge::ALL {
        for place in 0..3 {
            let mut logits = logits;
            logits[place] = f32::NAN;
            assert!(merge.probability(logits.into_iter()).is_nan(), "{merge:?}");
        }
        for (logit, expected) in [(500.0f32, 1.0), (-500.0, 0.0), (0.0, 0.5)] {
            let ours = merge.probability([logit; 3].into_iter());
            assert!((ours - expected).abs() < 1e-7, "{merge:?} {logit}: {ours}");
        }
    }
}

/// Rotations see with independent errors, a scale sees worse than chance, a mirror repeats the plain
/// view: a gain, a loss and a tie.
#[test]
fn what_helps_is_kept_and_nothing_else() {
    let (images, labels) = (300, 6);
    let names: Vec<String> = (0..labels).map(|label| label.to_string()).collect();
    let mut draws = Stream::new(1, Purpose::Bootstrap, 3, 0);
    let targets: Vec<f32> = (0..images * labels)
        .map(|_| f32::from(u8::from(draws.chance(0.5))))
        .collect();
    let candidates = Candidate::parse_list("rotations,hflip,scale:0.5").unwrap();
    let views: Vec<_> = ["plain", "rot90", "rot180", "rot270", "hflip", "scale:0.5"]
        .map(|view| view.parse().unwrap())
        .to_vec();
    let mut seen = |strength: f32| -> Vec<f32> {
        (targets.iter())
            .map(|target| 2.0 * ((2.0 * target - 1.0) * strength + draws.normal()))
            .collect()
    };
    let plain = seen(1.0);
    let logits = vec![
        plain.clone(),
        seen(1.0),
        seen(1.0),
        seen(1.0),
        plain,
        seen(-1.0),
    ];
    let logits = ViewLogits { views, logits };
    let parts: Vec<u32> = (0..images as u32).map(|row| row % 3).collect();
    let run = |metric| {
        let truth = (&targets[..], &names[..]);
        ViewTrials::run(&logits, &candidates, truth, &parts, metric).unwrap()
    };
    for metric in [RowMetric::Accuracy, RowMetric::ExactMatch, RowMetric::Loss] {
        let trials = run(metric);
        let kept: Vec<bool> = trials.trials.iter().map(|trial| trial.is_kept).collect();
        assert_eq!(kept, [true, false, false], "{metric:?}");
        assert_eq!(trials.kept.to_string(), "plain,rot90,rot180,rot270");
        assert!(trials.gain.is_gain(), "{metric:?}: {:?}", trials.gain);
        assert!(trials.trials[2].gain.high < 0.0, "the scale loses");
        let tie = trials.trials[1].gain;
        assert!(
            tie.mean.abs() < 1e-12,
            "the mirror is the plain view: {tie:?}"
        );
    }
    assert_eq!(run(RowMetric::Loss).merges.len(), 4);
}
