//! Tables and ids as people have them, through every verb that reads one.

use std::fs;

use serde_json::json;
use soup_compose::png;
use soup_data::ImageShape;

use crate::place::Place;

/// A small grey image that no other equals.
fn image(seed: u32) -> Vec<u8> {
    let pixels: Vec<u8> = (0..256)
        .map(|at: u32| (at.wrapping_mul(seed + 3) % 251) as u8)
        .collect();
    let shape = ImageShape {
        height: 16,
        width: 16,
        channels: 1,
    };
    png(shape, &pixels).unwrap()
}

/// A table with the labels of `pictures` images: the ids by `id`, below a header.
fn table(header: &str, images: u32, id: impl Fn(u32) -> String) -> String {
    let rows = (0..images).map(|row| {
        let cells = [row % 2, row / 2 % 2, row / 3 % 2].map(|cell| cell.to_string());
        format!("{},{}\n", id(row), cells.join(","))
    });
    format!("{header}\n{}", rows.collect::<String>())
}

fn images(place: &Place, folder: &str, count: u32) {
    for row in 0..count {
        place.write(&format!("{folder}/{row:05}.png"), image(row));
    }
}

#[test]
fn labels_that_are_called_by_numbers_go_through_every_verb() {
    let place = Place::new("numeric_labels");
    images(&place, "pics", 12);
    for names in ["0,1,2", "inf,nan,1e5", "True,False,a;b"] {
        let header = format!("id,{names}");
        place
            .write("labels.csv", table(&header, 12, |row| row.to_string()))
            .write("sample.csv", table(&header, 12, |row| format!("{row:05}")));
        for folder in ["pack", "run", "folds.json", "subset.json", "decision.json"] {
            let path = place.path(folder);
            let _ = fs::remove_dir_all(&path);
            let _ = fs::remove_file(&path);
        }
        place.json("pack --images pics --labels labels.csv --out pack");
        place.json("folds --data labels.csv --kind stratified --k 3 --out folds.json");
        place.json("folds --data pack --kind stratified --k 3 --out folds.json");
        place.json("subset --labels labels.csv --count 6 --out subset.json");
        place.json(
            "train --preset quick --data pack --out run --fold 0 train.epochs=1 train.batch=4 train.threads=1 \
             folds.file=folds.json",
        );
        place.json("evaluate run");
        place.json("predict run --images pics --out own.csv");
        let written: Vec<&str> = names.split(',').collect();
        let first = place
            .read("own.csv")
            .lines()
            .next()
            .unwrap()
            .replace('"', "");
        assert_eq!(first, format!("index,{names}"));
        place.json("evaluate --predictions own.csv --labels labels.csv");
        place.json("ensemble own.csv own.csv --out mean.npy");
        place.json("ensemble mean.npy own.csv --out mean.csv.gz");
        let facts = place.json("submit mean.csv.gz --sample sample.csv --out sub.csv");
        assert_eq!(facts["labels"], json!(written.len()));
        assert_eq!(place.read("sub.csv").lines().count(), 13);
        place.json("evaluate --predictions sub.csv --labels labels.csv");
    }
    // Decisions and fitted weights need more images than are worth training on.
    let many = table("id,0,1,2", 240, |row| row.to_string());
    let probabilities = many
        .replace(",0", ",0.25")
        .replace(",1", ",0.75")
        .replace("0.25,0.75,2", "0,1,2");
    let header = "id,0,1,2\n";
    let rows = probabilities.split_once('\n').unwrap().1;
    place
        .write("many.csv", &many)
        .write("many_probs.csv", format!("{header}{rows}"));
    place.json("decide --predictions many_probs.csv --labels many.csv --out decision.json");
    place.json("submit many_probs.csv --sample many.csv --decision decision.json --out sub.csv");
    place.json("ensemble many_probs.csv many_probs.csv --fit many.csv --out fitted.csv");
}

