//! What is answered to requests that make sense.

use std::{sync::atomic::AtomicBool, thread};

use serde_json::{Value, json};
use soup_data::dataset::{Channels, Columns, Dataset};
use soup_model::{PredictOptions, Predictor};

use crate::models::{Running, SHAPE, model, options, png, toy};

/// The probabilities of every image of an answer.
fn probabilities(answer: &Value) -> Vec<Vec<f32>> {
    let images = answer["pictures"].as_array().unwrap().iter();
    let values = images.map(|image| {
        let answers = image["answers"].as_array().unwrap().iter();
        let values = answers.map(|answer| answer["probability"].as_f64().unwrap() as f32);
        values.collect()
    });
    values.collect()
}

#[test]
fn every_address_answers() {
    let server = toy();
    let client = &server.client;
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/openapi.json", "application/json"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
    ] {
        let response = client.get(path);
        assert_eq!(response.status, 200, "{path}");
        assert_eq!(response.header("content-type"), Some(kind), "{path}");
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    }
    let policy = client.get("/");
    let policy = policy.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");

    assert_eq!(client.get("/v2/health/live").good(), json!({"live": true}));
    assert_eq!(
        client.get("/v2/health/ready").good(),
        json!({"ready": true})
    );
    let server_facts = client.get("/v2").good();
    assert_eq!(server_facts["name"], "soup");
    let ready = client.get("/v2/models/toy/versions/1/ready").good();
    assert_eq!(ready, json!({"name": "toy", "ready": true}));
    let facts = client.get("/v2/models/toy").good();
    assert_eq!(facts["inputs"][0]["shape"], json!([-1, 24, 16, 1]));
    assert_eq!(facts["outputs"][1]["shape"], json!([-1, 3, 24, 16]));
    assert_eq!(facts["parameters"]["labels"], json!(["cat", "dog", "owl"]));
    assert_eq!(facts["parameters"]["thresholds"], json!([0.5, 0.25, 0.75]));
    assert_eq!(facts["parameters"]["samples"], false);
    let index = client.post("/v2/repository/index", b"").good();
    assert_eq!(index[0]["name"], "toy");
}

#[test]
fn every_address_is_in_the_description() {
    let server = toy();
    let description = server.client.get("/openapi.json").good();
    let paths = description["paths"].as_object().unwrap();
    for (path, methods) in paths {
        let path = path
            .replace("{model}", "toy")
            .replace("{version}", "1")
            .replace("{number}", "7");
        for method in methods.as_object().unwrap().keys() {
            let response = server.client.send(&method.to_uppercase(), &path, &[], b"");
            let known = methods[method]["responses"].as_object().unwrap();
            let status = response.status.to_string();
            assert!(known.contains_key(&status), "{method} {path}: {status}");
            // A sample of letters is nothing for this model; all else is there.
            let is_there = response.status != 404 || path.starts_with("/sample/");
            assert!(
                is_there && response.status != 405,
                "{method} {path}: {status}"
            );
        }
    }
}

/// An image that was taken sideways has the size and the maps that a browser shows it with.
#[test]
fn images_stand_upright() {
    let server = toy();
    let fixtures = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../soup-data/tests/fixtures/orientations"
    );
    for (number, sides) in [(1, [24, 40]), (3, [24, 40]), (6, [40, 24]), (8, [40, 24])] {
        let file = std::fs::read(format!("{fixtures}/jpeg_{number}.jpg")).unwrap();
        let answer = server.client.post("/predict?maps=true", &file).good();
        let image = &answer["pictures"][0];
        assert_eq!([&image["height"], &image["width"]], sides);
        let maps = &image["maps"];
        assert_eq!([&maps["rows"], &maps["columns"]], sides);
    }
}

#[test]
fn answers_are_those_of_predict_alone_and_together() {
    let network = model(SHAPE, 3, 20, 5);
    let server = Running::new(&network, options());
    let folder = server.folder.path().join("pictures");
    std::fs::create_dir(&folder).unwrap();
    let files: Vec<Vec<u8>> = (0..21).map(|number| png(SHAPE, number)).collect();
    for (number, file) in files.iter().enumerate() {
        std::fs::write(folder.join(format!("{number}.png")), file).unwrap();
    }
    let predictor = Predictor::open(&[server.folder.path().join("toy.soup")], None).unwrap();
    let dataset = Dataset::open(&folder, &Columns::default()).unwrap();
    let examples = dataset.examples(Channels::default(), None).unwrap();
    let indices: Vec<u64> = (0..21).collect();
    let expected = predictor.predict(
        &examples,
        &indices,
        &PredictOptions::default(),
        &mut |_, _| {},
        &AtomicBool::new(false),
    );
    let expected = expected.unwrap();
    let expected: Vec<&[f32]> = expected.chunks_exact(3).collect();
    let spread = expected.iter().map(|values| values[0]);
    assert!(spread.clone().fold(0.0, f32::max) - spread.fold(1.0, f32::min) > 1e-4);

    // One request after the other.
    for (file, expected) in files.iter().zip(&expected) {
        let answer = server.client.post("/predict", file).good();
        assert_eq!(probabilities(&answer)[0], *expected);
        // Whoever asks for maps too gets the same probabilities.
        let answer = server.client.post("/predict?maps=true", file).good();
        assert_eq!(probabilities(&answer)[0], *expected);
    }
    // All in one request: two batches of 8 and 5 single images.
    let form: Vec<(&str, Vec<u8>)> = files.iter().map(|file| ("a.png", file.clone())).collect();
    let answer = server.client.form("/predict", &form).good();
    assert_eq!(probabilities(&answer), expected);
    // Many at once.
    thread::scope(|scope| {
        for _ in 0..3 {
            for (file, expected) in files.iter().zip(&expected) {
                let client = &server.client;
                scope.spawn(move || {
                    let answer = client.post("/predict", file).good();
                    assert_eq!(probabilities(&answer)[0], *expected);
                });
            }
        }
    });
}

