//! The folder of a sweep.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use soup_train::{
    Error,
    config::renamed::in_table,
    runs::{Lock, files, refuse_other, refuse_other_settings},
};
use toml::Table;

use super::{
    file::{Metric, SweepFile},
    race::{Observation, Results, Trial},
    renamed,
};

/// A sweep's folder.
///
/// | file | what | written |
/// |---|---|---|
/// | `sweep.toml` | the sweep file | once |
/// | `base.toml` | every setting that the candidates are laid over | once |
/// | `runs/c003-s1/` | the run of candidate 3 with seed 1 | by the process that holds its claim |
/// | `trials/c003-s1-r0.json` | what it came to at rung 0 | once |
/// | `claims/c003-s1` | who trains it | while it is trained |
/// | `workers/...` | when each process was last alive | every second or so |
/// | `ranking.json`, `ranking.csv`, `ranking.txt` | the result so far | at the end of every command |
/// | `lock` | held while a stale claim is taken over | |
#[derive(Clone, Debug)]
pub struct SweepDirectory {
    root: PathBuf,
}

/// A finished trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// Which.
    #[serde(flatten)]
    pub trial: Trial,
    /// The candidate's settings.
    pub settings: Vec<String>,
    /// Seed of the training.
    pub train_seed: u64,
    /// Share of the training that was done.
    pub share: f64,
    /// The score, larger is better; none for a trial that failed.
    pub score: Option<f64>,
    /// The score by every metric that there is a number for.
    #[serde(default)]
    pub scores: BTreeMap<Metric, f64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Epochs of each fold.
    pub epochs: usize,
    /// Seconds of training since the run began, in all folds.
    pub seconds: f64,
    /// Training images a second.
    pub images_per_second: f64,
    /// Who trained it.
    pub worker: String,
    /// The score of each held-out image; empty where these differ from seed to seed.
    #[serde(rename = "pictures")]
    pub images: Vec<f32>,
}

impl SweepDirectory {
    /// A sweep's folder that may not exist yet.
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

    /// The run of a candidate with a seed.
    pub fn run(&self, trial: Trial) -> PathBuf {
        self.root.join("runs").join(Self::name(trial))
    }

    /// Name of a candidate with a seed.
    pub(super) fn name(trial: Trial) -> String {
        format!("c{:03}-s{}", trial.candidate, trial.seed)
    }

    fn record_path(&self, trial: Trial) -> PathBuf {
        self.root
            .join(format!("trials/{}-r{}.json", Self::name(trial), trial.rung))
    }

    /// Makes the folder and writes the sweep into it, or checks that this sweep is there.
    ///
    /// # Errors
    /// [`Error::Mismatch`] naming what differs, [`Error::Config`] for settings that cannot be.
    pub fn begin(&self, text: &str, file: &SweepFile) -> Result<(), Error> {
        file.check_settings()?;
        let base = file.base()?;
        for folder in ["runs", "trials", "claims", "workers"] {
            files::make_folder(&self.root.join(folder))?;
        }
        let _lock = self.lock()?;
        let table = |text: &str, path: &Path| -> Result<Table, Error> {
            let parsed: Result<Table, _> = text.parse();
            let mut table =
                parsed.map_err(|error| Error::format(path, format!("not TOML: {error}")))?;
            renamed::in_file(&mut table)?;
            in_table(&mut table)?;
            Ok(table)
        };
        let sweep = self.file("sweep.toml");
        let settings = self.file("base.toml");
        match files::read_text(&settings)? {
            // Settings are compared as they are read: an older version may have named them otherwise.
            Some(old) => refuse_other_settings(&settings, &table(&old, &settings)?, &base)?,
            None => files::write_bytes(&settings, base.to_toml().as_bytes())?,
        }
        match files::read_text(&sweep)? {
            Some(old) => refuse_other(&sweep, &table(&old, &sweep)?, &table(text, &sweep)?)?,
            // The sweep file comes last: where it is, the folder is whole.
            None => files::write_bytes(&sweep, text.as_bytes())?,
        }
        Ok(())
    }

    /// The sweep that is there.
    ///
    /// # Errors
    /// [`Error::Format`] where the folder holds none.
    pub fn open(&self) -> Result<SweepFile, Error> {
        let path = self.file("sweep.toml");
        // A folder that a person keeps a sweep file in is no sweep yet.
        let begun = self.file("base.toml").is_file();
        match files::read_text(&path)?.filter(|_| begun) {
            Some(text) => Ok(SweepFile::parse(&text, &path.display().to_string())?),
            None => Err(Error::format(
                &self.root,
                "this is no folder of a sweep; begin one with soup sweep FILE.toml --out DIR",
            )),
        }
    }

    /// Holds the sweep's lock until dropped.
    pub(super) fn lock(&self) -> Result<Lock, Error> {
        Lock::wait(&self.file("lock"))
    }

    /// Whether a trial is finished.
    pub(super) fn is_finished(&self, trial: Trial) -> bool {
        self.record_path(trial).is_file()
    }

    /// Writes what a trial came to.
    pub(super) fn finish(&self, record: &TrialRecord) -> Result<(), Error> {
        let path = self.record_path(record.trial);
        let text =
            serde_json::to_vec(record).map_err(|error| Error::format(&path, error.to_string()))?;
        files::write_bytes(&path, &text)
    }

    /// Reads the finished trials that `known` does not hold yet.
    ///
    /// # Errors
    /// [`Error::Format`] for a file that is none of ours.
    pub fn read(&self, known: &mut BTreeMap<Trial, TrialRecord>) -> Result<(), Error> {
        let folder = self.root.join("trials");
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(Error::file(&folder, "list"))? {
            let path = entry.map_err(Error::file(&folder, "list"))?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                paths.push(path);
            }
        }
        let read: Vec<PathBuf> = known.keys().map(|trial| self.record_path(*trial)).collect();
        paths.retain(|path| !read.contains(path));
        paths.sort_unstable();
        for path in paths {
            let Some(text) = files::read_text(&path)? else {
                continue;
            };
            let record: TrialRecord = serde_json::from_str(&text).map_err(|error| {
                Error::format(
                    &path,
                    format!("not a finished trial ({error}); remove it to train it again"),
                )
            })?;
            if self.record_path(record.trial) != path {
                return Err(Error::format(
                    &path,
                    "it holds another trial than its name says; remove it",
                ));
            }
            known.insert(record.trial, record);
        }
        Ok(())
    }
}

impl TrialRecord {
    /// The same, scored by another metric than the sweep's.
    pub(super) fn by(&self, metric: Metric) -> Self {
        Self {
            score: self.scores.get(&metric).copied(),
            images: Vec::new(),
            ..self.clone()
        }
    }
}

/// Records as the race wants them.
pub(super) fn results(records: &BTreeMap<Trial, TrialRecord>) -> Results {
    let observation = |record: &TrialRecord| {
        Some(Observation {
            score: record.score?,
            images: record.images.clone(),
        })
    };
    let of = |(trial, record): (&Trial, &TrialRecord)| (*trial, observation(record));
    records.iter().map(of).collect()
}
