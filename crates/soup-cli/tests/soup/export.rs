//! `export`: files for production.

use std::fs;

use crate::place::Place;

/// Two folds of a network so small that they are trained in a second.
const TINY: &str = "--preset quick folds.k=2 model.name=soup_nano train.batch=8 train.epochs=1 \
    train.threads=1";

pub fn trained(test: &str) -> Place {
    let place = Place::new(test);
    place.json("compose --count 16 --seed 3 --out set compose.width=64 compose.height=72 compose.side=[8,20]");
    place.json("pack --data set --out pack");
    place.json(&format!("train {TINY} --data pack --out run"));
    place
}

#[test]
fn a_model_file_answers_as_its_run_does() {
    let place = trained("export");
    let facts = place.json("export run --out model.soup");
    assert_eq!(facts["networks"].as_array().unwrap().len(), 2);
    assert_eq!(facts["picture"], serde_json::json!([72, 64, 1]));
    assert!(facts["networks"][1]["valid_accuracy"].as_f64().unwrap() > 0.3);
    place.json("export run --out again.soup");
    let bytes = |name: &str| fs::read(place.path(name)).unwrap();
    assert_eq!(bytes("model.soup"), bytes("again.soup"));

    place.json("predict run --images set --out of_run.csv");
    place.json("predict model.soup --images set --out of_model.csv");
    assert_eq!(place.read("of_model.csv"), place.read("of_run.csv"));
    // Members of one file, folds of a run: the same networks.
    place.json("export run --fold 0 --out zero.soup");
    place.json("export run --fold 1 --out one.soup");
    place.json("predict zero.soup one.soup --images set --out of_both.csv");
    assert_eq!(place.read("of_both.csv"), place.read("of_run.csv"));
    place.json("export zero.soup one.soup --out both.soup");
    place.json("predict both.soup --images set --out of_both.csv");
    assert_eq!(place.read("of_both.csv"), place.read("of_run.csv"));

    // Weights are the run's own, and are a model file like it.
    place.json("export run --fold 1 --out one.safetensors");
    assert_eq!(
        bytes("one.safetensors"),
        bytes("run/fold1/model.safetensors")
    );
    // The same ONNX from the run and from its model file.
    place.json("export run --out run.onnx --maps");
    place.json("export model.soup --out model.onnx --maps");
    assert_eq!(bytes("run.onnx"), bytes("model.onnx"));
    place.json("export run --out model.bin --format onnx --maps");
    assert_eq!(bytes("model.bin"), bytes("model.onnx"));

    // Another precision is another file with nearly the same answers, and there and back is the same file.
    place.json("export run --out single.soup --precision f32");
    place.json("export run --out half.soup --precision bf16");
    let answers = |model: &str| -> Vec<f64> {
        let facts = place.json(&format!("predict {model} --images set"));
        let rows = facts["probabilities"].as_array().unwrap();
        let values = rows
            .iter()
            .flat_map(|row| row["probabilities"].as_array().unwrap());
        values.map(|value| value.as_f64().unwrap()).collect()
    };
    let (single, half) = (answers("single.soup"), answers("half.soup"));
    assert_eq!((single.len(), half.len()), (16 * 26, 16 * 26));
    let apart = (single.iter().zip(&half)).fold(0.0f64, |most, (a, b)| most.max((a - b).abs()));
    assert!(apart > 0.0 && apart < 0.02, "{apart}");
    place.json("export half.soup --out back.soup --precision f32");
    assert_eq!(bytes("back.soup"), bytes("single.soup"));
    // Weights in half precision: half the size, and nearly the same answers; once rounded they stay as they are.
    place.json("export single.soup --out small.soup --half");
    place.json("export small.soup --out again.soup");
    assert_eq!(bytes("again.soup"), bytes("small.soup"));
    let (whole, small) = (bytes("single.soup").len(), bytes("small.soup").len());
    assert!(small < whole * 6 / 10, "{small} of {whole}");
    let apart = (single.iter().zip(answers("small.soup")))
        .fold(0.0f64, |most, (a, b)| most.max((a - b).abs()));
    assert!(apart > 0.0 && apart < 0.005, "{apart}");

    let text = place
        .soup("export run --fold 0 --out model.soup --threshold 0.4,a=0.6")
        .stdout;
    assert!(
        text.contains("1 networks, 26 labels, images of 64x72 grey as model.soup"),
        "{text}"
    );
    assert!(text.contains("next: soup predict model.soup"), "{text}");
}

#[test]
fn what_cannot_be_exported_is_named() {
    let place = trained("export_bad");
    place.json(&format!(
        "train {TINY} --data pack --out plain model.head=linear"
    ));
    place.json("export run --out model.soup");
    let model = fs::read(place.path("model.soup")).unwrap();
    place
        .write("nothing.soup", "")
        .write("half.soup", &model[..model.len() / 2])
        .write(
            "other.soup",
            "PK\x03\x04 some other file, long enough for a header",
        );
    let cases = [
        (3, "export nowhere --out m.soup"),
        (3, "export set --out m.soup"),
        (2, "export run --out m.pt"),
        (2, "export run --out m"),
        (2, "export run --fold 2 --out m.soup"),
        (2, "export run --out m.safetensors"),
        (2, "export model.soup --out m.safetensors"),
        (2, "export run --out m.soup --maps"),
        (2, "export plain --out m.onnx --maps"),
        (2, "export run --out m.onnx --precision f32"),
        (2, "export run --out m.soup --precision f16"),
        (2, "export run --out m.onnx --half"),
        (2, "export run --out m.soup --threshold 0.5,aa=0.1"),
        (2, "export run --out m.soup --image 256"),
        (2, "export run --out m.soup --image 72x64x5"),
        (3, "export run --out m.soup --image 72x64x3"),
        (1, "export model.soup --out m.onnx --image 72x64x3"),
        (2, "export run --out half.soup/m.soup"),
        (3, "predict nothing.soup --images set --out o.csv"),
        (3, "predict half.soup --images set --out o.csv"),
        (3, "predict other.soup --images set --out o.csv"),
        (2, "export --out m.soup"),
    ];
    let mut table = String::new();
    for (code, arguments) in cases {
        table.push_str(&format!(
            "$ soup {arguments}\n[{code}] {}\n",
            place.failure(code, arguments)
        ));
    }
    insta::assert_snapshot!("bad_exporting", table);
    assert!(!place.files().iter().any(|name| name.starts_with("m.")));
}
