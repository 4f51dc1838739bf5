//! What verbs have in common that run until they are stopped.

use std::thread;

use crate::console::Console;
use anyhow::Result;
use clap::ValueEnum;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Log {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// The log goes to stderr; quiet leaves what is wrong.
pub fn start_log(log: Log, console: Console) {
    let level = match console.is_quiet() {
        true => tracing::Level::WARN,
        false => tracing::Level::INFO,
    };
    let lines = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(console.is_colored())
        .with_writer(std::io::stderr);
    match log {
        Log::Text => lines.init(),
        Log::Json => lines.json().flatten_event(true).init(),
    }
}

/// Does what signals say, on a thread of its own. A second one to stop ends the program at once.
#[cfg(unix)]
pub fn obey(stop: impl Fn() + Send + 'static, reload: impl Fn() + Send + 'static) -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::{iterator::Signals, low_level};

    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let thread = thread::Builder::new().name("soup-signals".to_owned());
    thread.spawn(move || {
        let mut is_stopping = false;
        for signal in &mut signals {
            if signal == SIGHUP {
                reload();
            } else if is_stopping {
                let _ = low_level::emulate_default_handler(signal);
            } else {
                is_stopping = true;
                stop();
            }
        }
    })?;
    Ok(())
}

/// Does what Ctrl-C says, on a thread of its own. A second one ends the program at once. No signal asks to reload.
#[cfg(not(unix))]
pub fn obey(stop: impl Fn() + Send + 'static, _: impl Fn() + Send + 'static) -> Result<()> {
    use std::{sync::atomic::Ordering, time::Duration};

    let asked = crate::interrupt::watch()?;
    let thread = thread::Builder::new().name("soup-signals".to_owned());
    thread.spawn(move || {
        while !asked.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(50));
        }
        stop();
    })?;
    Ok(())
}
