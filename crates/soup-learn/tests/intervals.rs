//! The 95 % intervals of scores hold the truth as often as they say: a small part of
//! `examples/coverage`, whose findings `records/` keeps.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../examples/coverage/law.rs"]
mod law;

use law::{Judge, Law, coverage};

/// Of 400 tables a 95 % interval misses the truth in 20, and in more than 36 or fewer than 6 once in ten
/// thousand times: but there are some hundred of them here, and discrete scores of few cases, so the bounds are a
/// little wider.
#[test]
fn intervals_hold_the_truth() {
    let rare = |base, labels, judge| Law {
        base,
        labels,
        judge,
        common: if labels > 1 { 0.3 } else { 0.0 },
    };
    for (law, pictures) in [
        (rare(0.5, 1, Judge::Scores), 100),
        (rare(0.1, 1, Judge::Scores), 300),
        (rare(0.02, 1, Judge::Calibrated(1.0)), 300),
        (rare(0.005, 1, Judge::Scores), 1000),
        (rare(0.1, 10, Judge::Calibrated(1.0)), 300),
        (rare(0.02, 10, Judge::Scores), 1500),
        (rare(0.005, 10, Judge::Calibrated(1.8)), 300),
    ] {
        let truth = law.draw(2_000_000 / law.labels, 1 << 40);
        let truth = truth.table().evaluate();
        let sets = 400;
        let all = coverage(&law, &truth, pictures, 0..sets);
        assert!(all.contains_key("accuracy") && all.contains_key("exact_match"));
        for (score, of) in all {
            // Where only the sets by chance rich in positives have an interval, these are off by that choice.
            if of.printed as u64 * 2 > sets {
                assert!(of.share() > 0.91, "{law:?} {pictures} {score}: {of:?}");
                assert!(of.share() < 0.997, "{law:?} {pictures} {score}: {of:?}");
            }
        }
    }
}
