//! `subset`: images that stand for all, and training on them alone.

use crate::place::{Place, contest_data};

fn answers(rows: usize) -> String {
    let rows = (0..rows).map(|row| format!("{row},{},{}\n", row % 2, row % 5 / 4));
    format!("index,a,b\n{}", rows.collect::<String>())
}

#[test]
fn a_subset_has_the_means_of_the_whole() {
    let place = Place::new("subset");
    place
        .write("answer.csv", answers(1000))
        .write("other.csv", answers(999));
    let facts = place.json("subset --labels answer.csv --count 100 --seed 1 --out s.json");
    assert_eq!(facts["count"], 100);
    assert_eq!(facts["worst_label_mean_difference"], 0.0);
    let before = place.read("s.json");
    place.json("subset --labels answer.csv --count 100 --seed 1 --out s.json");
    place.json("subset --labels answer.csv --count 100 --seed 2 --out t.json");
    assert_ne!(before, place.read("t.json"));
    place.json("subset --labels answer.csv --count 1000 --out all.json");
    let cases = [
        (3, "subset --labels answer.csv --count 99 --out s.json"),
        (3, "subset --labels other.csv --count 100 --out s.json"),
        (2, "subset --labels answer.csv --count 0 --out o.json"),
        (2, "subset --labels answer.csv --count 1001 --out o.json"),
        (2, "subset --labels answer.csv --out o.json"),
        (3, "subset --labels nowhere.csv --count 1 --out o.json"),
        (3, "subset --labels s.json --count 1 --out o.json"),
    ];
    let mut table = String::new();
    for (code, arguments) in cases {
        table.push_str(&format!(
            "$ soup {arguments}\n[{code}] {}\n",
            place.failure(code, arguments)
        ));
    }
    insta::assert_snapshot!("bad_subsets", table);
    assert_eq!(place.read("s.json"), before);
}

#[test]
fn a_run_sees_the_images_of_its_subset_only() {
    let place = Place::new("subset_train");
    let small = "compose.width=64 compose.height=64 compose.side=[8,20]";
    place.json(&format!("compose --count 60 --seed 1 --out set {small}"));
    place.json("pack --data set --out pack");
    place.json("folds --data pack --k 3 --seed 42 --out folds.json");
    place.json("subset --labels set/answer.csv --count 24 --seed 1 --out subset.json");
    place.json("subset --labels pack --count 24 --seed 1 --out of_pack.json");
    assert_eq!(place.read("subset.json"), place.read("of_pack.json"));
    let train = "train --preset quick --data pack model.name=repvgg_nano train.batch=4 train.epochs=1 \
        data.subset=subset.json";
    let facts = place.json(&format!("{train} --out run folds.file=folds.json"));
    assert_eq!(facts["folds"].as_array().unwrap().len(), 3);
    assert_eq!(facts["oof_pictures"], 24);
    // The folds are those of the whole, as far as the subset goes.
    let [whole, subset, own] = ["folds.json", "subset.json", "run/folds.json"]
        .map(|file| serde_json::from_str::<serde_json::Value>(&place.read(file)).unwrap());
    let rows = subset["subset"].as_array().unwrap();
    for (row, fold) in rows.iter().zip(own["fold"].as_array().unwrap()) {
        assert_eq!(*fold, whole["fold"][row.as_u64().unwrap() as usize]);
    }
    let score = place.json("evaluate run");
    assert_eq!(score["accuracy"], facts["oof_accuracy"]);
    assert_eq!(score["pictures"], 24);

    place.json("compose --count 30 --seed 2 --out other");
    place.json("subset --labels other/answer.csv --count 10 --out other.json");
    place.write("no.json", "{}");
    let mut table = String::new();
    for (code, more) in [
        (3, "--out o1 data.subset=other.json"),
        (3, "--out o2 data.subset=no.json"),
        (3, "--out o3 data.subset=folds.json"),
        (1, "--out o4 data.subset=nowhere.json"),
        (2, "--out o5 data.compose_share=1"),
        (2, "--out run data.subset=of_pack.json"),
    ] {
        let message = place.failure(code, &format!("{train} {more} --quiet"));
        table.push_str(&format!("$ soup train ... {more}\n[{code}] {message}\n"));
    }
    insta::assert_snapshot!("bad_uses", table);
}

#[test]
#[ignore = "needs the contest's files"]
fn the_real_labels_are_matched_below_half_a_point() {
    let data = contest_data();
    let place = Place::new("subset_real");
    let answer = data.join("dirty_mnist_2nd_labels/dirty_mnist_2nd_answer.csv.gz");
    for seed in [1, 42] {
        let facts = place.json(&format!(
            "subset --labels {} --count 2000 --seed {seed} --out s{seed}.json",
            answer.display()
        ));
        assert_eq!(
            (&facts["pictures"], &facts["count"]),
            (&50_000.into(), &2_000.into())
        );
        // The founders accepted 2.1 points; an image more or less is .05.
        let worst = facts["worst_label_mean_difference"].as_f64().unwrap();
        assert!(worst < 0.001, "{worst}");
    }
}
