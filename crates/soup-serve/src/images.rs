//! Images as people send them: a body of one file, or a form with several.

use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use multer::Multipart;
use soup_data::{
    ImageShape,
    dataset::{formats, image_shape, is_image, no_image},
};

use crate::{Limits, Refusal};

/// The field of a form that holds an image.
const FIELD: &str = "image";

/// An image's file, checked as far as its header.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The file's name, where the form says.
    pub name: Option<String>,
    /// In a format that is read.
    pub bytes: Bytes,
}

/// The images of a request, at least one.
///
/// # Errors
/// 400 for a form that is none and an image whose header is damaged, 413 for too many images or
/// pixels, 415 for what is no image of a format that is read.
pub async fn uploads(
    headers: &HeaderMap,
    body: Bytes,
    limits: &Limits,
) -> Result<Vec<Upload>, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let is_form = kind
        .get(..10)
        .is_some_and(|start| start.eq_ignore_ascii_case("multipart/"));
    let uploads = if is_form {
        form(kind, body, limits).await?
    } else {
        let name = None;
        vec![Upload { name, bytes: body }]
    };
    if uploads.is_empty() {
        return Err(Refusal::request(format!(
            "the form has no image; send files in the formats {} in fields named `{FIELD}`",
            formats()
        )));
    }
    for (number, upload) in uploads.iter().enumerate() {
        check(upload, limits).map_err(|refusal| upload.named(number, uploads.len(), refusal))?;
    }
    Ok(uploads)
}

impl Upload {
    /// A refusal of this image among several.
    pub fn named(&self, number: usize, of: usize, refusal: Refusal) -> Refusal {
        let problem = match &self.name {
            Some(name) => format!("{name}: {}", refusal.problem),
            None if of > 1 => format!("image {}: {}", number + 1, refusal.problem),
            None => refusal.problem,
        };
        Refusal { problem, ..refusal }
    }
}

/// Checks the header, before a pixel is decoded.
fn check(upload: &Upload, limits: &Limits) -> Result<(), Refusal> {
    let bytes = &upload.bytes;
    if !is_image(bytes) {
        let problem = match bytes.is_empty() {
            true => format!(
                "there is no image; send a file in one of the formats {}",
                formats()
            ),
            false => no_image(bytes),
        };
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, problem));
    }
    let ImageShape { height, width, .. } = image_shape(bytes).map_err(Refusal::request)?;
    if height.saturating_mul(width) > limits.pixels {
        return Err(Refusal::too_large(format!(
            "the image has {width} x {height} pixels, and this server decodes at most {}; scale it \
             down",
            limits.pixels
        )));
    }
    Ok(())
}

async fn form(kind: &str, body: Bytes, limits: &Limits) -> Result<Vec<Upload>, Refusal> {
    let wrong = |error: multer::Error| Refusal::request(format!("the form is damaged: {error}"));
    let boundary = multer::parse_boundary(kind).map_err(wrong)?;
    let mut form = Multipart::new(Full::new(body).into_data_stream(), boundary);
    let mut uploads = Vec::new();
    while let Some(field) = form.next_field().await.map_err(wrong)? {
        if field.name() != Some(FIELD) {
            return Err(Refusal::request(format!(
                "the form has the field `{}`; images are taken from `{FIELD}`, settings from the \
                 address",
                field.name().unwrap_or("")
            )));
        }
        if uploads.len() == limits.images {
            return Err(Refusal::too_large(format!(
                "a request may hold {} images; send the others in another one",
                limits.images
            )));
        }
        let name = field.file_name().map(str::to_owned);
        let bytes = field.bytes().await.map_err(wrong)?;
        uploads.push(Upload { name, bytes });
    }
    Ok(uploads)
}
