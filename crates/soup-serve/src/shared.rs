//! What every request needs.

use std::sync::{Arc, atomic::Ordering};

use crate::{
    Options,
    body::Intake,
    engine::Queue,
    metrics::{Gauges, Metrics},
    models::Models,
    traffic::Traffic,
};

/// What every request needs.
#[derive(Debug)]
pub struct Shared {
    /// The settings.
    pub options: Options,
    /// The models.
    pub models: Models,
    /// Images on their way to the engine.
    pub queue: Arc<Queue>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Takes bodies in.
    pub intake: Intake,
    /// What is inside.
    pub traffic: Arc<Traffic>,
}

impl Shared {
    /// What is measured at the moment of asking.
    pub fn gauges(&self) -> Gauges {
        Gauges {
            waiting: self.queue.len(),
            running: self.traffic.running.load(Ordering::Relaxed),
            connections: self.traffic.lines.open_count(),
            answer_bytes: self.traffic.lines.answer_bytes(),
            closed: self.traffic.lines.closed(),
        }
    }
}
