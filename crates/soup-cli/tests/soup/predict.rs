//! `predict`: from a run and images to a submission.

use crate::place::{Place, contest_data};

const TINY: &str = "--preset quick data.compose_share=1 data.composed=16 data.composed_valid=8 \
    model.name=repvgg_nano train.batch=8 train.epochs=1";

/// The model that the program carries, on letters from strokes, which it was not trained on.
#[test]
fn letters_answer_in_a_fresh_place() {
    let place = Place::new("predict-letters");
    place.json("compose --count 40 --seed 5 --out set");
    let printed = place
        .soup("predict letters --images set --threads 1")
        .stdout;
    place.write("probs.csv", &printed);
    let score = place.json("evaluate --predictions probs.csv --labels set/answer.csv");
    let accuracy = score["accuracy"].as_f64().unwrap();
    // Saying no to everything has .54.
    assert!(accuracy > 0.65, "{accuracy}");

    let facts = place.json("predict letters --images set --threads 1");
    assert_eq!(facts["probabilities"].as_array().unwrap().len(), 40);
    place.json("predict letters --images set --threads 1 --out file.csv");
    assert_eq!(place.read("file.csv"), printed);
    place.json("export letters --out letters.onnx");
    // A file of that name comes first.
    place.write("letters", "no model");
    assert!(
        place
            .failure(3, "predict letters --images set")
            .contains("letters")
    );
}

#[test]
fn a_run_answers_for_a_folder_and_the_answers_become_a_submission() {
    let place = Place::new("predict");
    place.json(&format!("train {TINY} --out run"));
    place.json("compose --count 5 --seed 3 --out set");
    let facts = place.json("predict run --images set --out probs.csv");
    assert_eq!(
        (&facts["pictures"], &facts["labels"]),
        (&5.into(), &26.into())
    );
    assert_eq!(facts["models"].as_array().unwrap().len(), 1);
    place.json("evaluate --predictions probs.csv --labels set/answer.csv");

    // A model file, a plain folder of images, another batch: the same probabilities.
    place.json(
        "predict run/fold0/model.safetensors --images set/images --out again.csv --batch 2 --threads 1",
    );
    let values = |name: &str| {
        let text = place.read(name);
        text.lines()
            .skip(1)
            .map(|line| line.split_once(',').unwrap().1.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(values("again.csv"), values("probs.csv"));
    // From a pack too; its folds are the folder's.
    let pack = place.json("pack --data set --out pack");
    assert_eq!(
        (&pack["pictures"], &pack["labels"]),
        (&5.into(), &26.into())
    );
    assert_eq!(pack["shape"], serde_json::json!([256, 256, 1]));
    place.json("predict run --images pack --out packed.csv");
    assert_eq!(values("packed.csv"), values("probs.csv"));
    let folds = ["set", "pack", "set/answer.csv"].map(|data| {
        place.json(&format!(
            "folds --data {data} --k 2 --out {}.json",
            data.replace('/', "_")
        ))
    });
    assert_eq!(folds[0]["data_hash"], folds[1]["data_hash"]);
    assert_eq!(folds[0]["data_hash"], folds[2]["data_hash"]);
    // The same model twice is the same mean.
    place.json("predict run run --images set --out twice.npy");
    place.json("ensemble twice.npy --out twice.csv");
    assert_eq!(values("twice.csv"), values("probs.csv"));

    let header = place
        .read("set/answer.csv")
        .lines()
        .next()
        .unwrap()
        .to_owned();
    let rows: String = (0..5)
        .rev()
        .map(|row| format!("{row}{}\r\n", ",0".repeat(26)))
        .collect();
    place.write("sample.csv", format!("{header}\r\n{rows}"));
    place.json("submit probs.csv --sample sample.csv --out submission.csv");
    assert!(
        place
            .read("submission.csv")
            .lines()
            .nth(1)
            .unwrap()
            .starts_with("4,")
    );

    place
        .write("nothing/readme.txt", "no images")
        .write("broken/00000.png", "no image");
    let cases = [
        (3, "predict nowhere --images set --out o.csv"),
        (3, "predict set --images set --out o.csv"),
        (3, "predict set/answer.csv --images set --out o.csv"),
        (2, "predict run --fold 1 --images set --out o.csv"),
        (3, "predict run --images nowhere --out o.csv"),
        (3, "predict run --images nothing --out o.csv"),
        (3, "predict run --images broken --out o.csv"),
        (2, "predict --images set --out o.csv"),
        (2, "pack --out o"),
        (3, "pack --data nothing --out o"),
        (3, "pack --data broken --out o"),
        (3, "pack --images set/images --labels nowhere.csv --out o"),
        (3, "pack --data set --id nothing --out o"),
        (2, "pack --data set --channels blue --out o"),
    ];
    let mut table = String::new();
    for (code, arguments) in cases {
        table.push_str(&format!(
            "$ soup {arguments}\n[{code}] {}\n",
            place.failure(code, arguments)
        ));
    }
    insta::assert_snapshot!("bad_predicting", table);
}

#[test]
#[ignore = "needs the contest's files"]
fn the_two_real_images_meet_their_real_answers() {
    let data = contest_data();
    let place = Place::new("predict_real");
    place.json(&format!("train {TINY} --out run"));
    let images = data.join("dirty_mnist_2nd_images");
    let answer = data.join("dirty_mnist_2nd_labels/dirty_mnist_2nd_answer.csv.gz");
    place.json(&format!(
        "predict run --images {} --out probs.csv",
        images.display()
    ));
    let facts = place.json(&format!(
        "evaluate --predictions probs.csv --labels {}",
        answer.display()
    ));
    assert_eq!(facts["pictures"], 2);
    assert_eq!(facts["pictures_not_predicted"], 49_998);
}
