//! A request that gets no answer: a status, and a sentence that says what is wrong and what to do.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

/// Written as `{"error": "..."}`, the form of the Open Inference Protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl Refusal {
    /// A refusal with this status.
    pub fn new(status: StatusCode, problem: impl Into<String>) -> Self {
        Self {
            status,
            problem: problem.into(),
        }
    }

    /// 400: the request makes no sense.
    pub fn request(problem: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, problem)
    }

    /// 413: more than this server takes.
    pub fn too_large(problem: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, problem)
    }

    /// 429: full at the moment.
    pub fn busy(problem: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, problem)
    }

    /// 503: no place for another connection.
    pub fn full(problem: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, problem)
    }

    /// 503: about to end.
    pub fn stopping() -> Self {
        let problem = "the server is stopping; ask again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, problem)
    }

    /// 500: our fault.
    pub fn fault() -> Self {
        let problem = "the server failed on this request; its log says more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, problem)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let kind = (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        let body = json!({"error": self.problem}).to_string();
        let mut response = (self.status, [kind], body).into_response();
        let headers = response.headers_mut();
        match self.status {
            // A full queue is a fraction of a second of work.
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}
