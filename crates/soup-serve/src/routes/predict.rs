//! `POST /predict`: images in, labels out.

use axum::{
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::HeaderMap,
    response::Response,
};
use serde::{Deserialize, Serialize};
use soup_model::LabelMaps;

use super::{App, ask, json};
use crate::{
    Refusal,
    engine::{Answer, Image},
    images::{Upload, uploads},
    models::Served,
};

/// What stands in the address behind `?`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The model; may be missing where there is one.
    model: Option<String>,
    /// In place of the labels' own thresholds.
    threshold: Option<f32>,
    /// Whether label maps are wanted.
    #[serde(default)]
    maps: bool,
}

#[derive(Serialize)]
struct Predicted<'a> {
    model: &'a str,
    #[serde(rename = "pictures")]
    images: Vec<Seen<'a>>,
}

#[derive(Serialize)]
struct Seen<'a> {
    name: Option<&'a str>,
    height: usize,
    width: usize,
    answers: Vec<Label<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maps: Option<Maps<'a>>,
}

#[derive(Serialize)]
struct Label<'a> {
    label: &'a str,
    probability: f32,
    threshold: f32,
    found: bool,
}

/// One row of cells after the other for every label; 0 to 1.
#[derive(Serialize)]
struct Maps<'a> {
    rows: usize,
    columns: usize,
    values: Vec<&'a [f32]>,
}

/// Answers for an image in the body, or several in fields `image` of a form.
pub async fn predict(
    State(shared): App,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let Query(asked) = asked.map_err(|error| Refusal::request(error.body_text()))?;
    if let Some(threshold) = asked.threshold
        && !(0.0..=1.0).contains(&threshold)
    {
        return Err(Refusal::request(format!(
            "threshold={threshold} is not in 0 to 1"
        )));
    }
    let served = shared.models.get(asked.model.as_deref())?;
    if asked.maps && served.map_size.is_none() {
        return Err(Refusal::request(format!(
            "{} has no label maps; only networks trained with model.head=label_map do",
            served.name
        )));
    }
    let body = shared.intake.read(&headers, body).await?;
    let uploads = uploads(&headers, body.bytes.clone(), &shared.options.limits).await?;
    let files = uploads.iter();
    let files = files.map(|upload| Image::File(upload.bytes.clone()));
    let answers = ask(&shared, &served, files.collect(), asked.maps).await;
    let answers = answers.map_err(|(number, refusal)| match refusal.status.as_u16() {
        400 | 422 => uploads[number].named(number, uploads.len(), refusal),
        _ => refusal,
    })?;
    let seen = uploads.iter().zip(&answers);
    Ok(json(&Predicted {
        model: &served.name,
        images: seen
            .map(|(upload, answer)| seen_in(&served, upload, answer, asked.threshold))
            .collect(),
    }))
}

fn seen_in<'a>(
    served: &'a Served,
    upload: &'a Upload,
    answer: &'a Answer,
    threshold: Option<f32>,
) -> Seen<'a> {
    let model = &served.model;
    let labels = model.label_names.iter().zip(&model.thresholds);
    let answers = labels.zip(&answer.prediction.probabilities);
    let answers = answers.map(|((label, &own), &probability)| {
        let threshold = threshold.unwrap_or(own);
        Label {
            label,
            probability,
            threshold,
            found: probability > threshold,
        }
    });
    Seen {
        name: upload.name.as_deref(),
        height: answer.shape.height,
        width: answer.shape.width,
        answers: answers.collect(),
        maps: answer.prediction.maps.as_ref().map(Maps::of),
    }
}

impl<'a> Maps<'a> {
    fn of(maps: &'a LabelMaps) -> Self {
        let cells = (maps.rows * maps.columns).max(1);
        Self {
            rows: maps.rows,
            columns: maps.columns,
            values: maps.values.chunks_exact(cells).collect(),
        }
    }
}
