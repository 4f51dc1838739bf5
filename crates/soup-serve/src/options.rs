//! How a server answers, and what it refuses.

use soup_devices::DeviceName;
use std::time::Duration;

use crate::token::Token;

/// Settings of a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Images that are run together at most.
    pub batch: usize,
    /// How long a batch that is not full waits for more while requests come thick and fast. A
    /// request that finds the engine idle never waits.
    pub window: Duration,
    /// Images that may wait; the next request gets 429.
    pub queue: usize,
    /// Where the networks run.
    pub device: DeviceName,
    /// Threads that calculate; 0 takes every core.
    pub threads: usize,
    /// Who may ask; `None` answers everybody.
    pub token: Option<Token>,
    /// What a request may take.
    pub limits: Limits,
}

/// What a request may take of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a body.
    pub body: usize,
    /// Bytes of all bodies in memory together.
    pub bodies: usize,
    /// Images in a request.
    pub images: usize,
    /// Pixels (rows x columns) of an image.
    pub pixels: usize,
    /// Bytes of all answers together that wait for their clients to take them.
    pub answers: usize,
    /// Connections that ask for more than health. Where there are more, the one that waits for its client longest
    /// ends; where none does, the next request gets 503.
    pub connections: usize,
    /// For the head of a request, and for the next one on an open connection.
    pub head_time: Duration,
    /// For the body of a request.
    pub body_time: Duration,
    /// For a client to take something of its answer.
    pub write_time: Duration,
    /// For a request to wait until there is a place for its connection, or room for its answer.
    pub room_time: Duration,
    /// For what was taken in, once the server is asked to stop.
    pub stop_time: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            batch: 8,
            window: Duration::from_millis(2),
            queue: 64,
            device: DeviceName::Auto,
            threads: 0,
            token: None,
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 16 << 20,
            bodies: 256 << 20,
            images: 32,
            pixels: 1 << 22,
            answers: 256 << 20,
            connections: 1024,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            write_time: Duration::from_secs(30),
            room_time: Duration::from_secs(5),
            stop_time: Duration::from_secs(30),
        }
    }
}
