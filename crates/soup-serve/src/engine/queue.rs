//! Images that wait for the engine.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use soup_data::ImageShape;
use soup_model::Prediction;
use tokio::sync::oneshot;

use crate::{Refusal, models::Served};

/// An image that a model is asked about.
#[derive(Debug)]
pub struct Job {
    /// The model as it was when the request came.
    pub served: Arc<Served>,
    /// The image.
    pub image: Image,
    /// Whether label maps are wanted.
    pub maps: bool,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Result<Answer, Refusal>>,
}

/// An image as it came.
#[derive(Clone, Debug)]
pub enum Image {
    /// An image's file; decoded by the engine's threads.
    File(Bytes),
    /// Pixels.
    Pixels(ImageShape, Bytes),
}

/// What the model said of an image.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The image's own shape, upright; the network may have seen it in another size.
    pub shape: ImageShape,
    /// Probabilities and maps.
    pub prediction: Prediction,
}

/// A queue with an end. Everything that was let in is taken out again, in order but for batches:
/// images for the same model overtake those for others.
#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    capacity: usize,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Queue {
    /// An empty queue for this many images.
    pub fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::default(),
            arrived: Condvar::new(),
            capacity,
        }
    }

    /// Lets all images of a request in, or none.
    ///
    /// # Errors
    /// 429 where there is not room for all, 503 where the queue is closed.
    pub fn push(&self, jobs: Vec<Job>) -> Result<(), Refusal> {
        let mut state = self.state();
        if state.closed {
            return Err(Refusal::stopping());
        }
        // Nobody waits for the answers to requests that were given up.
        if state.jobs.len() + jobs.len() > self.capacity {
            state.jobs.retain(|job| !job.answer.is_closed());
        }
        if state.jobs.len() + jobs.len() > self.capacity {
            return Err(Refusal::busy(format!(
                "{} images wait already; ask again in a moment",
                state.jobs.len()
            )));
        }
        state.jobs.extend(jobs);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// Waits for images and takes up to `most` of one model. Where `window` is not zero and the
    /// next image came within it, waits that long for the batch to fill.
    ///
    /// `None` when the queue is closed and empty.
    pub fn take(&self, most: usize, window: Duration) -> Option<Vec<Job>> {
        let began = Instant::now();
        let mut state = self.state();
        while state.jobs.is_empty() {
            if state.closed {
                return None;
            }
            let woken = self.arrived.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        let found = Instant::now();
        while began + window > found && !state.closed && state.jobs.len() < most {
            let left = window.saturating_sub(found.elapsed());
            if left.is_zero() {
                break;
            }
            let woken = self.arrived.wait_timeout(state, left);
            (state, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
        let first = Arc::clone(&state.jobs.front()?.served);
        let (mut batch, mut rest) = (Vec::new(), VecDeque::new());
        for job in state.jobs.drain(..) {
            if batch.len() < most && Arc::ptr_eq(&job.served, &first) {
                batch.push(job);
            } else {
                rest.push_back(job);
            }
        }
        state.jobs = rest;
        Some(batch)
    }

    /// Lets nobody in any more; what is in will be taken out.
    pub fn close(&self) {
        self.state().closed = true;
        self.arrived.notify_all();
    }

    /// Images that wait.
    pub fn len(&self) -> usize {
        self.state().jobs.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No step between lock and unlock leaves half a change behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
