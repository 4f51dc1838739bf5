//! The loop of a process that works on a sweep: claim a wanted trial, train it, write what it came to.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use soup_decide::metrics::ScoredPredictions;
use soup_train::{
    Error,
    progress::{Event, Progress},
    runs::{EpochRecord, RunDirectory, files},
    trainer::{OutOfFold, TrainRequest, TrainSummary, train},
};

use super::{
    claims::{Claim, Worker},
    directory::{SweepDirectory, TrialRecord, results},
    file::{Metric, SweepFile},
    race::{Next, Race, Trial},
};

/// Pause before the folder is read again where others train all that is wanted.
const PAUSE: Duration = Duration::from_millis(200);

/// How a process works on a sweep.
#[derive(Clone, Copy, Debug)]
pub struct WorkOptions<'a> {
    /// Threads of a training; 0 takes every core. No result depends on it.
    pub threads: usize,
    /// Silence after which another process counts as dead.
    pub stale: Duration,
    /// Ends when so many trials of the sweep are finished.
    pub trials: Option<usize>,
    /// Ends at this moment; a trial at hand is kept as a checkpoint.
    pub deadline: Option<Instant>,
    /// Raised to stop at the next good moment.
    pub stop: &'a AtomicBool,
}

/// How the work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nothing is wanted any more.
    Complete,
    /// The time or the number of trials is used up.
    Budget,
}

/// Progress of a process.
#[derive(Clone, Debug)]
pub enum SweepEvent<'a> {
    /// A trial begins or is gone on with.
    Started {
        /// Which.
        trial: Trial,
        /// Share of the training at its end.
        share: f64,
        /// The candidate's settings.
        settings: &'a [String],
        /// Trials that are wanted now, this one included.
        wanted: usize,
    },
    /// A trial is finished.
    Finished(&'a TrialRecord),
    /// Other processes train all that is wanted now.
    Waiting,
}

/// Works on a sweep until nothing is wanted, the budget is used up, or `stop` is raised.
///
/// # Errors
/// [`Error::Stopped`] on `stop`; whatever keeps a trial from being trained (a failed one, whose loss was
/// no number any more, is a result and no error).
pub fn work(
    directory: &SweepDirectory,
    options: &WorkOptions<'_>,
    note: &mut dyn FnMut(&SweepEvent<'_>),
) -> Result<Ending, Error> {
    let file = directory.open()?;
    let race = file.race();
    let worker = Worker::start(directory, options.stale)?;
    let mut records = BTreeMap::new();
    let (mut next, mut counted, mut waiting) = (Next::Done, usize::MAX, false);
    loop {
        if options.stop.load(Ordering::Relaxed) {
            return Err(Error::STOPPED);
        }
        directory.read(&mut records)?;
        let enough = options.trials.is_some_and(|trials| records.len() >= trials);
        if enough
            || options
                .deadline
                .is_some_and(|deadline| Instant::now() >= deadline)
        {
            return Ok(Ending::Budget);
        }
        if counted != records.len() {
            next = race.next(&results(&records));
            counted = records.len();
        }
        let Next::Train(wanted) = &next else {
            return Ok(Ending::Complete);
        };
        // The first wanted trial that nobody has; someone may have finished it since the folder was read.
        let mut claimed = None;
        for trial in wanted {
            if let Some(claim) = worker.claim(&SweepDirectory::name(*trial))?
                && !directory.is_finished(*trial)
            {
                claimed = Some((*trial, claim));
                break;
            }
        }
        let Some((trial, claim)) = claimed else {
            if !std::mem::replace(&mut waiting, true) {
                note(&SweepEvent::Waiting);
            }
            std::thread::sleep(PAUSE);
            continue;
        };
        waiting = false;
        let candidate = &race.candidates(&results(&records))[trial.candidate];
        let settings = file.settings_of(candidate);
        note(&SweepEvent::Started {
            trial,
            share: race.share(trial.rung),
            settings: &settings,
            wanted: wanted.len(),
        });
        let work = Work {
            directory,
            file: &file,
            race: &race,
            options,
            worker: worker.name(),
            trial,
        };
        match work.train(&claim, settings)? {
            Some(record) => {
                directory.finish(&record)?;
                note(&SweepEvent::Finished(&record));
                if trial.rung == race.last_rung() {
                    forget_checkpoints(&directory.run(trial), &file.folds)?;
                }
            }
            // Not ours any more, or time is up: the loop finds out which.
            None => std::thread::sleep(PAUSE),
        }
    }
}

/// A trial at hand.
struct Work<'a> {
    directory: &'a SweepDirectory,
    file: &'a SweepFile,
    race: &'a Race,
    options: &'a WorkOptions<'a>,
    worker: &'a str,
    trial: Trial,
}

