//! Tensors of the Open Inference Protocol: as JSON, and as bytes behind the JSON (the binary tensor
//! data extension).

use std::fmt;

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::{
    Deserialize, Serialize,
    de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::Refusal;

/// Bytes of JSON before the bytes of the tensors.
pub const HEADER_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

/// A request.
#[derive(Deserialize)]
pub struct Request<'a> {
    /// Comes back with the answer.
    pub id: Option<String>,
    #[serde(default)]
    pub parameters: Parameters,
    #[serde(borrow)]
    pub inputs: Vec<Input<'a>>,
    #[serde(default)]
    pub outputs: Vec<Output>,
}

/// Parameters of a request; clients send others for servers that know them.
#[derive(Default, Deserialize)]
pub struct Parameters {
    /// Whether outputs that say nothing come as bytes.
    #[serde(default)]
    pub binary_data_output: bool,
}

/// A tensor of a request.
#[derive(Deserialize)]
pub struct Input<'a> {
    pub name: String,
    pub shape: Vec<u64>,
    pub datatype: String,
    #[serde(default)]
    pub parameters: InputParameters,
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
}

/// Where a tensor's values are.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputParameters {
    /// Bytes of the tensor behind the JSON.
    pub binary_data_size: Option<u64>,
}

/// An output that is wanted.
#[derive(Deserialize)]
pub struct Output {
    pub name: String,
    #[serde(default)]
    pub parameters: OutputParameters,
}

/// How an output is wanted.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputParameters {
    /// As bytes.
    pub binary_data: Option<bool>,
}

/// The JSON of a request, and the bytes behind it.
///
/// # Errors
/// 400 where the header that parts them is wrong.
pub fn parts<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Refusal> {
    let Some(length) = headers.get(HEADER_LENGTH) else {
        return Ok((body, &[]));
    };
    let length = length.to_str().ok().and_then(|text| text.parse().ok());
    let parts = length.and_then(|length: usize| body.split_at_checked(length));
    parts.ok_or_else(|| {
        Refusal::request(format!(
            "Inference-Header-Content-Length must be the number of bytes of the JSON, at most {}",
            body.len()
        ))
    })
}

/// Reads JSON numbers, in arrays of any depth, as bytes.
///
/// # Errors
/// 400 where one is none or there are not `expected`.
pub fn bytes_of(data: &RawValue, expected: usize) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let wrong = |problem: String| Refusal::request(format!("the data of an input: {problem}"));
    let mut json = serde_json::Deserializer::from_str(data.get());
    let flat = Flat {
        bytes: &mut bytes,
        most: expected,
    };
    flat.deserialize(&mut json)
        .map_err(|error| wrong(error.to_string()))?;
    if bytes.len() != expected {
        return Err(wrong(format!(
            "{} values, and the shape wants {expected}",
            bytes.len()
        )));
    }
    Ok(bytes)
}

struct Flat<'a> {
    bytes: &'a mut Vec<u8>,
    most: usize,
}

impl<'de> DeserializeSeed<'de> for Flat<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Flat<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("whole numbers from 0 to 255, or arrays of them")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        let byte = u8::try_from(value).map_err(|_| E::custom(format!("{value} is above 255")))?;
        if self.bytes.len() == self.most {
            return Err(E::custom(format!(
                "more than the {} values of the shape",
                self.most
            )));
        }
        self.bytes.push(byte);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        loop {
            let next = Flat {
                bytes: &mut *self.bytes,
                most: self.most,
            };
            if values.next_element_seed(next)?.is_none() {
                return Ok(());
            }
        }
    }
}

/// Floats of an answer.
pub struct Floats {
    pub name: &'static str,
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
    /// As bytes behind the JSON, little end first.
    pub binary: bool,
}

/// The JSON of an answer. Floats are written as such, with no digit more than they have.
#[derive(Serialize)]
struct Inferred<'a> {
    model_name: &'a str,
    model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    outputs: Vec<Tensor<'a>>,
}

#[derive(Serialize)]
struct Tensor<'a> {
    name: &'a str,
    datatype: &'a str,
    shape: &'a [usize],
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a [f32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Size>,
}

#[derive(Serialize)]
struct Size {
    binary_data_size: usize,
}

/// The answer to a request.
pub fn answer(model: &str, version: &str, id: Option<String>, tensors: &[Floats]) -> Response {
    let outputs = tensors.iter().map(|tensor| Tensor {
        name: tensor.name,
        datatype: "FP32",
        shape: &tensor.shape,
        data: (!tensor.binary).then_some(&tensor.values),
        parameters: tensor.binary.then(|| Size {
            binary_data_size: size_of_val(&tensor.values[..]),
        }),
    });
    let answer = Inferred {
        model_name: model,
        model_version: version,
        id,
        outputs: outputs.collect(),
    };
    let binary: Vec<&Floats> = tensors.iter().filter(|tensor| tensor.binary).collect();
    if binary.is_empty() {
        return super::json(&answer);
    }
    let Ok(mut bytes) = serde_json::to_vec(&answer) else {
        return Refusal::fault().into_response();
    };
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        ),
        (HEADER_LENGTH, HeaderValue::from(bytes.len())),
    ];
    let values = binary.iter().flat_map(|tensor| &tensor.values);
    bytes.extend(values.flat_map(|value| value.to_le_bytes()));
    (headers, bytes).into_response()
}