#[test]
fn ids_meet_in_every_verb_and_what_was_overlooked_is_said() {
    let place = Place::new("ids_meet");
    images(&place, "pics", 6);
    /// Writes the id of an image.
    type Id = fn(u32) -> String;
    let written: [(&str, Id, &str); 7] = [
        ("int", |row| row.to_string(), "without their leading zeros"),
        (
            "float",
            |row| format!("{row}.0"),
            "without their leading zeros",
        ),
        (
            "upper",
            |row| format!("{row:05}.PNG"),
            "with another extension",
        ),
        (
            "jpg",
            |row| format!("{row:05}.jpg"),
            "with another extension",
        ),
        (
            "path",
            |row| format!("pics/{row:05}.png"),
            "without their folders",
        ),
        ("dot", |row| format!("./{row:05}"), ""),
        (
            "windows",
            |row| format!("C:\\pics\\{row:05}.png"),
            "without their folders",
        ),
    ];
    let plain = table("id,a,b,c", 6, |row| format!("{row:05}"));
    let values = plain.replace(",1", ",0.75");
    place.write("plain.csv", &plain).write("probs.csv", values);
    for (name, id, note) in written {
        let text = table("id,a,b,c", 6, id);
        let groups = (0..6).map(|row| format!("{},p{}\n", id(row), row / 2));
        place.write("labels.csv", &text).write(
            "groups.csv",
            format!("id,patient\n{}", groups.collect::<String>()),
        );
        for verb in [
            format!("pack --images pics --labels labels.csv --out pack_{name}"),
            format!(
                "folds --data plain.csv --kind group --group patient --groups groups.csv --k 3 --out f_{name}.json"
            ),
            "evaluate --predictions probs.csv --labels labels.csv".to_owned(),
            "ensemble labels.csv probs.csv --out mean.csv".to_owned(),
            "submit probs.csv --sample labels.csv --out sub.csv".to_owned(),
        ] {
            let outcome = place.soup(&verb);
            assert_eq!(outcome.code, 0, "{name}: {verb}: {}", outcome.stderr);
            // The data looks for its ids among the groups', which may leave out more; ids of a table have no extension.
            let note = match verb.split(' ').next() {
                Some("pack") => note,
                Some("folds") => "",
                _ => note.trim_end_matches("with another extension"),
            };
            let said = &outcome.stderr;
            assert!(said.contains(note), "{name}: {verb}: {said}");
            let times = said.matches("were matched").count();
            assert_eq!(times, usize::from(name != "dot"), "{name}: {verb}: {said}");
        }
        // The sample's own ids stay.
        let submitted = place.read("sub.csv");
        let ids = |text: &str| -> Vec<String> {
            text.lines()
                .map(|line| line.split(',').next().unwrap().to_owned())
                .collect()
        };
        assert_eq!(ids(&submitted), ids(&text));
        assert_eq!(submitted, text, "the answers are the labels");
    }
    place
        .write("doubt.csv", plain.clone() + "0,1,1,1\n")
        .write("ab.csv", "id,a,b,c\na/0,0,0,0\nb/0,0,0,0\n");
    let message = place.failure(3, "pack --images pics --labels doubt.csv --out doubt");
    assert!(
        message.contains("doubt.csv, row 8: `0` and `00000` (row 2) both mean pics/00000.png"),
        "{message}"
    );
    let message = place.failure(3, "pack --images pics --labels ab.csv --out doubt");
    assert!(
        message.contains("`b/0` and `a/0` (row 2) both mean"),
        "{message}"
    );
    let message = place.failure(3, "submit probs.csv --sample doubt.csv --out sub2.csv");
    assert!(
        message.contains("`00000` and `0` both mean `00000` of probs.csv"),
        "{message}"
    );
}

#[test]
fn everything_wrong_with_labels_and_groups_is_named_at_once() {
    let place = Place::new("all_at_once");
    images(&place, "pics", 4);
    let rows = (0..130).map(|row| format!("{row},{}\n", if row % 2 == 0 { "x" } else { "1" }));
    place
        .write("cells.csv", format!("id,a\n{}", rows.collect::<String>()))
        .write("gone.csv", table("id,a,b,c", 130, |row| row.to_string()))
        .write("two.csv", "id,a\n0,x\n1,-2\n")
        .write("g.csv", "id,g\n0,\n1,nan\n2,p\n3,p\n");
    let message = place.failure(3, "pack --images pics --labels cells.csv --out p");
    assert!(
        message.starts_with("error: 191 problems:\n  cells.csv, row 2 (image `0`)"),
        "{message}"
    );
    // Images that are missing come with the wrong cells.
    let cells = message
        .lines()
        .filter(|line| line.contains("label `a` is `x`"));
    assert_eq!(cells.count(), 65);
    let message = place.failure(3, "pack --images pics --labels gone.csv --out p");
    assert!(message.starts_with("error: 126 problems:"), "{message}");
    assert!(message.ends_with("\n  and 26 more\n"), "{message}");
    let outcome = place.soup("pack --images pics --labels two.csv --out p --json");
    let object: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(object["problems"].as_array().unwrap().len(), 2, "{object}");
    assert_eq!(object["exit_code"], 3);
    place.write("l.csv", table("id,a,b,c", 4, |row| row.to_string()));
    let message = place.failure(
        3,
        "folds --data l.csv --kind group --group g --groups g.csv --k 2 --out f.json",
    );
    assert!(
        message.contains("g.csv, row 2: `g` of image `0` is blank"),
        "{message}"
    );
    assert!(
        message.contains("g.csv, row 3: `g` of image `1` is `nan`"),
        "{message}"
    );
    let rows = (0..300).map(|row| format!("{row},{}\n", if row < 140 { 2 } else { 0 }));
    place.write("p.csv", format!("id,a\n{}", rows.collect::<String>()));
    let message = place.failure(3, "ensemble p.csv --out e.csv");
    assert!(message.starts_with("error: 140 problems:"), "{message}");
}

