//! The thread that calculates. Images that wait are decoded side by side and run together; what a
//! model says of an image does not depend on the images beside it.

mod queue;

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use bytes::Bytes;
use soup_data::{ImageShape, dataset::image_shape};
use soup_engine::Device;
use soup_model::Question;

pub use queue::{Answer, Image, Job, Queue};

use crate::{Refusal, metrics::Metrics, models::Served};

/// What the engine's thread works with.
#[derive(Debug)]
pub struct Engine {
    /// Images that wait.
    pub queue: Arc<Queue>,
    /// Threads that calculate.
    pub device: Device,
    /// Images in a batch at most.
    pub batch: usize,
    /// How long a batch waits to be filled.
    pub window: Duration,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// An image that is ready for the network.
struct Ready {
    job: Job,
    pixels: Pixels,
}

/// What the network is to see.
struct Pixels {
    /// The image's own shape.
    stored: ImageShape,
    /// The shape of what is seen of it.
    shape: ImageShape,
    bytes: Bytes,
}

impl Engine {
    /// Starts the thread; it ends when the queue is closed and empty.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(self) -> io::Result<JoinHandle<()>> {
        let thread = thread::Builder::new().name("soup-engine".to_owned());
        thread.spawn(move || self.work())
    }

    fn work(&self) {
        // A request that finds the engine idle does not wait for company.
        let mut window = Duration::ZERO;
        while let Some(jobs) = self.queue.take(self.batch, window) {
            window = if jobs.len() > 1 {
                self.window
            } else {
                Duration::ZERO
            };
            let began = Instant::now();
            // Whoever waits for an answer that a panic swallowed hears of a fault.
            if catch_unwind(AssertUnwindSafe(|| self.answer(jobs))).is_err() {
                tracing::error!("a batch failed; its requests were answered with 500");
            }
            self.metrics.note_busy(began.elapsed());
        }
    }

    fn answer(&self, mut jobs: Vec<Job>) {
        jobs.retain(|job| !job.answer.is_closed());
        let Some(first) = jobs.first() else { return };
        let served = Arc::clone(&first.served);
        self.metrics.note_batch(&served.name, jobs.len());
        let mut ready = self.read(jobs);
        while let Some(Ready { pixels, .. }) = ready.first() {
            let shape = pixels.shape;
            let (same, others) = (ready.into_iter()).partition(|other| other.pixels.shape == shape);
            run(&served, shape, same);
            ready = others;
        }
    }

    /// Decodes the images; those that are bad are refused.
    fn read(&self, jobs: Vec<Job>) -> Vec<Ready> {
        let mut read: Vec<Option<Result<Pixels, Refusal>>> = jobs.iter().map(|_| None).collect();
        self.device
            .pool
            .each(jobs.iter().zip(&mut read), |(job, pixels)| {
                *pixels = Some(pixels_of(&job.image, &job.served));
            });
        let mut ready = Vec::new();
        for (job, pixels) in jobs.into_iter().zip(read) {
            match pixels {
                Some(Ok(pixels)) => ready.push(Ready { job, pixels }),
                // A receiver that is gone has no use for the answer.
                Some(Err(refusal)) => drop(job.answer.send(Err(refusal))),
                None => drop(job.answer.send(Err(Refusal::fault()))),
            }
        }
        ready
    }
}

fn pixels_of(image: &Image, served: &Served) -> Result<Pixels, Refusal> {
    match image {
        Image::Pixels(shape, pixels) => Ok(Pixels {
            stored: *shape,
            shape: *shape,
            bytes: pixels.clone(),
        }),
        Image::File(bytes) => {
            // Decoders meet whatever the world sends.
            let decoded = catch_unwind(AssertUnwindSafe(|| decoded(bytes, served)));
            decoded.unwrap_or_else(|_| Err(Refusal::request("the image cannot be decoded")))
        }
    }
}

fn decoded(bytes: &[u8], served: &Served) -> Result<Pixels, Refusal> {
    let (shape, pixels) = served.model.pixels(bytes).map_err(Refusal::request)?;
    let stored = image_shape(bytes).map_err(Refusal::request)?;
    match served.check(shape) {
        Ok(()) => Ok(Pixels {
            stored,
            shape,
            bytes: pixels.into(),
        }),
        Err(problem) => Err(Refusal::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("the model cannot read an image of {shape}: {problem}"),
        )),
    }
}

/// Runs images of one shape and answers each as soon as its prediction is there.
fn run(served: &Served, shape: ImageShape, ready: Vec<Ready>) {
    let (mut senders, mut images) = (Vec::new(), Vec::new());
    for Ready { job, pixels, .. } in ready {
        senders.push(Some((job.answer, pixels.stored)));
        images.push((pixels.bytes, job.maps));
    }
    let questions: Vec<Question<'_>> = images
        .iter()
        .map(|(pixels, maps)| Question {
            pixels,
            maps: *maps,
        })
        .collect();
    let mut sessions = served.sessions();
    let outcome = sessions
        .for_shape(&served.model, shape)
        .and_then(|session| {
            session.run_all(&served.model, &questions, &mut |place, mut prediction| {
                if let Some((sender, shape)) = senders[place].take() {
                    let answer = match served.decide(&mut prediction.probabilities) {
                        Ok(()) => Ok(Answer { shape, prediction }),
                        Err(error) => Err(Refusal::new(
                            StatusCode::UNPROCESSABLE_ENTITY,
                            error.to_string(),
                        )),
                    };
                    let _ = sender.send(answer);
                }
            })
        });
    if let Err(error) = outcome {
        tracing::warn!(model = served.name, %error, "images could not be answered");
        let refusal = Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string());
        for (sender, _) in senders.into_iter().flatten() {
            let _ = sender.send(Err(refusal.clone()));
        }
    }
}
