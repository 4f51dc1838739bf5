//! Ctrl-C: stop at the next good moment, keep what is done.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::failure::Kind;

/// A flag that Ctrl-C (or a polite kill) raises. A second Ctrl-C ends the program at once; files are
/// written whole or not at all, so that loses time only.
pub fn watch() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let code = i32::from(Kind::Interrupted.exit_code());
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal must find the flag still down.
        flag::register_conditional_shutdown(signal, code, Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}
