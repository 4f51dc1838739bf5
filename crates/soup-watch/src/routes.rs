//! The routes of a watcher.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Extension, Query, Request, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use maud::{Markup, html};
use serde::Deserialize;
use soup_report::{live::Selection, pages::PARTS};

use soup_serve::{
    Refusal,
    connections::Line,
    page::{css, guarded, icon},
    traffic::Counted,
};

use crate::{Language, Watched, events::Events, page};

/// Only what the watcher sends; images stand in the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";
const HTML: &str = "text/html; charset=utf-8";

type App = State<Arc<Watched>>;

/// What stands in an address behind `?`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    language: Option<Language>,
    /// Which images are predicted.
    set: Option<u32>,
}

/// All routes.
pub fn router(watched: &Arc<Watched>) -> Router {
    Router::new()
        .route("/", get(whole))
        .route("/events", get(events))
        .route("/images", get(images))
        .route("/page.css", get(css))
        .route("/watch.css", get(style))
        .route("/watch.js", get(script))
        .route("/icon.svg", get(icon))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(watched), gate))
        .with_state(Arc::clone(watched))
}

/// Counts what is inside; says to clients of a watcher that stops that this was the last answer.
async fn gate(
    State(watched): App,
    Extension(line): Extension<Arc<Line>>,
    request: Request,
    next: Next,
) -> Response {
    let _running = Counted::new(&watched.traffic.running);
    let lines = &watched.traffic.lines;
    let is_seated = lines.seat(&line).await;
    let mut response = if watched.traffic.is_stopping() {
        Refusal::stopping().into_response()
    } else if is_seated {
        lines.hold(next.run(request).await).await
    } else {
        lines.no_place().into_response()
    };
    let headers = response.headers_mut();
    if watched.traffic.is_stopping() || !is_seated {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// `GET /`: the page as it is now, with images where `?set=` asks for them.
async fn whole(
    State(watched): App,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (language, set) = read(asked, &headers)?;
    let images = match set {
        Some(set) => Some(predictions(&watched, set, language).await?),
        None => None,
    };
    watched.refresh().await;
    let drawn = Arc::clone(&watched.drawn.borrow());
    let page = page::page(&drawn, language, set, images.as_ref());
    Ok(guarded(HTML, POLICY, page.into_string()))
}

/// `GET /events`: the pieces of the page, now and whenever they change.
async fn events(
    State(watched): App,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (language, _) = read(asked, &headers)?;
    let body = Body::new(Events::new(watched, language));
    Ok(guarded("text/event-stream", POLICY, body))
}

/// `GET /images`: predictions of held-out images by the newest weights.
async fn images(
    State(watched): App,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (language, set) = read(asked, &headers)?;
    let predicted = predictions(&watched, set.unwrap_or(0), language).await?;
    Ok(guarded(HTML, POLICY, predicted.into_string()))
}

/// `GET /watch.css`.
async fn style() -> Response {
    let text = format!("{PARTS}{}", include_str!("watch.css"));
    guarded("text/css; charset=utf-8", POLICY, text)
}

/// `GET /watch.js`.
async fn script() -> Response {
    let text = include_str!("watch.js");
    guarded("text/javascript; charset=utf-8", POLICY, text)
}

async fn nothing_here() -> Refusal {
    let problem = "there is nothing at this address; the page of the run is at /";
    Refusal::new(StatusCode::NOT_FOUND, problem)
}

async fn wrong_method() -> Refusal {
    let problem = "a run is only read: this address takes GET";
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, problem)
}

/// The language that was asked for, else the browser's, and the images.
fn read(
    asked: Result<Query<Asked>, QueryRejection>,
    headers: &HeaderMap,
) -> Result<(Language, Option<u32>), Refusal> {
    let Query(asked) = asked.map_err(|error| Refusal::request(error.body_text()))?;
    let spoken = headers.get(header::ACCEPT_LANGUAGE);
    let is_korean = spoken.is_some_and(|spoken| spoken.as_bytes().starts_with(b"ko"));
    let own = if is_korean {
        Language::Ko
    } else {
        Language::En
    };
    Ok((asked.language.unwrap_or(own), asked.set))
}

/// Predictions of images, or the last ones where nothing changed. An error stands in the place of the images.
async fn predictions(
    watched: &Arc<Watched>,
    set: u32,
    language: Language,
) -> Result<Markup, Refusal> {
    // One request predicts at a time; those that wait take no thread.
    let mut predicted = Arc::clone(&watched.predicted).lock_owned().await;
    let watched = Arc::clone(watched);
    let task = tokio::task::spawn_blocking(move || {
        let words = language.words();
        let Some(selection) = Selection::newest(&watched.path, set as usize) else {
            return html! { p { (words.live.no_weights) } };
        };
        if let Some((known, seen)) = &*predicted
            && *known == selection
        {
            return seen.draw(words);
        }
        match selection.predict(&watched.path) {
            Ok(seen) => predicted.insert((selection, seen)).1.draw(words),
            Err(error) => {
                tracing::warn!(%error, "images could not be predicted");
                html! { p.note { (error) } }
            }
        }
    });
    task.await.map_err(|_| Refusal::fault())
}
