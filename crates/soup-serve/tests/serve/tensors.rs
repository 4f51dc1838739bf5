//! The Open Inference Protocol's tensors, as JSON and as bytes.

use serde_json::{Value, json};

use crate::client::Response;
use crate::models::{Running, SHAPE, pixels, png, toy};

const PATH: &str = "/v2/models/toy/infer";

fn request(data: Value, shape: &[usize]) -> Value {
    json!({"id": "7", "inputs": [
        {"name": "pictures", "datatype": "UINT8", "shape": shape, "data": data},
    ]})
}

fn infer(server: &Running, request: &Value) -> Response {
    server.client.post(PATH, request.to_string().as_bytes())
}

fn binary(server: &Running, json: &Value, bytes: &[u8]) -> Response {
    let mut body = json.to_string().into_bytes();
    let length = body.len().to_string();
    body.extend_from_slice(bytes);
    let headers = [("inference-header-content-length", length.as_str())];
    server.client.send("POST", PATH, &headers, &body)
}

#[test]
fn json_and_bytes_say_what_predict_says() {
    let server = toy();
    let expected: Vec<Value> = (1..3)
        .flat_map(|number| {
            let answer = server.client.post("/predict", &png(SHAPE, number)).good();
            let answers = answer["pictures"][0]["answers"].as_array().unwrap().clone();
            answers
                .into_iter()
                .map(|answer| answer["probability"].clone())
        })
        .collect();
    let both = [pixels(SHAPE, 1), pixels(SHAPE, 2)].concat();
    let answer = infer(&server, &request(json!(both), &[2, 24, 16, 1])).good();
    assert_eq!(
        (&answer["model_name"], &answer["id"]),
        (&json!("toy"), &json!("7"))
    );
    assert_eq!(answer["outputs"][0]["name"], "probabilities");
    assert_eq!(answer["outputs"][0]["shape"], json!([2, 3]));
    assert_eq!(answer["outputs"][0]["data"], Value::from(expected.clone()));
    // Nested arrays are the same.
    let rows: Vec<&[u8]> = both.chunks(16).collect();
    let nested: Vec<&[&[u8]]> = rows.chunks(24).collect();
    let again = infer(&server, &request(json!(nested), &[2, 24, 16, 1])).good();
    assert_eq!(again, answer);

    // Bytes in, bytes and JSON out.
    let json = json!({
        "inputs": [{"name": "pictures", "datatype": "UINT8", "shape": [2, 24, 16, 1],
            "parameters": {"binary_data_size": both.len()}}],
        "outputs": [
            {"name": "probabilities", "parameters": {"binary_data": true}},
            {"name": "maps", "parameters": {"binary_data": false}},
        ],
    });
    let response = binary(&server, &json, &both);
    assert_eq!(response.status, 200);
    let length = response.header("inference-header-content-length").unwrap();
    let (text, bytes) = response.body.split_at(length.parse().unwrap());
    let answer: Value = serde_json::from_slice(text).unwrap();
    assert_eq!(answer["outputs"][0]["parameters"]["binary_data_size"], 24);
    assert_eq!(answer["outputs"][1]["shape"], json!([2, 3, 24, 16]));
    assert_eq!(
        answer["outputs"][1]["data"].as_array().unwrap().len(),
        2 * 3 * 24 * 16
    );
    assert!(answer.get("id").is_none());
    let values = bytes
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes(four.try_into().unwrap()));
    let expected = expected.iter().map(|value| value.as_f64().unwrap() as f32);
    assert_eq!(values.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

#[test]
fn what_makes_no_sense_is_named() {
    let server = toy();
    let good = json!(pixels(SHAPE, 1));
    let with = |key: &str, value: Value| {
        let mut request = request(good.clone(), &[1, 24, 16, 1]);
        request["inputs"][0][key] = value;
        request
    };
    let mut outputs = request(good.clone(), &[1, 24, 16, 1]);
    outputs["outputs"] = json!([{"name": "logits"}]);
    let mut twice = request(good.clone(), &[1, 24, 16, 1]);
    twice["outputs"] = json!([{"name": "maps"}, {"name": "maps"}]);
    let mut classes = request(good.clone(), &[1, 24, 16, 1]);
    classes["outputs"] = json!([{"name": "maps", "parameters": {"classification": 3}}]);
    let cases = [
        (json!({}), "missing field `inputs`"),
        (
            json!({"inputs": []}),
            "0 inputs; the model has one, `pictures`",
        ),
        (
            with("name", json!("image")),
            "the input must be `pictures`, UINT8, of shape N x 24 x 16 x 1",
        ),
        (with("datatype", json!("FP32")), "the input must be"),
        (with("shape", json!([1, 16, 24, 1])), "the input must be"),
        (with("shape", json!([0, 24, 16, 1])), "the input must be"),
        (with("shape", json!([-1, 24, 16, 1])), "expected u64"),
        (
            with("shape", json!([2, 24, 16, 1])),
            "384 values, and the shape wants 768",
        ),
        (with("data", json!([1, 2, 256])), "256 is above 255"),
        (
            with("data", json!([1, -2])),
            "expected whole numbers from 0 to 255",
        ),
        (
            with("data", json!([1, 2.5])),
            "expected whole numbers from 0 to 255",
        ),
        (
            with("data", json!(["a"])),
            "expected whole numbers from 0 to 255",
        ),
        (
            with("data", json!([good, [1]])),
            "more than the 384 values of the shape",
        ),
        (with("data", Value::Null), "the input has no data"),
        (
            with("parameters", json!({"binary_data_size": 384})),
            "both data and a binary_data_size",
        ),
        (
            with("parameters", json!({"shared_memory_region": "x"})),
            "unknown field",
        ),
        (outputs, "the model has no output `logits`"),
        (twice, "the output `maps` twice"),
        (classes, "unknown field `classification`"),
    ];
    for (request, problem) in cases {
        let response = infer(&server, &request);
        assert_eq!(response.status, 400, "{problem}: {}", response.problem());
        assert!(
            response.problem().contains(problem),
            "{problem}: {}",
            response.problem()
        );
    }
    // As deep as JSON can be.
    let deep = format!(
        r#"{{"inputs": [{{"name": "pictures", "datatype": "UINT8", "shape": [1, 24, 16, 1], "data": {}{}}}]}}"#,
        "[".repeat(5000),
        "]".repeat(5000)
    );
    assert_eq!(server.client.post(PATH, deep.as_bytes()).status, 400);
    assert_eq!(
        infer(&server, &with("shape", json!([33, 24, 16, 1]))).status,
        413
    );
    assert_eq!(
        infer(&server, &with("shape", json!([u64::MAX, 24, 16, 1]))).status,
        413
    );

    let json = json!({"inputs": [{"name": "pictures", "datatype": "UINT8", "shape": [1, 24, 16, 1],
        "parameters": {"binary_data_size": 384}}]});
    let response = binary(&server, &json, &[0; 383]);
    assert_eq!(
        response.problem(),
        "the shape wants 384 bytes, binary_data_size says 384, and 383 follow the JSON"
    );
    let response = binary(&server, &with("id", json!("x")), &[0; 4]);
    assert!(
        response
            .problem()
            .contains("no input has a binary_data_size"),
        "{}",
        response.problem()
    );
    for length in ["9999", "-1", "x"] {
        let headers = [("inference-header-content-length", length)];
        let response = server.client.send("POST", PATH, &headers, b"{}");
        assert!(
            response.problem().contains("at most 2"),
            "{}",
            response.problem()
        );
    }
}
