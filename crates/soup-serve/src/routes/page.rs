//! The page for people, and the description for programs. Nothing is asked of any other machine.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};

/// Only what this server sends; images that the page itself holds.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// `GET /`.
pub async fn html() -> Response {
    file(
        "text/html; charset=utf-8",
        include_str!("../page/page.html"),
    )
}

/// `GET /page.css`.
pub async fn css() -> Response {
    file("text/css; charset=utf-8", include_str!("../page/page.css"))
}

/// `GET /page.js`.
pub async fn script() -> Response {
    file(
        "text/javascript; charset=utf-8",
        include_str!("../page/page.js"),
    )
}

/// `GET /icon.svg`.
pub async fn icon() -> Response {
    file("image/svg+xml", include_str!("../page/icon.svg"))
}

/// `GET /openapi.json`.
pub async fn openapi() -> Response {
    file("application/json", include_str!("../page/openapi.json"))
}

fn file(kind: &'static str, text: &'static str) -> Response {
    guarded(kind, POLICY, text)
}

/// What a page may load stands in its `policy`; nothing is said of it to others, and it is asked for anew.
pub fn guarded(kind: &'static str, policy: &'static str, body: impl Into<Body>) -> Response {
    let fixed = |name: HeaderName, value| (name, HeaderValue::from_static(value));
    let headers = [
        fixed(header::CONTENT_TYPE, kind),
        fixed(header::CONTENT_SECURITY_POLICY, policy),
        fixed(header::REFERRER_POLICY, "no-referrer"),
        // The next version of the program may bring another page.
        fixed(header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, body.into()).into_response()
}
