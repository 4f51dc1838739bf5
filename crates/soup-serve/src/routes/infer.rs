//! `POST /v2/models/MODEL/infer`.

use axum::{body::Body, extract::State, http::HeaderMap, response::Response};
use bytes::Bytes;
use soup_model::{IMAGES, MAPS, PROBABILITIES};

use super::{
    App, ModelPath, VERSION, ask, check_version,
    tensors::{self, Floats, Input, Output, Request},
};
use crate::{Limits, Refusal, engine::Image, models::Served};

/// Answers for images of the model's own shape: `pictures`, UINT8, N x rows x columns x channels.
pub async fn infer(
    State(shared): App,
    path: ModelPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    check_version(path.version.as_deref())?;
    let served = shared.models.get(Some(&path.model))?;
    let body = shared.intake.read(&headers, body).await?;
    // Large JSON takes milliseconds, in which others want to be heard.
    let (read, body) = {
        let (served, limits) = (served.clone(), shared.options.limits);
        tokio::task::spawn_blocking(move || {
            let read = read(&served, &limits, &headers, &body.bytes);
            (read, body)
        })
        .await
        .map_err(|_| Refusal::fault())?
    };
    let Read { id, pixels, wanted } = read?;
    let maps = wanted.iter().any(|(name, _)| *name == MAPS);
    let image = served.model.image;
    let images: Vec<Image> = (0..pixels.len() / image.len())
        .map(|number| {
            let start = number * image.len();
            Image::Pixels(image, pixels.slice(start..start + image.len()))
        })
        .collect();
    let answers = ask(&shared, &served, images, maps).await;
    let answers = answers.map_err(|(_, refusal)| refusal)?;
    drop(body);
    let (count, labels) = (answers.len(), served.model.label_names.len());
    let (rows, columns) = served.map_size.unwrap_or_default();
    let tensors: Vec<Floats> = wanted
        .into_iter()
        .map(|(name, binary)| {
            let predictions = answers.iter().map(|answer| &answer.prediction);
            let (shape, values) = if name == MAPS {
                let maps = predictions.filter_map(|prediction| prediction.maps.as_ref());
                let values = maps.flat_map(|maps| &maps.values).copied().collect();
                (vec![count, labels, rows, columns], values)
            } else {
                let values = predictions
                    .flat_map(|prediction| &prediction.probabilities)
                    .copied();
                (vec![count, labels], values.collect())
            };
            Floats {
                name,
                shape,
                values,
                binary,
            }
        })
        .collect();
    Ok(tensors::answer(&served.name, VERSION, id, &tensors))
}

/// A request that makes sense.
struct Read {
    id: Option<String>,
    pixels: Bytes,
    /// Names of outputs, and whether they are wanted as bytes.
    wanted: Vec<(&'static str, bool)>,
}

fn read(
    served: &Served,
    limits: &Limits,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Read, Refusal> {
    let (text, raw) = tensors::parts(headers, body)?;
    let request: Request<'_> = serde_json::from_slice(text)
        .map_err(|error| Refusal::request(format!("the JSON of the request: {error}")))?;
    let raw = body.slice_ref(raw);
    let [input] = &request.inputs[..] else {
        return Err(Refusal::request(format!(
            "{} inputs; the model has one, `{IMAGES}`",
            request.inputs.len()
        )));
    };
    let pixels = pixels(served, limits, input, raw)?;
    let wanted = wanted(
        served,
        &request.outputs,
        request.parameters.binary_data_output,
    )?;
    let id = request.id;
    Ok(Read { id, pixels, wanted })
}

fn pixels(
    served: &Served,
    limits: &Limits,
    input: &Input<'_>,
    raw: Bytes,
) -> Result<Bytes, Refusal> {
    let image = served.model.image;
    let sides = [image.height, image.width, image.channels].map(|side| side as u64);
    let count = match input.shape[..] {
        [count, ref rest @ ..] if *rest == sides && count > 0 => count,
        _ => 0,
    };
    if input.name != IMAGES || input.datatype != "UINT8" || count == 0 {
        return Err(Refusal::request(format!(
            "the input must be `{IMAGES}`, UINT8, of shape N x {} x {} x {}, not `{}`, {}, {:?}",
            sides[0], sides[1], sides[2], input.name, input.datatype, input.shape
        )));
    }
    if count > limits.images as u64 {
        return Err(Refusal::too_large(format!(
            "{count} images; a request may hold {}",
            limits.images
        )));
    }
    // No overflow: the limit of images, and a shape that a network was planned for.
    let expected = count as usize * image.len();
    match (input.parameters.binary_data_size, input.data) {
        (Some(size), None) if size == expected as u64 && raw.len() == expected => Ok(raw),
        (Some(size), None) => Err(Refusal::request(format!(
            "the shape wants {expected} bytes, binary_data_size says {size}, and {} follow the JSON",
            raw.len()
        ))),
        (None, Some(data)) if raw.is_empty() => Ok(tensors::bytes_of(data, expected)?.into()),
        (None, Some(_)) => Err(Refusal::request(
            "bytes follow the JSON, and no input has a binary_data_size",
        )),
        (Some(_), Some(_)) => Err(Refusal::request(
            "the input has both data and a binary_data_size; send one of them",
        )),
        (None, None) => Err(Refusal::request(
            "the input has no data; send data, or binary_data_size and bytes behind the JSON",
        )),
    }
}

/// The outputs that were asked for; probabilities where none were.
fn wanted(
    served: &Served,
    outputs: &[Output],
    binary: bool,
) -> Result<Vec<(&'static str, bool)>, Refusal> {
    if outputs.is_empty() {
        return Ok(vec![(PROBABILITIES, binary)]);
    }
    let mut wanted: Vec<(&'static str, bool)> = Vec::new();
    for output in outputs {
        let name = match output.name.as_str() {
            PROBABILITIES => PROBABILITIES,
            MAPS if served.map_size.is_some() => MAPS,
            other => {
                return Err(Refusal::request(format!(
                    "the model has no output `{other}`; /v2/models/{} lists them",
                    served.name
                )));
            }
        };
        if wanted.iter().any(|(known, _)| *known == name) {
            return Err(Refusal::request(format!("the output `{name}` twice")));
        }
        wanted.push((name, output.parameters.binary_data.unwrap_or(binary)));
    }
    Ok(wanted)
}
