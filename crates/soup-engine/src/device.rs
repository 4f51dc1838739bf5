//! Where networks run.

use std::sync::Arc;

use soup_threads::Pool;

use crate::Engine;

/// An engine, and the threads of the host for all that is not the network: images, losses, tables.
#[derive(Clone, Debug)]
pub struct Device {
    /// Runs the networks.
    pub engine: Arc<dyn Engine>,
    /// Threads of the host; an engine on the host works on the same.
    pub pool: Arc<Pool>,
}
