//! What is inside of a server, and whether it is to end.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::watch;

use crate::{Limits, connections::Lines};

/// Requests and connections of a server.
#[derive(Debug)]
pub struct Traffic {
    /// What a request may take.
    pub limits: Limits,
    /// Requests that are being answered.
    pub running: AtomicUsize,
    /// Open connections, and what waits for room.
    pub lines: Arc<Lines>,
    /// Whether the server was asked to stop.
    pub stop: watch::Sender<bool>,
}

impl Traffic {
    /// Nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            running: AtomicUsize::new(0),
            lines: Arc::new(Lines::new(limits)),
            stop: watch::Sender::new(false),
        }
    }

    /// Whether the server takes nothing new.
    pub fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Waits until the server is asked to stop.
    pub async fn stopped(&self) {
        // The sender lives as long as `self`.
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
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
