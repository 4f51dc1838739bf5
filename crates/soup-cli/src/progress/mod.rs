//! Bars on a terminal, a line now and then elsewhere; always on stderr.

mod training;

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::console::Console;

pub use training::{TrainingProgress, scores};

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
        let words = format!("{{pos}}/{{len}} {unit}, {{per_sec}}, {{eta}} left");
        Self::with_words(console, what, total, unit, &words)
    }

    /// A bar beside what [`say`](Self::say) says.
    fn telling(console: Console, what: &str, total: u64, unit: &'static str) -> Self {
        Self::with_words(console, what, total, unit, "{percent} % {msg}")
    }

    fn with_words(
        console: Console,
        what: &str,
        total: u64,
        unit: &'static str,
        words: &str,
    ) -> Self {
        let on_terminal = std::io::stderr().is_terminal();
        let target = if console.is_quiet() || !on_terminal {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(8)
        };
        let bar = ProgressBar::with_draw_target(Some(total), target).with_prefix(what.to_owned());
        // The bar takes what the words leave of the line, so that nothing wraps in a small terminal.
        let template = format!("{{prefix}} [{{wide_bar}}] {words}");
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
    fn say(&self, words: String) {
        self.bar.set_message(words);
    }

    /// Takes the bar away.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// Time to come, in at most seven columns: `40 s`, `52 min`, `1 h 05`.
fn left(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds).map_or(0, |time| time.as_secs());
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes:02}"),
    }
}
