//! The folder of a run and the folders of its folds.

use std::path::{Path, PathBuf};

use serde::Serialize;
use toml::Table;

use super::{
    Lock, files,
    metrics::{self, EpochRecord},
};
use crate::{
    Error,
    config::{
        Config,
        compare::{Difference, differences},
    },
};

/// A run's folder.
///
/// | file | what | written |
/// |---|---|---|
/// | `config.toml` | every setting | once |
/// | `folds.json` | which image is held out by which fold | once |
/// | `pictures.pack/` | the images, where they were given as a folder or zip | once |
/// | `fold0/...` | see [`FoldDirectory`] | by the process that trains the fold |
/// | `metrics.jsonl`, `metrics.csv`, `log.txt` | those of the folds, in the folds' order | anew after each epoch of any fold |
/// | `labels.json` | the images' ids and true labels | anew after each fold |
/// | `oof.npy`, `oof.ids.json` | out-of-fold probabilities | anew after each fold |
/// | `tta.json`, `tta.npy`, `tta.ids.json` | the views that `soup tta` kept; out-of-fold probabilities with them | by `soup tta` |
/// | `decision.json` | calibration, thresholds and label counts, fitted out of fold | by `soup decide` |
/// | `lock` | held while the shared files are written | |
///
/// Processes that train different folds write different folders; the shared files are always made
/// anew from all folds while the run's lock is held, so they cannot clash.
#[derive(Clone, Debug)]
pub struct RunDirectory {
    root: PathBuf,
}

/// Settings that a run may be resumed with although they differ: they do not reach the result.
const HARMLESS: [&str; 7] = [
    "train.folds",
    "train.threads",
    "train.checkpoint_seconds",
    "train.checkpoint_steps",
    "train.keep_epochs",
    // What lies there is compared with what the run had.
    "data.path",
    "folds.file",
];

impl RunDirectory {
    /// A run's folder that may not exist yet.
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The folder of one fold, counted from 0.
    pub fn fold(&self, fold: usize) -> FoldDirectory {
        FoldDirectory {
            root: self.root.join(format!("fold{fold}")),
        }
    }

    /// Holds the run's lock until dropped: needed to write the shared files.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn lock(&self) -> Result<Lock, Error> {
        Lock::wait(&self.file("lock"))
    }

    /// Whether files can be written here; a run on a read-only disk can still be read.
    pub fn is_writable(&self) -> bool {
        Lock::can_be_taken(&self.file("lock"))
    }

    /// Makes the folder and writes the settings, or checks that a run with these settings is
    /// there.
    ///
    /// # Errors
    /// [`Error::Mismatch`] naming the keys in which the run there differs, [`Error::File`],
    /// [`Error::Format`] for a `config.toml` that is none.
    pub fn begin(&self, config: &Config) -> Result<(), Error> {
        files::make_folder(&self.root)?;
        let _lock = self.lock()?;
        let path = self.file("config.toml");
        if let Some(text) = files::read_text(&path)? {
            let old: Table = text
                .parse()
                .map_err(|error| Error::format(&path, format!("not TOML: {error}")))?;
            refuse_other_settings(&path, &old, config)?;
        }
        files::write_bytes(&path, config.to_toml().as_bytes())
    }

    /// The settings that a command asks for: a preset and `section.key=value` arguments over the defaults or, where the
    /// run is there, over its own settings. With a preset, only the images are still those of the run where none are
    /// named.
    ///
    /// # Errors
    /// As [`Config::load`] and [`config`](Self::config).
    pub fn settings(&self, preset: Option<&str>, overrides: &[String]) -> Result<Config, Error> {
        let own = match self.file("config.toml").is_file() {
            true => Some(self.config()?),
            false => None,
        };
        let Some(own) = own else {
            return Ok(Config::load(preset, overrides)?);
        };
        if preset.is_none() {
            return Ok(own.with(overrides)?);
        }
        let mut asked = Config::load(preset, overrides)?;
        if asked.data.path.is_empty() {
            asked.data.path = own.data.path;
        }
        Ok(asked)
    }

    /// The settings of a run that is there.
    ///
    /// # Errors
    /// [`Error::Format`] where the folder holds no run.
    pub fn config(&self) -> Result<Config, Error> {
        let path = self.file("config.toml");
        let Some(text) = files::read_text(&path)? else {
            return Err(Error::format(
                &self.root,
                "this is no run: it holds no config.toml",
            ));
        };
        Ok(Config::from_toml(&text, &path.display().to_string())?)
    }

    /// The folds that have a folder, sorted.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn folds(&self) -> Result<Vec<usize>, Error> {
        Ok(soup_model::folds(&self.root)?)
    }

    /// Makes `metrics.jsonl`, `metrics.csv` and `log.txt` anew from those of the folds.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Format`].
    pub fn merge(&self) -> Result<(), Error> {
        let _lock = self.lock()?;
        let (mut records, mut log) = (Vec::new(), String::new());
        for fold in self.folds()? {
            let fold = self.fold(fold);
            records.extend(fold.metrics()?);
            if let Some(text) = files::read_text(&fold.file("log.txt"))? {
                log.push_str(&text);
            }
        }
        write_metrics(&self.root, &records)?;
        files::write_bytes(&self.file("log.txt"), log.as_bytes())
    }
}

/// Refuses to go on with other settings than before, unless they do not reach the result.
///
/// # Errors
/// [`Error::Mismatch`].
pub fn refuse_other(source: &Path, old: &Table, new: &Table) -> Result<(), Error> {
    let serious: Vec<Difference> = differences(old, new)
        .into_iter()
        .filter(|difference| !HARMLESS.contains(&difference.key.as_str()))
        .collect();
    if serious.is_empty() {
        return Ok(());
    }
    let lines: String = serious
        .iter()
        .map(|d| format!("\n  {}: {} there, {} now", d.key, d.old, d.new))
        .collect();
    Err(Error::mismatch(format!(
        "{} was begun with other settings; take the old ones to go on with it, or another --out to \
         begin a new run{lines}",
        source.display()
    )))
}

