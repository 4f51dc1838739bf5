//! Bodies in memory: no larger, no slower, and together no more than the limits say.

use std::{future::Future, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{Limits, Refusal};

/// Memory is counted in pieces of this many bytes.
const PIECE: usize = 1024;

/// Takes bodies in.
#[derive(Debug)]
pub struct Intake {
    limits: Limits,
    room: Arc<Semaphore>,
}

/// A body, and its share of the memory for bodies until it is dropped.
#[derive(Debug)]
pub struct Taken {
    /// The bytes.
    pub bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl Intake {
    /// An intake with these limits.
    pub fn new(limits: Limits) -> Self {
        let pieces = (limits.bodies / PIECE).min(Semaphore::MAX_PERMITS);
        Self {
            limits,
            room: Arc::new(Semaphore::new(pieces)),
        }
    }

    /// Reads a body to its end.
    ///
    /// # Errors
    /// 413 for one that is too large, 408 for one that is too slow, 429 where the memory for bodies is
    /// used up, 400 for one that breaks off, 415 for one that is compressed.
    pub async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Taken, Refusal> {
        if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
            && encoding.as_bytes() != b"identity"
        {
            return Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "send the body without Content-Encoding",
            ));
        }
        let claimed = headers.get(header::CONTENT_LENGTH);
        let claimed = claimed.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if claimed.is_some_and(|length| length > self.limits.body) {
            return Err(self.too_large());
        }
        in_time(self.limits.body_time, self.collect(body, claimed)).await
    }

    async fn collect(&self, mut body: Body, claimed: Option<usize>) -> Result<Taken, Refusal> {
        let mut room: Option<OwnedSemaphorePermit> = None;
        let mut held = 0;
        // What a head claims is only reserved as it comes.
        let mut bytes = BytesMut::with_capacity(claimed.unwrap_or(0).min(64 * PIECE));
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|error| Refusal::request(format!("the body breaks off: {error}")))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let length = bytes.len() + data.len();
            if length > self.limits.body {
                return Err(self.too_large());
            }
            let wanted = length.div_ceil(PIECE);
            if wanted > held {
                let more = u32::try_from(wanted - held).unwrap_or(u32::MAX);
                let more = Arc::clone(&self.room).try_acquire_many_owned(more);
                let more = more.map_err(|_| {
                    Refusal::busy("too many large requests at once; ask again in a moment")
                })?;
                match &mut room {
                    Some(room) => room.merge(more),
                    None => room = Some(more),
                }
                held = wanted;
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Taken {
            bytes: bytes.freeze(),
            _room: room,
        })
    }

    fn too_large(&self) -> Refusal {
        Refusal::too_large(format!(
            "a body may have {} bytes; send fewer or smaller images at once",
            self.limits.body
        ))
    }
}

async fn in_time(
    limit: std::time::Duration,
    reading: impl Future<Output = Result<Taken, Refusal>>,
) -> Result<Taken, Refusal> {
    let late = |_| {
        let problem = format!("the body took longer than {} s", limit.as_secs_f64());
        Refusal::new(StatusCode::REQUEST_TIMEOUT, problem)
    };
    timeout(limit, reading).await.map_err(late)?
}
