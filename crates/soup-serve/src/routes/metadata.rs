//! What the server and its models are, in the Open Inference Protocol's words.

use axum::{extract::State, response::Response};
use serde_json::{Value, json};
use soup_model::{IMAGES, MAPS, PROBABILITIES};

use super::{App, ModelPath, VERSION, check_version, json as answer};
use crate::{Refusal, models::Served};

/// `GET /v2`.
pub async fn server() -> Response {
    answer(&json!({
        "name": "soup",
        "version": env!("CARGO_PKG_VERSION"),
        "extensions": ["binary_tensor_data", "model_repository"],
    }))
}

/// `GET /v2/models/MODEL`.
pub async fn model(State(shared): App, path: ModelPath) -> Result<Response, Refusal> {
    check_version(path.version.as_deref())?;
    let served = shared.models.get(Some(&path.model))?;
    Ok(answer(&description(&served)))
}

/// Tensors are called as in an exported ONNX file.
fn description(served: &Served) -> Value {
    let model = &served.model;
    let image = model.image;
    let labels = model.label_names.len();
    let mut outputs = vec![json!({
        "name": PROBABILITIES, "datatype": "FP32", "shape": [-1, labels as i64],
    })];
    if let Some((rows, columns)) = served.map_size {
        outputs.push(json!({
            "name": MAPS,
            "datatype": "FP32",
            "shape": [-1, labels as i64, rows as i64, columns as i64],
        }));
    }
    let networks = model.members.iter().map(|member| &member.origin.network);
    json!({
        "name": served.name,
        "versions": [VERSION],
        "platform": "soup",
        "inputs": [{
            "name": IMAGES,
            "datatype": "UINT8",
            "shape": [-1, image.height as i64, image.width as i64, image.channels as i64],
        }],
        "outputs": outputs,
        "parameters": {
            "labels": model.label_names,
            "thresholds": model.thresholds,
            "networks": networks.collect::<Vec<_>>(),
            "samples": served.composer.is_some(),
        },
    })
}
