//! The model repository extension of the Open Inference Protocol: which models there are, and reading
//! one again.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{App, ModelPath, VERSION, json as answer};
use crate::Refusal;

/// `POST /v2/repository/index`.
pub async fn index(State(shared): App) -> Response {
    let models = shared.models.all().map(
        |served| json!({"name": served.name, "version": VERSION, "state": "READY", "reason": ""}),
    );
    answer(&models.collect::<Vec<_>>())
}

#[derive(Default, Deserialize)]
struct Load {
    #[serde(default)]
    parameters: Map<String, Value>,
}

/// `POST /v2/repository/models/MODEL/load`: reads the model's file again.
pub async fn load(
    State(shared): App,
    path: ModelPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let body = shared.intake.read(&headers, body).await?;
    let load = match body.bytes.trim_ascii() {
        [] => Load::default(),
        text => serde_json::from_slice(text)
            .map_err(|error| Refusal::request(format!("the body is no JSON object: {error}")))?,
    };
    if let Some((name, _)) = load.parameters.iter().next() {
        return Err(Refusal::request(format!(
            "the parameter `{name}` is not known; a model is read again from its own file"
        )));
    }
    // Reading and planning take a while; other requests go on.
    let reload =
        tokio::task::spawn_blocking(move || Arc::clone(&shared).models.reload(&path.model));
    reload.await.map_err(|_| Refusal::fault())??;
    Ok(StatusCode::OK.into_response())
}
