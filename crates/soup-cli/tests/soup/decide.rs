//! `tta`, `decide` and `doctor`: what is fitted and found, and where it goes from there.

use serde_json::json;

use crate::place::Place;

const TINY: &str = "--preset quick data.compose_share=1 data.composed=16 data.composed_valid=60 \
    model.name=repvgg_nano train.batch=8 train.epochs=1";

#[test]
fn a_run_is_looked_at_decided_and_submitted() {
    let place = Place::new("decide_run");
    place.json(&format!("train {TINY} --out run"));
    let plain = place.json("decide run");
    assert_eq!(plain["pictures"], 60);
    assert_eq!(plain["predictions"], "run/oof.npy");
    assert_eq!(plain["label_counts"], json!([10, 14]));
    let trials = plain["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 7);
    assert_eq!(
        trials
            .iter()
            .filter(|trial| trial["is_best"] == true)
            .count(),
        1
    );

    // A network of one epoch: whatever is kept must beat the plain view beyond doubt.
    let tried = place.json("tta run --try rot180,scale:0.5,crop:0.5:top-left --images 55");
    assert_eq!(
        (&tried["pictures"], &tried["views"]),
        (&json!(55), &json!(4))
    );
    for trial in tried["trials"].as_array().unwrap() {
        let (kept, low) = (trial["is_kept"].as_bool().unwrap(), &trial["gain"]["low"]);
        assert!(!kept || low.as_f64().unwrap() > 0.0, "{trial}");
    }
    let files = place.path("run/tta.json").is_file();
    assert_eq!(files, tried["kept"]["views"].as_array().unwrap().len() > 1);

    // Views by hand, from a file, and from a decision are the same.
    place.json("compose --count 4 --seed 3 --out set");
    let by_hand = place.json("predict run --images set --out hand.csv --tta rotations --merge max");
    assert_eq!(
        by_hand["views"],
        json!({"views": ["plain", "rot90", "rot180", "rot270"], "merge": "max"})
    );
    place.write("views.json", by_hand["views"].to_string());
    place.json("predict run --images set --out file.csv --tta views.json");
    assert_eq!(place.read("hand.csv"), place.read("file.csv"));
    let decision = place.read("run/decision.json");
    let with_views = decision.replacen(
        "\"decoding\"",
        &format!("\"views\": {},\n  \"decoding\"", by_hand["views"]),
        1,
    );
    place.write("decision.json", with_views);
    place.json("predict run --images set --out decision.csv --decision decision.json");
    assert_eq!(place.read("hand.csv"), place.read("decision.csv"));
    // The four quarter turns see the same four images of a turned image.
    place.json("predict run --images set --out plain.csv");
    assert_ne!(place.read("hand.csv"), place.read("plain.csv"));

    // Each way to answer, scored and handed in.
    let header = place
        .read("set/answer.csv")
        .lines()
        .next()
        .unwrap()
        .to_owned();
    let zeros = ",0".repeat(26);
    let rows: String = (0..4).map(|row| format!("{row}{zeros}\n")).collect();
    place.write("sample.csv", format!("{header}\n{rows}"));
    for decode in ["threshold", "count", "set"] {
        let facts = place.json(&format!(
            "submit plain.csv --sample sample.csv --out {decode}.csv --decision run/decision.json \
             --decode {decode}"
        ));
        assert_eq!(facts["decoding"], decode);
        let score = place.json(&format!(
            "evaluate --predictions plain.csv --labels set/answer.csv --decision run/decision.json \
             --decode {decode}"
        ));
        let submitted = place.json(&format!(
            "evaluate --predictions {decode}.csv --labels set/answer.csv"
        ));
        assert_eq!(score["accuracy"], submitted["accuracy"], "{decode}");
        assert_eq!(score["decoding"], decode);
        if decode == "set" {
            for line in place.read("set.csv").lines().skip(1) {
                let yes = line.split(',').skip(1).filter(|cell| *cell == "1").count();
                assert!((10..=14).contains(&yes), "{line}");
            }
        }
    }
    // A run on other images, in the views of the decision.
    let one = place.json("evaluate run --data set --decision decision.json --decode count");
    let two = place.json(
        "evaluate --predictions decision.csv --labels set/answer.csv --decision decision.json \
         --decode count",
    );
    assert_eq!(one["accuracy"], two["accuracy"]);
    assert_eq!(one["loss"], two["loss"]);
    // A model that carries the decision makes the same answers by itself.
    for decode in ["threshold", "count"] {
        let mut decision: serde_json::Value =
            serde_json::from_str(&place.read("decision.json")).unwrap();
        decision["decoding"] = json!(decode);
        place.write("inside.json", decision.to_string());
        place.json("export run --out decided.soup --decision inside.json");
        let facts = place.json("predict decided.soup --images set --out decided.csv");
        assert_eq!(
            (&facts["decided"], &facts["views"]),
            (&json!(true), &by_hand["views"])
        );
        place.json("submit hand.csv --sample sample.csv --out outside.csv --decision inside.json");
        // Its cuts stand in the file: one half for counts.
        if decode == "count" {
            place.json("submit decided.csv --sample sample.csv --out own.csv");
            assert_eq!(place.read("own.csv"), place.read("outside.csv"));
        }
        place.json("predict decided.soup --images set --out raw.csv --tta views.json");
        assert_eq!(place.read("raw.csv"), place.read("hand.csv"));
        place.json("export decided.soup --out again.soup");
        place.json("predict again.soup --images set --out again.csv");
        assert_eq!(place.read("again.csv"), place.read("decided.csv"));
    }
    let refused = place.read("inside.json").replace("\"count\"", "\"set\"");
    place.write("set.json", refused);
    place.failure(3, "export run --out decided.soup --decision set.json");
    place.failure(2, "export run --out decided.onnx --decision inside.json");
    let own = place.soup("evaluate run --decision run/decision.json");
    assert_eq!(own.code, 0, "{}", own.stderr);
    assert!(own.stderr.contains("flatters"), "{}", own.stderr);
    assert!(place.soup("decide run").stdout.contains("as predicted"));

    place
        .write("few.csv", format!("{header}\n0{zeros}\n"))
        .write("broken.json", "{}")
        .write("two.csv", "index,a,b\n0,1,0\n")
        .write("notviews.json", r#"{"views": ["up"]}"#);
    let mut table = String::new();
    for (code, arguments) in [
        (3, "decide nowhere"),
        (3, "decide set"),
        (2, "decide"),
        (2, "decide --predictions few.csv --labels few.csv"),
        (
            3,
            "decide --predictions few.csv --labels few.csv --out d.json",
        ),
        (
            3,
            "decide --predictions few.csv --labels two.csv --out d.json",
        ),
        (
            3,
            "submit plain.csv --sample sample.csv --out s.csv --decision nowhere.json",
        ),
        (
            3,
            "submit plain.csv --sample sample.csv --out s.csv --decision broken.json",
        ),
        (
            2,
            "submit plain.csv --sample sample.csv --out s.csv --decode count",
        ),
        (
            2,
            "submit plain.csv --sample sample.csv --out s.csv --decision decision.json --threshold 0.4",
        ),
        (
            3,
            "evaluate --predictions two.csv --labels two.csv --decision decision.json",
        ),
        (2, "evaluate run --decision decision.json"),
        (3, "tta nowhere"),
        (3, "tta set"),
        (2, "tta run --try up"),
        (2, "tta run --images 0"),
        (2, "predict run --images set --out p.csv --tta up"),
        (2, "predict run --images set --out p.csv --tta plain,plain"),
        (2, "predict run --images set --out p.csv --merge max"),
        (
            3,
            "predict run --images set --out p.csv --tta notviews.json",
        ),
        (3, "predict run --images set --out p.csv --tta nowhere.json"),
    ] {
        table.push_str(&format!(
            "$ soup {arguments}\n[{code}] {}\n",
            place.failure(code, arguments)
        ));
    }
    insta::assert_snapshot!("bad_deciding", table);
}

/// Probabilities of a rater who knows, of one who guesses, and the truth.
fn raters(place: &Place, images: usize) {
    let mut files = ["good", "bad", "truth"].map(|name| (name, String::from("index,a,b,c\n")));
    for image in 0..images {
        let mut rows = [(); 3].map(|()| image.to_string());
        for label in 0..3 {
            let present = (image * 7 + label * 3) % 5 < 2;
            // Wrong now and then, by a rule that the labels know nothing of.
            let mistaken = (image * 11 + label) % 13 == 0;
            let says = if present != mistaken { 0.8 } else { 0.2 };
            rows[0].push_str(&format!(",{says}"));
            rows[1].push_str(&format!(",{}", (image * 29 + label * 17) % 100 / 2 + 25));
            rows[2].push_str(if present { ",1" } else { ",0" });
        }
        for ((_, text), row) in files.iter_mut().zip(rows) {
            text.push_str(&format!("{row}\n"));
        }
    }
    for (name, text) in files {
        // Hundredths in the file of the bad rater.
        let text = match name {
            "bad" => {
                let mut lines = text.lines();
                let mut cells = format!("{}\n", lines.next().unwrap());
                for line in lines {
                    let (id, values) = line.split_once(',').unwrap();
                    let values: Vec<_> = values
                        .split(',')
                        .map(|value| format!("0.{value}"))
                        .collect();
                    cells.push_str(&format!("{id},{}\n", values.join(",")));
                }
                cells
            }
            _ => text,
        };
        place.write(&format!("{name}.csv"), text);
    }
}

#[test]
fn weights_are_fitted_or_refused() {
    let place = Place::new("decide_weights");
    raters(&place, 300);
    let facts = place.json("ensemble good.csv bad.csv --fit truth.csv --out mixed.csv");
    let fitted = &facts["fitted"];
    assert_eq!(fitted["is_fitted"], true);
    assert!(fitted["weights"][0].as_f64().unwrap() > 0.9, "{fitted}");
    assert!(fitted["loss_gain"]["low"].as_f64().unwrap() > 0.0);
    let text = place
        .soup("ensemble good.csv good.csv --fit truth.csv --out mixed.csv")
        .stdout;
    assert!(
        text.contains("no significant gain, so equal weights stay\n--weights 0.5000,0.5000"),
        "{text}"
    );
    raters(&place, 150);
    let mut table = String::new();
    for (code, arguments) in [
        (3, "ensemble good.csv bad.csv --fit truth.csv --out m.csv"),
        (2, "ensemble good.csv --fit truth.csv --out m.csv"),
        (
            2,
            "ensemble good.csv bad.csv --fit truth.csv --weights 1,1 --out m.csv",
        ),
        (
            2,
            "ensemble good.csv bad.csv --fit truth.csv --method vote --out m.csv",
        ),
        (3, "ensemble good.csv bad.csv --fit nowhere.csv --out m.csv"),
    ] {
        table.push_str(&format!(
            "$ soup {arguments}\n[{code}] {}\n",
            place.failure(code, arguments)
        ));
    }
    insta::assert_snapshot!("bad_weights", table);
}

#[test]
fn predictions_of_anybody_are_decided() {
    let place = Place::new("decide_files");
    raters(&place, 300);
    let facts = place.json("decide --predictions good.csv --labels truth.csv --out d.json");
    assert_eq!(
        (&facts["pictures"], &facts["parts"]),
        (&json!(300), &json!(5))
    );
    let text = place
        .soup("decide --predictions good.csv --labels truth.csv --metric exact-match --out d.json");
    insta::assert_snapshot!("decided", text.stdout);
}

#[test]
fn the_doctor_finds_copies_and_proposes_groups() {
    let place = Place::new("doctor");
    place.json("compose --count 20 --seed 3 --out set");
    let healthy = place.json("doctor set");
    assert_eq!(healthy["problems"], 0);
    // Two copies, one of them under another label.
    for (from, to) in [(3, 20), (4, 21)] {
        let bytes = std::fs::read(place.path(&format!("set/images/{from:05}.png"))).unwrap();
        place.write(&format!("set/images/{to:05}.png"), bytes);
    }
    let answer = place.read("set/answer.csv");
    let row = |image: usize| {
        answer
            .lines()
            .nth(image + 1)
            .unwrap()
            .split_once(',')
            .unwrap()
            .1
    };
    let mut wrong = row(4).replace('1', "2").replace('0', "1").replace('2', "0");
    wrong.truncate(row(4).len());
    place.write(
        "set/answer.csv",
        format!("{answer}20,{}\n21,{wrong}\n", row(3)),
    );
    place.json("folds --data set --k 5 --seed 1 --out folds.json");
    let facts = place.json("doctor set --folds folds.json --groups groups.csv");
    let finding = |check: &str| {
        let findings = facts["findings"].as_array().unwrap();
        findings
            .iter()
            .find(|finding| finding["check"] == check)
            .unwrap()
            .clone()
    };
    assert_eq!(finding("equal images")["verdict"], "problem");
    assert_eq!(finding("contradicting images")["verdict"], "problem");
    // Strokes are drawn anew for every letter.
    assert_eq!(finding("shared sources")["verdict"], "fine");
    let groups = place.read("groups.csv");
    assert!(groups.contains("\n20,3\n21,4\n"), "{groups}");
    place.json(
        "folds --data set --kind group --group group --groups groups.csv --out by-group.json",
    );
    let mended = place.json("doctor set --folds by-group.json");
    assert!(mended["problems"].as_u64() < facts["problems"].as_u64());
    insta::assert_snapshot!("doctor", place.soup("doctor set --folds folds.json").stdout);

    // A pack and a run of it.
    place.json("pack --data set --out pack");
    assert_eq!(place.json("doctor pack")["pictures"], 22);
    let tiny = TINY.replace("data.compose_share=1", "data.compose_share=0.5");
    place.json(&format!(
        "train {tiny} --data pack --fold 0 folds.k=2 --out run"
    ));
    let facts = place.json("doctor run");
    assert!(facts["problems"].as_u64().unwrap() >= 2, "{facts}");
    let findings = facts["findings"].as_array().unwrap();
    let kind = findings
        .iter()
        .find(|finding| finding["check"] == "kind of folds");
    assert!(["problem", "warning"].contains(&kind.unwrap()["verdict"].as_str().unwrap()));
    place.json(&format!("train {TINY} --out composed"));
    assert_eq!(place.json("doctor composed")["problems"], 0);

    let mut table = String::new();
    for (code, arguments) in [
        (3, "doctor nowhere"),
        (3, "doctor set/answer.csv"),
        (1, "doctor set --folds nowhere.json"),
        (3, "doctor pack --folds set/answer.csv"),
        (3, "doctor set --source writer"),
        (2, "doctor composed --groups g.csv"),
    ] {
        table.push_str(&format!(
            "$ soup {arguments}\n[{code}] {}\n",
            place.failure(code, arguments)
        ));
    }
    insta::assert_snapshot!("bad_doctor", table);
}
