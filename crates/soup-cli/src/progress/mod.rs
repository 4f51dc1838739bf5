//! Bars on a terminal, a line now and then elsewhere; always on stderr.

mod training;

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::console::Console;

pub use training::TrainingProgress;

/// How often a line is written where no bar can be.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// How far a piece of work is. May be told from any thread.
pub struct Bar {
    console: Console,
    bar: ProgressBar,
    what: String,
    unit: &'static str,
    started: Instant,
    /// When the last line was written; none where there is a bar or nobody wants to know.
    last_line: Option<Mutex<Instant>>,
}

impl Bar {
    /// A bar from 0 to `total`; `what` is the work (`packing`), `unit` what is counted (`images`).
    pub fn new(console: Console, what: &str, total: u64, unit: &'static str) -> Self {
        let on_terminal = std::io::stderr().is_terminal();
        let target = if console.is_quiet() || !on_terminal {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(8)
        };
        let bar = ProgressBar::with_draw_target(Some(total), target).with_message(what.to_owned());
        let template =
            format!("{{msg}} [{{bar:30}}] {{pos}}/{{len}} {unit}, {{per_sec}}, {{eta}} left");
        // A template that does not parse would give a plain bar, no reason to stop.
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("=> "));
        }
        let started = Instant::now();
        Self {
            console,
            bar,
            what: what.to_owned(),
            unit,
            started,
            last_line: (!console.is_quiet() && !on_terminal).then(|| Mutex::new(started)),
        }
    }

    /// So much is done.
    pub fn set(&self, done: u64) {
        // Threads report out of order.
        if done > self.bar.position() {
            self.bar.set_position(done);
        }
        if let Some(last_line) = &self.last_line
            && let Ok(mut last_line) = last_line.try_lock()
            && last_line.elapsed() >= LINE_EVERY
        {
            *last_line = Instant::now();
            let total = self.bar.length().unwrap_or(0);
            let rate = done as f64 / self.started.elapsed().as_secs_f64();
            let (what, unit) = (&self.what, self.unit);
            self.console
                .note(&format!("{what}: {done}/{total} {unit}, {rate:.0}/s"));
        }
    }

    /// Words beside the bar.
    pub fn say(&self, words: String) {
        self.bar.set_message(words);
    }

    /// Takes the bar away.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}
