//! The 95 % intervals of scores hold the truth as often as they say: a small part of
//! `examples/coverage`, whose findings `records/` keeps.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../examples/coverage/distribution.rs"]
mod distribution;

use distribution::{Classifier, Distribution, coverage, found_different};

/// Of 400 tables a 95 % interval misses the truth in 20, and in more than 33 or fewer than 7 once in some hundred
/// times; what is drawn here is always the same.
#[test]
fn intervals_hold_the_truth() {
    let rare = |base, labels, classifier| Distribution {
        base,
        last: base,
        labels,
        classifier,
        common: if labels > 1 { 0.3 } else { 0.0 },
    };
    for (distribution, images) in [
        (rare(0.5, 1, Classifier::Scores), 100),
        (rare(0.1, 1, Classifier::Scores), 300),
        (rare(0.02, 1, Classifier::Calibrated(1.0)), 300),
        (rare(0.005, 1, Classifier::Scores), 1000),
        (rare(0.1, 10, Classifier::Calibrated(1.0)), 300),
        (rare(0.02, 10, Classifier::Scores), 1500),
        (rare(0.005, 10, Classifier::Calibrated(1.8)), 300),
    ] {
        let truth = distribution.truth();
        let sets = 400;
        let all = coverage(&distribution, &truth, images, 0..sets);
        assert!(all.contains_key("accuracy") && all.contains_key("exact_match"));
        for (score, of) in all {
            // Where only the sets by chance rich in positives have an interval, these are off by that choice.
            if of.printed as u64 * 2 > sets {
                assert!(
                    of.share() > 0.915,
                    "{distribution:?} {images} {score}: {of:?}"
                );
                assert!(
                    of.share() < 0.985,
                    "{distribution:?} {images} {score}: {of:?}"
                );
            }
        }
    }
}

/// Two classifiers that are equally good are found different in 5 of 100 sets; rare labels make it no more.
#[test]
fn equal_classifiers_hardly_ever_differ() {
    for (base, labels, classifier, images) in [
        (0.005, 1, Classifier::Scores, 1000),
        (0.02, 1, Classifier::Calibrated(1.8), 300),
        (0.005, 10, Classifier::Calibrated(1.0), 300),
        (0.1, 10, Classifier::Scores, 100),
    ] {
        let distribution = Distribution {
            base,
            last: base,
            labels,
            classifier,
            common: if labels > 1 { 0.3 } else { 0.0 },
        };
        for alike in [0.5, 0.9] {
            // Three standard errors above 5 %.
            for share in found_different(&distribution, images, alike, 0..400) {
                assert!(share < 0.083, "{distribution:?} {images} {alike}: {share}");
            }
        }
    }
}

/// The integrals against a large table.
#[test]
fn what_is_true_is_what_a_large_table_gives() {
    for classifier in [Classifier::Scores, Classifier::Calibrated(1.8)] {
        let distribution = Distribution {
            base: 0.4,
            last: 0.05,
            labels: 3,
            classifier,
            common: 0.3,
        };
        let drawn = distribution.draw(200_000, 1);
        let drawn = serde_json::to_value(drawn.table().evaluate()).unwrap();
        for (score, truth) in distribution.truth() {
            let drawn = drawn[&score].as_f64().unwrap();
            assert!(
                (drawn - truth).abs() < 0.006,
                "{classifier:?} {score}: {drawn} {truth}"
            );
        }
    }
}
