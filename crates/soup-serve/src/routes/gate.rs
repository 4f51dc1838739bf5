//! What happens to every request: it is counted, logged, and let in or not.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{Extension, MatchedPath, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    Refusal,
    connections::{Line, Lines},
    shared::Shared,
    traffic::Counted,
};

/// Routes that machines ask all the time; they are answered even where there is no room for others.
const QUIET: [&str; 4] = [
    "/metrics",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/{model}/ready",
];

/// Counts, times and logs; says to clients of a server that stops that this was the last answer.
pub async fn watch(
    State(shared): State<Arc<Shared>>,
    Extension(line): Extension<Arc<Line>>,
    request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let _running = Counted::new(&shared.traffic.running);
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("none", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let is_open = matches!(
        route.as_str(),
        "none" | "/v2/health/live" | "/v2/health/ready"
    );
    let lines = &shared.traffic.lines;
    let is_quiet = QUIET.contains(&route.as_str());
    let is_seated = is_quiet || lines.seat(&line).await;
    let mut response = if shared.traffic.is_stopping() && !is_open {
        Refusal::stopping().into_response()
    } else if !is_seated {
        lines.no_place().into_response()
    } else if !is_quiet && !lines.has_answer_room() {
        Lines::no_answer_room().into_response()
    } else {
        lines.hold(next.run(request).await).await
    };
    let headers = response.headers_mut();
    if shared.traffic.is_stopping() || !is_seated {
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
    } else if is_quiet {
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
