//! Bodies on their way in and out: a line hears of them, and answers have their share of memory until they are
//! taken.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::line::{Line, Lines};
use crate::Refusal;

/// Memory is counted in pieces of this many bytes.
pub const PIECE: usize = 1024;
/// Answers up to this many bytes are not counted: those of health come through whatever waits.
const SMALL: u64 = 4096;

/// A request whose body tells its line what it waits for, and which knows its line.
pub fn coming(request: hyper::Request<hyper::body::Incoming>, line: &Arc<Line>) -> Request {
    line.asks();
    let line = Arc::clone(line);
    let tracked = Arc::clone(&line);
    let mut request = request.map(|body| {
        Body::new(TrackedBody {
            body: Body::new(body),
            line: tracked,
            side: Side::Request,
        })
    });
    request.extensions_mut().insert(line);
    request
}

/// An answer whose body tells its line when it has ended.
pub fn going(response: Response, line: Arc<Line>) -> Response {
    if response.body().size_hint().exact().is_none() {
        line.streams();
    }
    let side = Side::Answer;
    response.map(|body| Body::new(TrackedBody { body, line, side }))
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Request,
    Answer,
}

struct TrackedBody {
    body: Body,
    line: Arc<Line>,
    side: Side,
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if self.side == Side::Request {
            self.line.waits_for_body(frame.is_pending());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for TrackedBody {
    fn drop(&mut self) {
        match self.side {
            Side::Request => self.line.waits_for_body(false),
            Side::Answer => self.line.answered(),
        }
    }
}

/// An answer's bytes with their share of the memory for answers: until the last of them is written.
struct Held {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Lines {
    /// Gives an answer its share of the memory for answers, or another answer in its place. One without an end
    /// has one piece at a time in memory and is not counted.
    pub async fn hold(&self, response: Response) -> Response {
        let length = response.body().size_hint().exact();
        let Some(length) = length.filter(|length| *length > SMALL) else {
            return response;
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some(room) = self.answer_room(length).await else {
            return Self::no_answer_room().into_response();
        };
        let (parts, body) = response.into_parts();
        match body.collect().await {
            Ok(body) => {
                let bytes = body.to_bytes();
                let held = Held { bytes, _room: room };
                Response::from_parts(parts, Body::from(Bytes::from_owner(held)))
            }
            // Bodies of a known size come from memory and do not fail.
            Err(_) => Refusal::fault().into_response(),
        }
    }

    /// What is said where there is no room for an answer.
    pub fn no_answer_room() -> Refusal {
        Refusal::busy(
            "too many large answers wait for clients that take them slowly; ask again in a moment",
        )
    }

    /// What is said where there is no place for a connection.
    pub fn no_place(&self) -> Refusal {
        Refusal::full(format!(
            "all {} connections of this server are in use; ask again in a moment",
            self.places()
        ))
    }
}
