//! Labels in the shapes in which people have them, from the folder to a trained run.

use soup_compose::png;
use soup_data::ImageShape;

use crate::place::Place;

/// A small grey image that no other equals.
fn image(seed: u32) -> Vec<u8> {
    let shape = ImageShape {
        height: 16,
        width: 16,
        channels: 1,
    };
    let pixels: Vec<u8> = (0..256)
        .map(|at: u32| (at.wrapping_mul(2 * seed + 3) % 251) as u8)
        .collect();
    png(shape, &pixels).unwrap()
}

#[test]
fn what_was_understood_is_shown_and_becomes_a_table() {
    let place = Place::new("labels_shown");
    let mut tags = String::from("file,tags\n");
    for (row, tag) in ["sea sunset", "sea", "", "sunset trees", "trees"]
        .iter()
        .enumerate()
    {
        place.write(&format!("pics/{row}.png"), image(row as u32));
        tags.push_str(&format!("{row}.png,{tag}\n"));
    }
    place.write("tags.csv", tags);
    let outcome = place.soup("labels pics --labels tags.csv --out table.csv");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    insta::assert_snapshot!(
        "labels_of_tags",
        format!("{}---\n{}", outcome.stdout, outcome.stderr)
    );
    assert_eq!(
        place.read("table.csv"),
        "id,sea,sunset,trees\n0.png,1,1,0\n1.png,1,0,0\n2.png,0,0,0\n3.png,0,1,1\n4.png,0,0,1\n"
    );
    let facts = place.json("labels pics --labels tags.csv");
    assert_eq!(facts["format"], "tags");
    assert_eq!(facts["labels"][1]["images"], 2);
    assert_eq!(facts["images_without_labels"], 1);
    // The table that was written says the same.
    let of_tags = place.json("pack --images pics --labels tags.csv --out a.pack");
    let of_table = place.json("pack --images pics --labels table.csv --out b.pack");
    assert_eq!(of_tags["hash"], of_table["hash"]);
    let facts = place.json("labels a.pack");
    assert_eq!(facts["labels"][0]["images"], 2);
    let error = place.failure(3, "labels pics --labels tags.csv --labels-format table");
    assert!(error.contains("label `tags` is `sea sunset`"), "{error}");
}

#[test]
fn a_division_and_unknown_labels_go_through_training() {
    let place = Place::new("labels_divided");
    for row in 0..24 {
        let part = if row % 3 == 0 { "valid" } else { "train" };
        place.write(&format!("set/{part}/{row}.png"), image(row));
    }
    for part in ["train", "valid"] {
        let rows = (0..24).filter(|row| (row % 3 == 0) == (part == "valid"));
        let rows = rows.map(|row| {
            let unknown = if row % 5 == 0 { "-1" } else { "0" };
            format!("{row}.png,{},{unknown}\n", row % 2)
        });
        let text = format!("filename,odd,other\n{}", rows.collect::<String>());
        place.write(&format!("set/{part}/_classes.csv"), text);
    }
    let facts = place.json("pack --data set --out pack");
    assert_eq!(facts["unknown_labels"], 5);
    assert!(facts["folds"].is_string(), "{facts}");
    let facts = place.json("folds --data set --kind given --out folds.json");
    assert_eq!(facts["sizes"], serde_json::json!([8]));
    for data in ["pack", "set"] {
        let run = format!("run-{data}");
        let summary = place.json(&format!(
            "train --preset quick --data {data} --out {run} model.name=soup_nano train.epochs=1 train.batch=4 \
             train.threads=1"
        ));
        assert_eq!(
            (&summary["fold_count"], &summary["oof_pictures"]),
            (&1.into(), &8.into())
        );
        let scores = place.json(&format!("evaluate {run}"));
        // Rows 0 and 15 are unknown of the second label.
        assert_eq!(scores["pictures"], 8);
        let text = place.read(&format!("{run}/labels.json"));
        assert!(text.contains('?'), "{text}");
        assert_eq!(
            place.soup(&format!("report {run} --out {run}.html")).code,
            0
        );
        assert!(place.read(&format!("{run}.html")).contains("are unknown"));
        let doctor = place.json(&format!("doctor {run}"));
        let findings = doctor["findings"].as_array().unwrap();
        assert!(
            findings
                .iter()
                .any(|finding| finding["check"] == "unknown labels"),
            "{doctor}"
        );
    }
    assert_eq!(place.read("run-pack/folds.json"), place.read("folds.json"));
    let error = place.failure(
        2,
        "train --preset quick --data pack --out other boxes.weight=1 model.name=soup_nano train.epochs=1",
    );
    assert!(error.contains("does not say where labels are"), "{error}");
}
