//! Models over HTTP: the [Open Inference Protocol] version 2, a plain `POST /predict` for images,
//! a page for people, and what operators want (health, metrics, a graceful stop).
//!
//! Requests meet the engine at a queue with an end. The thread behind it takes what waits, decodes
//! the images side by side and runs them together; nothing is calculated on the threads that talk to
//! clients. What a model says of an image is what `soup predict` says, whatever else is running.
//!
//! [Open Inference Protocol]: https://github.com/kserve/open-inference-protocol

mod body;
pub mod connections;
mod engine;
mod error;
mod images;
mod metrics;
mod models;
mod options;
mod refusal;
mod routes;
mod shared;
mod token;
pub mod traffic;

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    thread::JoinHandle,
};

pub use error::ServeError;
pub use metrics::Totals;
pub use options::{Limits, Options};
pub use refusal::Refusal;
pub use routes::page;
pub use token::Token;

use body::Intake;
use engine::{Engine, Queue};
use metrics::Metrics;
use models::Models;
use shared::Shared;
use traffic::Traffic;

/// A server that listens, with its models in memory.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    engine: JoinHandle<()>,
}

/// Steers a server from another thread.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// A model that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its name in addresses.
    pub name: String,
    /// Number of its labels.
    pub labels: usize,
    /// Number of its networks.
    pub networks: usize,
}

impl Server {
    /// Reads the models (`model.soup` files and runs; each is served under its file's stem), plans
    /// them, and listens. Port 0 takes any free one.
    ///
    /// # Errors
    /// [`ServeError`]: a model that cannot be read, two of one name, an address that is taken.
    pub fn bind(
        models: &[PathBuf],
        host: &str,
        port: u16,
        options: Options,
    ) -> Result<Self, ServeError> {
        check(&options)?;
        // A taken address is found before large models are read.
        let listener = connections::listen(host, port)?;
        let address = listener.local_addr()?;
        let device = options.device.with_threads(options.threads);
        let models = Models::open(models, options.batch, &device)?;
        let (queue, metrics) = (Arc::new(Queue::new(options.queue)), Arc::default());
        let engine = Engine {
            queue: Arc::clone(&queue),
            device,
            batch: options.batch,
            window: options.window,
            metrics: Arc::<Metrics>::clone(&metrics),
        };
        let engine = engine.start()?;
        let shared = Shared {
            models,
            queue,
            metrics,
            intake: Intake::new(options.limits),
            traffic: Arc::new(Traffic::new(options.limits)),
            options,
        };
        Ok(Self {
            listener,
            address,
            shared: Arc::new(shared),
            engine,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The models, in the order in which they were named.
    pub fn models(&self) -> Vec<Summary> {
        let models = self.shared.models.all();
        let summary = models.map(|served| Summary {
            name: served.name.clone(),
            labels: served.model.label_names.len(),
            networks: served.model.members.len(),
        });
        summary.collect()
    }

    /// Steers the server while it runs.
    pub fn handle(&self) -> Handle {
        Handle {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Serves until [`Handle::stop`]; everything that was taken in is answered first. Says what was
    /// done.
    ///
    /// # Errors
    /// [`ServeError::System`] where the system gives no threads.
    pub fn run(self) -> Result<Totals, ServeError> {
        let runtime = connections::runtime()?;
        let router = routes::router(&self.shared);
        let traffic = Arc::clone(&self.shared.traffic);
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(self.listener)?;
            connections::serve(listener, router, traffic).await;
            Ok::<_, ServeError>(())
        })?;
        self.shared.queue.close();
        // A panic was logged when it happened.
        let _ = self.engine.join();
        runtime.shutdown_background();
        Ok(self.shared.metrics.totals())
    }
}

impl Handle {
    /// Tells the server to stop: nothing new is taken in.
    pub fn stop(&self) {
        self.shared.traffic.stop.send_replace(true);
    }

    /// Reads all models again. Requests that run keep the model that they began with; where a file is
    /// bad, its old model stays and the log says why.
    pub fn reload(&self) {
        self.shared.models.reload_all();
    }
}

fn check(options: &Options) -> Result<(), ServeError> {
    let limits = &options.limits;
    let wrong = |problem: String| Err(ServeError::Setting(problem));
    let least = [
        ("batch", options.batch),
        ("queue", options.queue),
        ("body", limits.body),
        ("pictures", limits.images),
        ("pixels", limits.pixels),
        ("connections", limits.connections),
        ("answers", limits.answers),
    ];
    if let Some((name, _)) = least.iter().find(|(_, value)| *value == 0) {
        return wrong(format!("the limit `{name}` must be at least 1"));
    }
    if limits.images > options.queue {
        return wrong(format!(
            "a request of {} images never fits into a queue of {}; allow fewer images in a request or \
             more in the queue",
            limits.images, options.queue
        ));
    }
    if limits.bodies < limits.body {
        return wrong("all bodies together must have room for one".to_owned());
    }
    Ok(())
}
