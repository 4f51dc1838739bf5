//! Images composed on the spot, for people who have none at hand.

use std::sync::Arc;

use axum::{
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::App;
use crate::{Refusal, models::Served};

/// The labels of a sample, parted by commas.
const LABELS: HeaderName = HeaderName::from_static("soup-labels");
/// Samples come from other draws than any training set.
const SEED: u64 = 0x5a_4d_50_4c;

/// What can be asked of a sample.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    model: Option<String>,
}

/// `GET /sample/NUMBER`: an image as the model reads them, always the same one for a number. What is
/// in it stands in the header `Soup-Labels`.
pub async fn sample(
    State(shared): App,
    number: Result<Path<u32>, PathRejection>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(asked) = asked.map_err(|error| Refusal::request(error.body_text()))?;
    let Path(number) = number.map_err(|error| {
        let problem = format!(
            "a sample is a number from 0 to {}: {}",
            u32::MAX,
            error.body_text()
        );
        Refusal::request(problem)
    })?;
    let served = shared.models.get(asked.model.as_deref())?;
    let drawn = tokio::task::spawn_blocking(move || draw(&served, number));
    drawn.await.map_err(|_| Refusal::fault())?
}

fn draw(served: &Arc<Served>, number: u32) -> Result<Response, Refusal> {
    let Some(composer) = &served.composer else {
        return Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "samples are letters, and this model has other labels",
        ));
    };
    let fault = |problem: &dyn std::fmt::Display| {
        tracing::error!(%problem, "a sample could not be composed");
        Refusal::fault()
    };
    let mut pixels = vec![0; composer.shape().len()];
    let composed = composer.compose(SEED, u64::from(number), &mut pixels);
    let composed = composed.map_err(|error| fault(&error))?;
    let png = soup_compose::png(composer.shape(), &pixels).map_err(|error| fault(&error))?;
    let labels = composer.label_names().iter().zip(&composed.labels);
    let held: Vec<&str> = labels
        .filter(|(_, held)| **held)
        .map(|(label, _)| label.as_str())
        .collect();
    let held = HeaderValue::from_str(&held.join(",")).map_err(|error| fault(&error))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/png")),
        (LABELS, held),
    ];
    Ok((headers, png).into_response())
}