/// As [`refuse_other`], for the settings of a run: what an older program did not know of, it did by
/// default.
///
/// # Errors
/// [`Error::Mismatch`].
pub fn refuse_other_settings(source: &Path, old: &Table, config: &Config) -> Result<(), Error> {
    let completed = Config::from_toml(&old.to_string(), &source.display().to_string());
    let old = completed.map_or_else(|_| old.clone(), |config| config.to_table());
    refuse_other(source, &old, &config.to_table())
}

/// A fold's folder, written by one process at a time.
///
/// | file | what |
/// |---|---|
/// | `last.ckpt` | where training stands |
/// | `last.ckpt.previous` | the checkpoint before it, until the fold is done |
/// | `best.ckpt` | weights of the best epoch, with its figures |
/// | `model.safetensors` | the same weights by timm's names |
/// | `epochNNN.ckpt` | weights of the last epochs, as many as `train.keep_epochs` asks |
/// | `diverged.json` | where and how training diverged, if it did |
/// | `plan.json` | with a time budget: how many steps there will be, as the clock decided it before the first step and after each epoch |
/// | `valid.npy` | probabilities of the held-out images, at the end |
/// | `metrics.jsonl`, `metrics.csv`, `log.txt` | its part of the run's |
/// | `sessions.jsonl` | when and where a process took the fold up |
/// | `lock` | held by the process that trains it |
#[derive(Clone, Debug)]
pub struct FoldDirectory {
    root: PathBuf,
}

impl FoldDirectory {
    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Makes the folder and holds it against other processes until the lock is dropped.
    ///
    /// # Errors
    /// [`Error::Busy`] where another process trains the fold, [`Error::File`].
    pub fn take(&self) -> Result<Lock, Error> {
        files::make_folder(&self.root)?;
        let lock = Lock::take(&self.file("lock"), &self.root)?;
        files::remove_leftovers(&self.root)?;
        Ok(lock)
    }

    /// Figures of the epochs done so far.
    ///
    /// # Errors
    /// [`Error::Format`] naming the line.
    pub fn metrics(&self) -> Result<Vec<EpochRecord>, Error> {
        let path = self.file("metrics.jsonl");
        let text = files::read_text(&path)?.unwrap_or_default();
        metrics::from_json_lines(&text).map_err(|(line, error)| {
            let hint = "soup train with this run as --out makes it anew from the checkpoint";
            Error::format(&path, format!("line {line}: {error}; {hint}"))
        })
    }

    /// Writes the fold's metrics, whole.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write_metrics(&self, records: &[EpochRecord]) -> Result<(), Error> {
        write_metrics(&self.root, records)
    }

    /// Notes that a process took the fold up: the one file that differs between a resumed run and
    /// an uninterrupted one by more than times.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn note_session(&self, session: &Session) -> Result<(), Error> {
        let path = self.file("sessions.jsonl");
        let mut text = files::read_text(&path)?.unwrap_or_default();
        text.push_str(&json(&path, session)?);
        text.push('\n');
        files::write_bytes(&path, text.as_bytes())
    }
}

/// A line of `sessions.jsonl`.
#[derive(Clone, Debug, Serialize)]
pub struct Session {
    /// When, UTC.
    pub time: String,
    /// Version of the program.
    pub version: &'static str,
    /// Threads used.
    pub threads: usize,
    /// Epoch in which training goes on, counted from 1.
    pub epoch: usize,
    /// Optimiser steps done before.
    pub step: u64,
}

fn write_metrics(root: &Path, records: &[EpochRecord]) -> Result<(), Error> {
    let path = root.join("metrics.jsonl");
    let lines =
        metrics::to_json_lines(records).map_err(|error| Error::format(&path, error.to_string()))?;
    files::write_bytes(&path, lines.as_bytes())?;
    files::write_bytes(
        &root.join("metrics.csv"),
        metrics::to_csv(records).as_bytes(),
    )
}

fn json(path: &Path, value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::format(path, error.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A key that came later takes its default in what was written before.
    #[test]
    fn settings_of_an_older_program_are_completed() {
        let mut config = Config::default();
        let mut old = config.to_table();
        let model = old["model"].as_table_mut().unwrap();
        assert!(model.remove("precision").is_some());
        let path = Path::new("config.toml");
        refuse_other_settings(path, &old, &config).unwrap();
        // A key that was renamed since is the same key.
        let data = old["data"].as_table_mut().unwrap();
        let share = data.remove("dense_share").unwrap();
        assert!(data.insert("crowd_share".to_owned(), share).is_none());
        refuse_other_settings(path, &old, &config).unwrap();
        config.model.precision = soup_model::Precision::Bf16;
        let error = refuse_other_settings(path, &old, &config).unwrap_err();
        assert!(error.to_string().contains("model.precision"), "{error}");
    }
    /// `quantize` was named `bands`; a run that says so is resumed.
    #[test]
    fn old_names_are_the_same_settings() {
        let config =
            Config::default().with(&["transforms=[{kind='quantize', edges=[0,100]}]".to_owned()]);
        let config = config.unwrap();
        let written = config.to_toml();
        assert!(written.contains("\"quantize\""), "{written}");
        let old: Table = written.replace("quantize", "bands").parse().unwrap();
        refuse_other_settings(Path::new("config.toml"), &old, &config).unwrap();
    }
}