impl Work<'_> {
    /// Trains all folds up to the rung; none where it was stopped before.
    fn train(
        &self,
        claim: &Claim<'_>,
        settings: Vec<String>,
    ) -> Result<Option<TrialRecord>, Error> {
        let train_seed = self.race.seed(self.trial.seed);
        let base = self.directory.file("base.toml");
        let base = base.to_str().ok_or_else(|| {
            Error::format(
                &base,
                "the path is not UTF-8; name another folder for the sweep",
            )
        })?;
        let mut config = self.file.config(base, &settings, train_seed)?.into_inner();
        if self.options.threads > 0 {
            config.train.threads = self.options.threads;
        }
        let only_composed = config.data.only_composed();
        let config = config.check()?;
        let path = self.directory.run(self.trial);
        let mut record = TrialRecord {
            trial: self.trial,
            settings,
            train_seed,
            share: self.race.share(self.trial.rung),
            score: None,
            scores: BTreeMap::new(),
            failure: None,
            epochs: 0,
            seconds: 0.0,
            images_per_second: 0.0,
            worker: self.worker.to_owned(),
            images: Vec::new(),
        };
        let mut records: Vec<EpochRecord> = Vec::new();
        let mut summary = None;
        let mut epochs = Vec::new();
        for &fold in &self.file.folds {
            let request = TrainRequest {
                config: config.clone(),
                run: &path,
                network: None,
                folds: Some(vec![fold]),
                plans_of: None,
            };
            let halt = AtomicBool::new(false);
            let mut rung = Rung {
                share: record.share,
                run: RunDirectory::at(&path),
                fold,
                end: usize::MAX,
                halt: &halt,
            };
            match self.train_fold(&request, &mut rung, claim) {
                Ok(trained) => summary = Some(trained),
                Err(Error::Diverged { .. }) if claim.is_lost() => return Ok(None),
                Err(error @ Error::Diverged { .. }) => {
                    record.failure = Some(error.to_string());
                    return Ok(Some(record));
                }
                // Another process still holds the fold: it was held up and will let go.
                Err(Error::Busy(_)) => return Ok(None),
                Err(Error::Interrupted { .. } | Error::Base(soup_model::Error::Stopped))
                    if self.is_over(claim) =>
                {
                    return Ok(None);
                }
                Err(Error::Interrupted { .. }) => {}
                Err(error) => return Err(error),
            }
            let of_fold = RunDirectory::at(&path).fold(fold).metrics()?;
            let reached = of_fold
                .iter()
                .find(|epoch| epoch.epoch == rung.end)
                .or(of_fold.last());
            let Some(reached) = reached.cloned() else {
                return Ok(None);
            };
            record.epochs = record.epochs.max(reached.epoch);
            epochs.extend(
                of_fold
                    .into_iter()
                    .filter(|epoch| epoch.epoch <= reached.epoch),
            );
            records.push(reached);
        }
        record.seconds = epochs.iter().map(|epoch| epoch.seconds).sum();
        let speeds = epochs.iter().map(|epoch| epoch.images_per_second);
        record.images_per_second = speeds.sum::<f64>() / epochs.len() as f64;
        if self.trial.rung < self.race.last_rung() {
            record.scores = scores(|metric| {
                let scores = records.iter().map(|record| record.score(metric));
                scores.sum::<f64>() / records.len() as f64
            });
        } else {
            self.score(&mut record, &path, summary.as_ref(), only_composed)?;
        }
        record.score = record.scores.get(&self.file.metric).copied();
        if record.score.is_none() {
            record.failure = Some("its score is no number".to_owned());
        }
        Ok(Some(record))
    }

    /// Whether this process shall end, or the trial is another's.
    fn is_over(&self, claim: &Claim<'_>) -> bool {
        let late = self
            .options
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline);
        late || claim.is_lost() || self.options.stop.load(Ordering::Relaxed)
    }

    /// Trains with a flag that is raised at the rung and by all that ends the work.
    fn train_fold(
        &self,
        request: &TrainRequest<'_>,
        rung: &mut Rung<'_>,
        claim: &Claim<'_>,
    ) -> Result<TrainSummary, Error> {
        let (halt, done) = (rung.halt, AtomicBool::new(false));
        std::thread::scope(|scope| {
            let watch = scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    if self.is_over(claim) {
                        halt.store(true, Ordering::Relaxed);
                    }
                    std::thread::park_timeout(Duration::from_millis(50));
                }
            });
            let outcome = train(request, rung, halt);
            done.store(true, Ordering::Relaxed);
            watch.thread().unpark();
            outcome
        })
    }

    /// The scores of a whole training: of the best epoch of each fold, as `soup train` reports it.
    fn score(
        &self,
        record: &mut TrialRecord,
        run: &Path,
        summary: Option<&TrainSummary>,
        only_composed: bool,
    ) -> Result<(), Error> {
        if let Some(summary) = summary {
            record.scores = scores(|metric| metric.of(&summary.out_of_fold));
        }
        // Each seed composes other images; those of a pack are the same for all.
        let Some((metric, factor)) = self.file.metric.of_images().filter(|_| !only_composed) else {
            return Ok(());
        };
        let held_out = OutOfFold::read(run, self.options.stop)?;
        let labels = held_out.label_names.len();
        let rows = held_out
            .probabilities
            .chunks_exact(labels)
            .zip(held_out.targets.chunks_exact(labels));
        let (mut probabilities, mut targets) = (Vec::new(), Vec::new());
        for (probability, target) in rows.filter(|(probability, _)| !probability[0].is_nan()) {
            probabilities.extend_from_slice(probability);
            targets.extend_from_slice(target);
        }
        let table = ScoredPredictions::new(&probabilities, &targets, &held_out.label_names, &[0.5])
            .map_err(|error| Error::format(&held_out.path, error.to_string()))?;
        let values = table.row_values(metric).into_iter();
        record.images = values.map(|value| (factor * value) as f32).collect();
        Ok(())
    }
}

