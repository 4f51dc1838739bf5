//! What happens to every request: it is counted, logged, and let in or not.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{Refusal, shared::Shared, traffic::Counted};

/// Routes that machines ask all the time.
const QUIET: [&str; 4] = [
    "/metrics",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/{model}/ready",
];

/// Counts, times and logs; says to clients of a server that stops that this was the last answer.
pub async fn watch(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let _running = Counted::new(&shared.traffic.running);
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("none", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let is_open = matches!(
        route.as_str(),
        "none" | "/v2/health/live" | "/v2/health/ready"
    );
    let mut response = if shared.traffic.is_stopping() && !is_open {
        Refusal::stopping().into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    if shared.traffic.is_stopping() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    let status = response.status();
    let time = began.elapsed();
    shared.metrics.note_request(&route, status.as_u16(), time);
    let ms = (time.as_secs_f64() * 1e6).round() / 1e3;
    let code = status.as_u16();
    if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE {
        tracing::error!(%method, route, status = code, ms, "request");
    } else if QUIET.contains(&route.as_str()) {
        tracing::debug!(%method, route, status = code, ms, "request");
    } else {
        tracing::info!(%method, route, status = code, ms, "request");
    }
    response
}

/// Lets in whoever has the token.
pub async fn token(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    match &shared.options.token {
        Some(token) if !token.is_in(request.headers()) => Refusal::new(
            StatusCode::UNAUTHORIZED,
            "this server wants a token: Authorization: Bearer TOKEN",
        )
        .into_response(),
        _ => next.run(request).await,
    }
}