#[test]
fn thresholds_names_and_maps_come_with_the_answer() {
    let server = toy();
    let answer = server.client.post("/predict", &png(SHAPE, 1)).good();
    assert_eq!(answer["model"], "toy");
    let image = &answer["pictures"][0];
    assert_eq!(
        (&image["name"], &image["height"]),
        (&Value::Null, &json!(24))
    );
    assert!(image.get("maps").is_none());
    for (place, (label, threshold)) in [("cat", 0.5), ("dog", 0.25), ("owl", 0.75)]
        .into_iter()
        .enumerate()
    {
        let answer = &image["answers"][place];
        assert_eq!(
            (&answer["label"], &answer["threshold"]),
            (&json!(label), &json!(threshold))
        );
        let probability = answer["probability"].as_f64().unwrap();
        assert_eq!(answer["found"], probability > threshold);
    }
    for (threshold, found) in [("0", true), ("1", false)] {
        let path = format!("/predict?model=toy&threshold={threshold}&maps=true");
        let images = [("b.png", png(SHAPE, 1)), ("c.png", png(SHAPE, 2))];
        let answer = server.client.form(&path, &images).good();
        let image = &answer["pictures"][1];
        assert_eq!(image["name"], "c.png");
        assert_eq!(image["answers"][2]["found"], found);
        let maps = &image["maps"];
        assert_eq!((&maps["rows"], &maps["columns"]), (&json!(24), &json!(16)));
        assert_eq!(maps["values"].as_array().unwrap().len(), 3);
        // The probability is a smooth maximum of the map: between its mean and its maximum.
        for label in 0..3 {
            let cells: Vec<f64> = maps["values"][label]
                .as_array()
                .unwrap()
                .iter()
                .map(|cell| cell.as_f64().unwrap())
                .collect();
            assert_eq!(cells.len(), 24 * 16);
            let most = cells.iter().copied().fold(0.0, f64::max);
            let probability = image["answers"][label]["probability"].as_f64().unwrap();
            assert!(probability <= most + 1e-6, "{probability} {most}");
        }
    }
}

#[test]
fn images_of_other_shapes_are_answered_where_the_network_can() {
    let server = toy();
    let shape = |height, width, channels| soup_data::ImageShape {
        height,
        width,
        channels,
    };
    // Larger, smaller, and the model's own again.
    for (height, width) in [(30, 20), (8, 8), (24, 16), (30, 20), (12, 40)] {
        let answer = server
            .client
            .post("/predict", &png(shape(height, width, 1), 1))
            .good();
        assert_eq!(answer["pictures"][0]["width"], width);
    }
    // More than four times the values that it was made for would take memory without end.
    let response = server.client.post("/predict", &png(shape(240, 160, 1), 1));
    assert_eq!(response.status, 422);
    assert!(
        response
            .problem()
            .contains("too large for it; scale it down"),
        "{}",
        response.problem()
    );
}

#[test]
fn a_model_is_read_again_without_losing_a_request() {
    let (first, second) = (model(SHAPE, 1, 4, 1), model(SHAPE, 1, 4, 2));
    let server = Running::new(&first, options());
    let path = server.folder.path().join("toy.soup");
    let ask = || probabilities(&server.client.post("/predict", &png(SHAPE, 1)).good()).remove(0);
    let of_first = ask();
    second.write(&path).unwrap();
    assert_eq!(ask(), of_first);
    assert_eq!(
        server
            .client
            .post("/v2/repository/models/toy/load", b"{}")
            .status,
        200
    );
    let of_second = ask();
    assert_ne!(of_first, of_second);
    // A bad file leaves the model as it is.
    std::fs::write(&path, b"no model").unwrap();
    let response = server.client.post("/v2/repository/models/toy/load", b"");
    assert_eq!(response.status, 422);
    assert!(response.problem().ends_with("the model stays as it was"));
    assert_eq!(ask(), of_second);
    // Under load every answer is one of the two models', and none is missing.
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..40 {
                    let answer = ask();
                    assert!(answer == of_first || answer == of_second);
                }
            });
        }
        for number in 0..10 {
            let model = if number % 2 == 0 { &first } else { &second };
            model.write(&path).unwrap();
            server.handle.reload();
        }
    });
    assert_eq!(ask(), of_second);
}
