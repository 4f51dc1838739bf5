//! What every request needs.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::watch;

use crate::{
    Options,
    body::Intake,
    engine::Queue,
    metrics::{Gauges, Metrics},
    models::Models,
};

/// What every request needs.
#[derive(Debug)]
pub struct Shared {
    /// The settings.
    pub options: Options,
    /// The models.
    pub models: Models,
    /// Pictures on their way to the engine.
    pub queue: Arc<Queue>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Takes bodies in.
    pub intake: Intake,
    /// Requests that are being answered.
    pub running: AtomicUsize,
    /// Open connections.
    pub connections: AtomicUsize,
    /// Whether the server was told to stop.
    pub stop: watch::Sender<bool>,
}

impl Shared {
    /// Whether the server takes nothing new.
    pub fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// What is measured at the moment of asking.
    pub fn gauges(&self) -> Gauges {
        Gauges {
            waiting: self.queue.len(),
            running: self.running.load(Ordering::Relaxed),
            connections: self.connections.load(Ordering::Relaxed),
        }
    }
}

/// Counts one more as long as it lives.
#[derive(Debug)]
pub struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    /// One more.
    pub fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