/// The metrics that have a number here.
fn scores(of: impl Fn(Metric) -> f64) -> BTreeMap<Metric, f64> {
    let all = Metric::ALL.into_iter().map(|metric| (metric, of(metric)));
    all.filter(|(_, score)| score.is_finite()).collect()
}

/// Stops a training at the end of the epoch in which its share is reached.
struct Rung<'a> {
    share: f64,
    run: RunDirectory,
    fold: usize,
    /// The last epoch, counted from 1.
    end: usize,
    halt: &'a AtomicBool,
}

impl Progress for Rung<'_> {
    fn event(&mut self, event: &Event<'_>) {
        let reached = match event {
            Event::FoldStarted { epochs, .. } => {
                self.end = ((self.share * *epochs as f64).ceil() as usize).clamp(1, *epochs);
                // A process that was killed may have got there and not said so.
                let done = self.run.fold(self.fold).metrics().unwrap_or_default();
                self.share < 1.0 && done.len() >= self.end
            }
            Event::EpochFinished(record) => self.share < 1.0 && record.epoch >= self.end,
            _ => false,
        };
        if reached {
            self.halt.store(true, Ordering::Relaxed);
        }
    }
}

/// Removes what only a training in progress needs; the model, the settings and the figures stay.
fn forget_checkpoints(run: &Path, folds: &[usize]) -> Result<(), Error> {
    for fold in folds {
        let fold = RunDirectory::at(run).fold(*fold);
        for name in ["last.ckpt", "best.ckpt"] {
            files::remove(&fold.file(name))?;
        }
    }
    Ok(())
}
