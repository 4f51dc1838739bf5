//! Whether the server is there, and how it is doing.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{App, check_version};
use crate::Refusal;

/// `GET /v2/health/live`: the process answers.
pub async fn live() -> Response {
    super::json(&json!({"live": true}))
}

/// `GET /v2/health/ready`: models are in memory and requests are taken.
pub async fn ready(State(shared): App) -> Response {
    let ready = !shared.traffic.is_stopping();
    let mut response = super::json(&json!({"ready": ready}));
    if !ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

/// `GET /v2/models/MODEL/ready`: a model that is served is ready.
pub async fn model(State(shared): App, path: super::ModelPath) -> Result<Response, Refusal> {
    check_version(path.version.as_deref())?;
    let served = shared.models.get(Some(&path.model))?;
    Ok(super::json(&json!({"name": served.name, "ready": true})))
}

/// `GET /metrics`, for Prometheus.
pub async fn metrics(State(shared): App) -> Response {
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    let text = shared.metrics.text(shared.gauges());
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
