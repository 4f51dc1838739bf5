//! `folds`: written once, obeyed ever after.

use serde_json::{Value, json};

use crate::place::{Place, contest_data};

fn answers(rows: usize) -> String {
    let rows = (0..rows).map(|row| format!("{row},{},{}\n", row % 2, row % 3 / 2));
    format!("index,a,b\n{}", rows.collect::<String>())
}

#[test]
fn a_fold_file_is_written_once() {
    let place = Place::new("folds");
    place
        .write("answer.csv", answers(10))
        .write("other.csv", answers(11));
    let facts = place.json("folds --data answer.csv --kind kfold --k 3 --seed 42 --out f.json");
    assert_eq!(facts["sizes"], json!([4, 3, 3]));
    assert_eq!(
        (&facts["pictures"], &facts["kind"]),
        (&json!(10), &json!("kfold"))
    );
    let before = place.read("f.json");
    place.json("folds --data answer.csv --kind kfold --k 3 --seed 42 --out f.json");
    place.json("folds --data answer.csv --kind stratified --k 2 --out s.json");
    let cases = [
        (3, "folds --data answer.csv --k 2 --out f.json"),
        (3, "folds --data other.csv --k 3 --out f.json"),
        (2, "folds --data answer.csv --k 1 --out o.json"),
        (2, "folds --data answer.csv --k 11 --out o.json"),
        (2, "folds --data answer.csv --seed 4294967296 --out o.json"),
        (2, "folds --data answer.csv --kind random --out o.json"),
        (3, "folds --data nowhere.csv --out o.json"),
        (3, "folds --data f.json --out o.json"),
    ];
    let mut table = String::new();
    for (code, arguments) in cases {
        table.push_str(&format!(
            "$ soup {arguments}\n[{code}] {}\n",
            place.failure(code, arguments)
        ));
    }
    insta::assert_snapshot!("bad_folds", table);
    assert_eq!(place.read("f.json"), before);
}

#[test]
fn images_of_a_group_stay_together() {
    let place = Place::new("folds_group");
    let rows = (0..12).map(|row| format!("{row:05},{},{},w{}\n", row % 2, row % 3 / 2, row % 4));
    let table = format!("index,a,b,writer\n{}", rows.collect::<String>());
    place.json("compose --count 12 --seed 1 --out set");
    place
        .write("answer.csv", &table)
        .write("set/answer.csv", &table);
    place.json("pack --data set --ignore writer --out pack");
    let group = "--kind group --group writer --k 2 --seed 7";
    let facts = ["answer.csv", "set", "pack --groups answer.csv"].map(|data| {
        let out = data.replace([' ', '/'], "_");
        place.json(&format!("folds --data {data} {group} --out {out}.json"))
    });
    assert_eq!(facts[0]["kind"], "group");
    assert_eq!(facts[0]["sizes"], json!([6, 6]));
    let file: Value = serde_json::from_str(&place.read("set.json")).unwrap();
    let folds = file["fold"].as_array().unwrap();
    for (row, fold) in folds.iter().enumerate() {
        assert_eq!(fold, &folds[row % 4], "row {row}");
    }
    assert_eq!(place.read("set.json"), place.read("answer.csv.json"));
    assert_eq!(
        place.read("set.json"),
        place.read("pack_--groups_answer.csv.json")
    );
    let cases = [
        (2, "folds --data set --kind group --out o.json"),
        (2, "folds --data set --group writer --out o.json"),
        (
            2,
            "folds --data pack --kind group --group writer --out o.json",
        ),
        (
            3,
            "folds --data set --kind group --group place --out o.json",
        ),
        (
            3,
            "folds --data pack --kind group --group place --groups answer.csv --out o.json",
        ),
        (
            2,
            "folds --data set --kind group --group writer --k 5 --out o.json",
        ),
    ];
    let mut table = String::new();
    for (code, arguments) in cases {
        table.push_str(&format!(
            "$ soup {arguments}\n[{code}] {}\n",
            place.failure(code, arguments)
        ));
    }
    insta::assert_snapshot!("bad_groups", table);
    assert!(!place.path("o.json").exists());
}

#[test]
#[ignore = "needs the contest's files"]
fn the_real_labels_get_scikit_learns_folds() {
    let data = contest_data();
    let place = Place::new("folds_real");
    let answer = data.join("dirty_mnist_2nd_labels/dirty_mnist_2nd_answer.csv.gz");
    let answer = answer.display();
    let facts = place.json(&format!(
        "folds --data {answer} --kind kfold --k 5 --seed 42 --out f.json"
    ));
    assert_eq!(
        facts["sizes"],
        json!([10_000, 10_000, 10_000, 10_000, 10_000])
    );
    let file: Value = serde_json::from_str(&place.read("f.json")).unwrap();
    let folds = file["fold"].as_array().unwrap();
    // KFold(5, shuffle=True, random_state=42) of 50,000 rows: the first ten, and FNV-1a of all.
    assert_eq!(
        folds[..10],
        json!([1, 1, 4, 2, 0, 3, 0, 0, 2, 4]).as_array().unwrap()[..]
    );
    let hash = folds.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, fold| {
        (hash ^ fold.as_u64().unwrap()).wrapping_mul(0x100_0000_01B3)
    });
    assert_eq!(format!("{hash:016x}"), "8c5b5cef9034e509");
}
