//! The further processes of a sweep.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use super::Arguments;
use crate::console::Console;
use crate::failure::Kind;

/// Processes that end with this one, however it ends: each holds the other end of a pipe.
pub struct Workers(Vec<Child>);

impl Workers {
    /// Starts all but the first, which this process is.
    pub fn start(
        arguments: &Arguments,
        sweep: &Path,
        threads: usize,
        console: Console,
    ) -> Result<Self> {
        let mut workers = Self(Vec::new());
        for _ in 1..arguments.workers {
            let mut command =
                Command::new(std::env::current_exe().context("where is this program?")?);
            command
                .arg("sweep")
                .arg(sweep)
                .args(["--worker", "--threads", &threads.to_string()])
                .args(["--stale-seconds", &arguments.stale_seconds.to_string()]);
            if let Some(minutes) = arguments.budget_minutes {
                command.args(["--budget-minutes", &minutes.to_string()]);
            }
            if let Some(trials) = arguments.trials {
                command.args(["--trials", &trials.to_string()]);
            }
            if console.is_quiet() {
                command.arg("--quiet");
            }
            command.stdin(Stdio::piped()).stdout(Stdio::null());
            workers
                .0
                .push(command.spawn().context("cannot start a worker")?);
        }
        Ok(workers)
    }

    /// Waits until all have ended; `stop` asks them to.
    pub fn finish(self, stop: bool, console: Console) {
        let mut children = self.0;
        if stop {
            children
                .iter_mut()
                .for_each(|child| drop(child.stdin.take()));
        }
        for mut child in children {
            let id = child.id();
            // Waiting closes the pipe, which asks a process to stop; those that work on end first.
            let input = child.stdin.take();
            let status = child.wait();
            drop(input);
            let interrupted = i32::from(Kind::Interrupted.exit_code());
            match status {
                Ok(status) if status.success() || status.code() == Some(interrupted) => {}
                Ok(status) => console.note(&format!("worker {id} ended early ({status})")),
                Err(error) => console.note(&format!("worker {id}: {error}")),
            }
        }
    }
}

/// Raises the flag when standard input ends: the process that started this one is gone or wants it to
/// stop.
pub fn stop_with_input(stop: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let mut byte = [0];
        while std::io::stdin().read(&mut byte).is_ok_and(|read| read > 0) {}
        stop.store(true, Ordering::Relaxed);
    });
}
