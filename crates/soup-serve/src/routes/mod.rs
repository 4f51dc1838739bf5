//! What can be asked, and what happens to every request on its way in and out.

mod gate;
mod health;
mod infer;
mod metadata;
pub mod page;
mod predict;
mod repository;
mod sample;
mod tensors;

use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRequestParts, Path, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::{
    Refusal,
    engine::{Answer, Image, Job},
    models::Served,
    shared::Shared,
};

/// Bytes of a value of a map in an answer, about: the digits of a number in JSON.
const VALUE: usize = 12;
/// The only version of a model there is: the file as it is now.
const VERSION: &str = "1";

type App = State<Arc<Shared>>;

/// A model in an address.
#[derive(Deserialize)]
struct ModelPath {
    model: String,
    version: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for ModelPath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::from_request_parts(parts, state).await;
        let Path(path) = path.map_err(|error| Refusal::request(error.body_text()))?;
        Ok(path)
    }
}

/// All routes.
pub fn router(shared: &Arc<Shared>) -> Router {
    let guarded = Router::new()
        .route("/predict", post(predict::predict))
        .route("/sample/{number}", get(sample::sample))
        .route("/metrics", get(health::metrics))
        .route("/v2/models/{model}", get(metadata::model))
        .route(
            "/v2/models/{model}/versions/{version}",
            get(metadata::model),
        )
        .route("/v2/models/{model}/infer", post(infer::infer))
        .route(
            "/v2/models/{model}/versions/{version}/infer",
            post(infer::infer),
        )
        .route("/v2/repository/index", post(repository::index))
        .route("/v2/repository/models/{model}/load", post(repository::load))
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(shared),
            gate::token,
        ));
    // Whoever checks on a server, or opens its page, has no token yet.
    let open = Router::new()
        .route("/", get(page::html))
        .route("/page.css", get(page::css))
        .route("/page.js", get(page::script))
        .route("/icon.svg", get(page::icon))
        .route("/openapi.json", get(page::openapi))
        .route("/v2", get(metadata::server))
        .route("/v2/health/live", get(health::live))
        .route("/v2/health/ready", get(health::ready))
        .route("/v2/models/{model}/ready", get(health::model))
        .route(
            "/v2/models/{model}/versions/{version}/ready",
            get(health::model),
        );
    guarded
        .merge(open)
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(
            Arc::clone(shared),
            gate::watch,
        ))
        .with_state(Arc::clone(shared))
}

async fn nothing_here() -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "there is nothing at this address; /openapi.json lists what there is",
    )
}

async fn wrong_method() -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this address takes another method; /openapi.json lists them",
    )
}

/// Refuses versions that there are not.
fn check_version(version: Option<&str>) -> Result<(), Refusal> {
    match version {
        None | Some(VERSION) => Ok(()),
        Some(other) => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            format!("there is no version `{other}`; the only one is `{VERSION}`"),
        )),
    }
}

/// Asks a model about images; one answer an image, or the first refusal.
async fn ask(
    shared: &Shared,
    served: &Arc<Served>,
    images: Vec<Image>,
    maps: bool,
) -> Result<Vec<Answer>, (usize, Refusal)> {
    // Maps are the one thing that makes an answer larger than its request.
    let (rows, columns) = served.map_size.filter(|_| maps).unwrap_or_default();
    let sizes = [
        images.len(),
        served.model.label_names.len(),
        rows,
        columns,
        VALUE,
    ];
    let bytes = sizes.into_iter().fold(1, usize::saturating_mul);
    if bytes > shared.options.limits.answers {
        let problem = format!(
            "the maps of {} images would take {} MB; ask for fewer at once",
            images.len(),
            bytes >> 20
        );
        return Err((0, Refusal::too_large(problem)));
    }
    let (mut jobs, mut answers) = (Vec::new(), Vec::new());
    for image in images {
        let (sender, receiver) = oneshot::channel();
        answers.push(receiver);
        jobs.push(Job {
            served: Arc::clone(served),
            image,
            maps,
            answer: sender,
        });
    }
    shared.queue.push(jobs).map_err(|refusal| (0, refusal))?;
    let mut predictions: Vec<Answer> = Vec::new();
    for (number, answer) in answers.into_iter().enumerate() {
        let answer = answer.await.unwrap_or_else(|_| Err(Refusal::fault()));
        predictions.push(answer.map_err(|refusal| (number, refusal))?);
    }
    Ok(predictions)
}

/// JSON of our own types.
fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => {
            let kind = (
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
            ([kind], bytes).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            Refusal::fault().into_response()
        }
    }
}