#[test]
fn odd_groups_and_folds_are_warned_of() {
    let place = Place::new("odd_groups");
    let groups =
        (0..12).map(|row| format!("{row},{}\n", ["P1", "p01", "p1", "q", "r"][row.min(4)]));
    place
        .write(
            "l.csv",
            "id,a,rare\n".to_owned()
                + &(0..12)
                    .map(|row| format!("{row},{},{}\n", row % 2, row / 11))
                    .collect::<String>(),
        )
        .write("g.csv", format!("id,g\n{}", groups.collect::<String>()));
    let outcome =
        place.soup("folds --data l.csv --kind group --group g --groups g.csv --k 3 --out f.json");
    assert_eq!(outcome.code, 0);
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    assert_eq!(
        lines,
        [
            "groups `P1`, `p01`, `p1` differ only in case, spaces or zeros and are kept apart; write them alike if they \
             are one",
            "1 of 3 folds hold out no image with label `a`, of which there are 6",
            "2 of 3 folds hold out no image with label `rare`, of which there are 1",
            "group `r` holds 8 of 12 images, more than a fold of 4: folds differ in size",
        ]
    );
    let facts = place.json("folds --data l.csv --kind stratified --k 12 --out s.json");
    assert_eq!(facts["sizes"], json!([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]));
    for k in [0, 1, 13] {
        let verb = format!("folds --data l.csv --kind stratified --k {k} --out k.json");
        let message = place.failure(2, &verb);
        assert!(message.contains("give 2 to 12"), "{message}");
    }
}

#[test]
fn names_of_labels_meet_in_both_unicode_forms() {
    let place = Place::new("unicode_labels");
    let (composed, apart) = (
        "\u{e9}t\u{e9},b,\u{d55c}",
        "e\u{301}te\u{301},b,\u{1112}\u{1161}\u{11ab}",
    );
    let rows = table("", 16, |row| row.to_string());
    place
        .write("labels.csv", format!("id,{composed}{rows}"))
        .write("probs.csv", format!("id,{apart}{rows}"))
        .write(
            "twice.csv",
            format!(
                "id,{composed},e\u{301}te\u{301}{}",
                rows.replace(",0\n", ",0,0\n").replace(",1\n", ",1,0\n")
            ),
        );
    let facts = place.json("evaluate --predictions probs.csv --labels labels.csv");
    assert_eq!(facts["accuracy"], 1.0);
    place.json("ensemble probs.csv labels.csv --out both.csv");
    let facts = place.json(
        "evaluate --predictions probs.csv --labels labels.csv --threshold 0.5,\u{e9}t\u{e9}=1",
    );
    assert!(facts["accuracy"].as_f64().unwrap() < 1.0);
    // What is handed in is written as the sample has it.
    place.write("sample.csv", format!("id,{composed}{rows}"));
    place.json("submit probs.csv --sample sample.csv --out out.csv");
    assert!(
        place
            .read("out.csv")
            .starts_with(&format!("id,{composed}\n"))
    );
    let said = place.failure(3, "evaluate --predictions probs.csv --labels twice.csv");
    assert!(said.contains("two columns are called"), "{said}");
    images(&place, "pics", 16);
    let facts =
        place.json("pack --images pics --labels labels.csv --ignore e\u{301}te\u{301} --out pack");
    assert_eq!(facts["labels"], 2);
}
