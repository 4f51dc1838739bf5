//! A run while it trains: what its folder says at this moment, as pieces of a page that change one by one. Nothing
//! here writes into the folder or waits for a lock of it.

mod parts;
mod predictions;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

pub use parts::{PANELS, Panel};
pub use predictions::{PredictedImages, Selection};
use soup_train::{Error, runs::RunDirectory, trainer::Standing};

use crate::{Run, run::name};

/// Lines of the log that are shown.
const LOG_LINES: usize = 12;
/// Files of a fold that are written while it trains.
const SIGNS: [&str; 6] = [
    "last.ckpt",
    "metrics.jsonl",
    "log.txt",
    "sessions.jsonl",
    "plan.json",
    "diverged.json",
];
/// A fold that is silent for less than this may still measure its pace, or evaluate held-out images.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the folder of a run says.
#[derive(Clone, Debug)]
pub struct Live {
    /// The folder.
    pub path: PathBuf,
    /// What the run is called.
    pub name: String,
    /// The run, if there is one.
    pub state: State,
}

/// Whether there is a run.
#[derive(Clone, Debug)]
pub enum State {
    /// There is none: not yet, or not any more.
    Missing,
    /// A file of it cannot be read, and why.
    Damaged(String),
    /// There is one.
    There(Box<Now>),
}

/// A run at this moment.
#[derive(Clone, Debug)]
pub struct Now {
    /// Settings and epochs.
    pub run: Run,
    /// Where each fold stands that was begun.
    pub folds: Vec<(usize, Standing)>,
    /// When the run was last written to.
    pub written: Option<SystemTime>,
    /// Whether that is so long ago that nobody can be training.
    pub is_quiet: bool,
    /// The last lines of the log.
    pub log: String,
}

impl Live {
    /// Reads a run's folder; whatever is wrong with it becomes a [`State`].
    pub fn read(path: &Path) -> Self {
        let state = match Run::is_run(path) {
            false => State::Missing,
            true => match Now::read(path) {
                Ok(now) => State::There(Box::new(now)),
                // Moved away in the middle of it.
                Err(_) if !Run::is_run(path) => State::Missing,
                Err(error) => State::Damaged(error.to_string()),
            },
        };
        Self {
            path: path.to_owned(),
            name: name(path),
            state,
        }
    }
}

impl Now {
    fn read(path: &Path) -> Result<Self, Error> {
        let run = Run::read(path)?;
        let directory = RunDirectory::at(path);
        let mut folds = Vec::new();
        let mut written = modified(&directory.file("config.toml"));
        let mut log = String::new();
        for fold in directory.folds()? {
            let files = directory.fold(fold);
            let mut standing = Standing::read(&run.config, &files)?;
            // Checkpoints may be thrown away once a run is done.
            let epochs = run.of_fold(fold).map(|record| record.epoch);
            standing.done = epochs.max().unwrap_or(0).max(standing.done);
            folds.push((fold, standing));
            let signs = SIGNS.iter().map(|file| modified(&files.file(file)));
            let own = signs.max().flatten();
            if own >= written {
                // The log of whichever fold spoke last.
                let text = fs::read(files.file("log.txt")).unwrap_or_default();
                log = last_lines(&String::from_utf8_lossy(&text));
            }
            written = written.max(own);
        }
        let longest = run.epochs.iter().map(|record| record.seconds);
        let longest = longest.filter(|seconds| seconds.is_finite());
        let expected = longest.fold(run.config.train.checkpoint_seconds as f64, f64::max);
        let expected = Duration::try_from_secs_f64(2.0 * expected).unwrap_or(Duration::MAX);
        // A clock that was set back makes no run quiet.
        let silence = written.and_then(|written| written.elapsed().ok());
        Ok(Self {
            is_quiet: silence.is_some_and(|silence| silence > expected.max(PATIENCE)),
            run,
            folds,
            written,
            log,
        })
    }

    /// Whether every fold is trained to its end.
    pub fn is_ended(&self) -> bool {
        self.folds.len() >= self.run.folds && self.folds.iter().all(|(_, at)| at.is_done())
    }

    /// Folds that are neither at their end nor diverged, and where they stand.
    pub fn training(&self) -> impl Iterator<Item = &(usize, Standing)> {
        let is_open =
            |(fold, at): &&(usize, Standing)| !at.is_done() && self.run.divergence(*fold).is_none();
        self.folds.iter().filter(is_open)
    }

    /// Whether nothing is left to train, and something diverged.
    pub fn is_diverged(&self) -> bool {
        let is_begun = self.folds.len() >= self.run.folds;
        !self.run.diverged.is_empty() && is_begun && self.training().next().is_none()
    }

    /// Seconds until the folds that were begun end, at the pace of their epochs.
    pub fn seconds_left(&self) -> Option<f64> {
        let mut left = 0.0;
        for (fold, at) in self.training() {
            let own: Vec<f64> = self.run.of_fold(*fold).map(|of| of.seconds).collect();
            let missing = at.epochs?.saturating_sub(at.done) as f64;
            if missing > 0.0 && own.is_empty() {
                return None;
            }
            left += missing * own.iter().sum::<f64>() / own.len().max(1) as f64;
        }
        (left > 0.0).then_some(left)
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}
