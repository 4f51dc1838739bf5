//! `quickstart`: the whole way, on a network so small that it learns little.

use crate::place::Place;

const TINY: &str = "--minutes 0.1 transforms.0.size=32 model.name=repvgg_nano \
    data.composed=64 data.composed_valid=16";

#[test]
fn the_whole_way_in_one_command() {
    let place = Place::new("quickstart");
    let facts = place.json(&format!("quickstart --out q {TINY}"));
    for key in ["test_accuracy", "oof_accuracy", "seconds"] {
        assert!(facts[key].as_f64().unwrap() > 0.0, "{key}");
    }
    for key in ["run", "data", "submission"] {
        assert!(place.path(facts[key].as_str().unwrap()).exists(), "{key}");
    }
    // The figure is what `evaluate` says of the files that are left behind.
    let score = place.json("evaluate --predictions q/probs.csv --labels q/data/test/answer.csv");
    assert_eq!(score["accuracy"], facts["test_accuracy"]);
    assert_eq!(
        score["accuracy_of_all_zeros"],
        facts["accuracy_of_all_zeros"]
    );
    let submission =
        place.json("evaluate --predictions q/submission.csv --labels q/data/test/answer.csv");
    assert_eq!(submission["accuracy"], facts["test_accuracy"]);

    // Again: everything is there already, and the same comes out.
    let again = place.json(&format!("quickstart --out q {TINY}"));
    for key in ["test_accuracy", "oof_accuracy", "accuracy_of_all_zeros"] {
        assert_eq!(again[key], facts[key], "{key}");
    }
    insta::assert_snapshot!(
        "quickstart_bad",
        [
            place.failure(2, &format!("quickstart --out q {TINY} --seed 1 --quiet")),
            place.failure(2, "quickstart --out fresh --minutes 0 --quiet"),
            place.failure(2, "quickstart --out other train.epoch=1 --quiet"),
        ]
        .concat()
    );
}
