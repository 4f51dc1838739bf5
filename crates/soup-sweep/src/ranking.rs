//! What a sweep found: a ranked table, who is tied with the best, what each option does, and the cost.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;
use soup_decide::metrics::Interval;
use soup_train::{Error, runs::files};

use super::{
    directory::{SweepDirectory, TrialRecord, results},
    file::{Metric, SweepFile},
    race::{Next, Race, Replay, Status, Trial},
    space::{Candidate, Point},
    ties::{Measurement, fit},
};

/// Parts of a range that get an effect each.
const RANGE_PARTS: usize = 3;

/// The result of a sweep, so far or at its end.
#[derive(Clone, Debug, Serialize)]
pub struct Ranking {
    /// What the scores are; larger is better.
    pub metric: Metric,
    /// Whether nothing is wanted any more.
    pub complete: bool,
    /// Candidates, the best first.
    pub candidates: Vec<Ranked>,
    /// The candidates that are tied with the best, by their numbers.
    pub tied: Vec<usize>,
    /// The candidate that all others are compared with, where the sweep names one.
    pub reference: Option<usize>,
    /// Standard deviation of the score of one training, the seed's part left out; none while no
    /// candidate has two seeds.
    pub noise: Option<f64>,
    /// What each value of each option does.
    pub effects: Vec<Effect>,
    /// What it cost.
    pub cost: Cost,
}

/// A candidate with its place.
#[derive(Clone, Debug, Serialize)]
pub struct Ranked {
    /// Place, counted from 1.
    pub rank: usize,
    /// Number of the candidate, counted from 0.
    pub candidate: usize,
    /// Where it stands.
    pub status: Status,
    /// Its values, by the options' names.
    pub values: BTreeMap<String, String>,
    /// Score with the seeds' effects removed, at the furthest rung that it reached.
    pub score: Option<f64>,
    /// 95 % interval of the score.
    pub interval: Option<Interval>,
    /// Score behind that of the best.
    pub behind: Option<f64>,
    /// 95 % interval of it, paired: what the two have in common drops out.
    pub behind_interval: Option<Interval>,
    /// Score above that of the reference.
    pub gain: Option<f64>,
    /// 95 % interval of it, paired; of this candidate by itself, however many others there are.
    pub gain_interval: Option<Interval>,
    /// Trainings that reached `share`.
    pub seeds: usize,
    /// Share of a training after which the score was taken.
    pub share: f64,
    /// Seconds of all its trainings.
    pub seconds: f64,
    /// Training images a second.
    pub images_per_second: f64,
    /// Whether no candidate trained as far is both better and faster (Pareto).
    pub on_front: bool,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// What a value of an option does: the mean of its candidates beside that of all, at the first rung,
/// which every candidate has reached.
#[derive(Clone, Debug, Serialize)]
pub struct Effect {
    /// Name of the option.
    pub option: String,
    /// The value, or the part of a range.
    pub value: String,
    /// Candidates with it.
    pub candidates: usize,
    /// Their mean score less that of all.
    pub effect: f64,
    /// Standard error of it, from how much its candidates differ; none for a single one.
    pub standard_error: Option<f64>,
}

/// What a sweep cost.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// Finished trials.
    pub trials: usize,
    /// Seconds of training, in all processes.
    pub seconds: f64,
    /// Trainings, a part of one counting as its share.
    pub trainings: f64,
    /// `trainings` as a share of every candidate with every seed.
    pub share_of_full: f64,
}

impl Ranking {
    /// The ranking of the trials that are finished.
    ///
    /// # Errors
    /// Those of [`SweepDirectory::open`] and [`SweepDirectory::read`].
    pub fn read(directory: &SweepDirectory) -> Result<(Self, SweepFile), Error> {
        let file = directory.open()?;
        let mut records = BTreeMap::new();
        directory.read(&mut records)?;
        Ok((Self::new(&file, &records), file))
    }

    /// The ranking of the trials that are finished, by another metric than the one that the sweep goes by. Images are
    /// not paired.
    ///
    /// # Errors
    /// As [`Ranking::read`]; [`Error::Format`] for a trial without this metric.
    pub fn read_by(directory: &SweepDirectory, metric: Metric) -> Result<Self, Error> {
        let file = directory.open()?;
        let mut records = BTreeMap::new();
        directory.read(&mut records)?;
        let silent =
            |record: &&TrialRecord| record.score.is_some() && !record.scores.contains_key(&metric);
        if let Some(record) = records.values().find(silent) {
            let problem = format!(
                "candidate {} with seed {} has no {}: an older soup trained it, or it has no such score",
                record.trial.candidate,
                record.trial.seed,
                metric.name()
            );
            return Err(Error::format(directory.root(), problem));
        }
        let scored = records.iter();
        let scored = scored
            .map(|(trial, record)| (*trial, record.by(metric)))
            .collect();
        Ok(Self::of(&file, &records, &scored, metric))
    }

    /// The ranking of these trials.
    pub fn new(file: &SweepFile, records: &BTreeMap<Trial, TrialRecord>) -> Self {
        Self::of(file, records, records, file.metric)
    }

    /// The race goes by `raced`, the ranking by `records` of the same trials.
    fn of(
        file: &SweepFile,
        raced: &BTreeMap<Trial, TrialRecord>,
        records: &BTreeMap<Trial, TrialRecord>,
        metric: Metric,
    ) -> Self {
        let race = file.race();
        let raced = results(raced);
        let replay = race.replay_by(&raced, &results(records));
        let of_reference = |candidate: &Candidate| Some(candidate) == race.reference.as_ref();
        let reference = replay.candidates.iter().position(of_reference);
        let mut candidates: Vec<Ranked> = (0..replay.candidates.len())
            .map(|candidate| ranked(&race, &replay, records, candidate, reference))
            .collect();
        let order = |row: &Ranked| match row.status {
            Status::Tied | Status::Worse => 0,
            Status::Undecided => 1,
            Status::Dropped => 2,
            Status::Failed => 3,
        };
        candidates.sort_by(|a, b| {
            let score = |row: &Ranked| row.score.unwrap_or(f64::NEG_INFINITY);
            (order(a).cmp(&order(b)))
                .then(b.share.total_cmp(&a.share))
                .then(score(b).total_cmp(&score(a)))
                .then(a.candidate.cmp(&b.candidate))
        });
        for (place, row) in candidates.iter_mut().enumerate() {
            row.rank = place + 1;
        }
        mark_front(&mut candidates);
        let tied = candidates.iter().filter(|row| row.status == Status::Tied);
        let trainings = furthest(records).map(|record| record.share).sum();
        let all = (race.search.count(&race.options) * race.config.seeds) as f64;
        Self {
            metric,
            complete: race.next(&raced) == Next::Done,
            tied: tied.map(|row| row.candidate).collect(),
            reference,
            noise: replay
                .evidence
                .as_ref()
                .and_then(|(_, evidence)| evidence.noise()),
            effects: effects(&race, &replay, records),
            cost: Cost {
                trials: records.len(),
                seconds: furthest(records).map(|record| record.seconds).sum(),
                trainings,
                share_of_full: trainings / all,
            },
            candidates,
        }
    }

    /// Writes `ranking.json` and `ranking.csv`.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write(&self, directory: &SweepDirectory) -> Result<(), Error> {
        let _lock = directory.lock()?;
        let path = directory.file("ranking.json");
        let json = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::format(&path, error.to_string()))?;
        files::write_bytes(&path, &json)?;
        files::write_bytes(&directory.file("ranking.csv"), self.csv().as_bytes())
    }

    /// The candidates as CSV.
    pub fn csv(&self) -> String {
        let names: Vec<&String> = self
            .candidates
            .first()
            .map(|row| row.values.keys().collect())
            .unwrap_or_default();
        let quoted = |text: &str| match text.contains([',', '"', '\n']) {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text.to_owned(),
        };
        let mut text = String::from("rank,candidate,status");
        names
            .iter()
            .for_each(|name| text.push_str(&format!(",{}", quoted(name))));
        text.push_str(",score,low,high,behind,behind_low,behind_high,gain,gain_low,gain_high,seeds,share,seconds,images_per_second,on_front\n");
        let figure = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        for row in &self.candidates {
            let _ = write!(text, "{},{},{}", row.rank, row.candidate, row.status.word());
            for name in &names {
                let _ = write!(text, ",{}", quoted(&row.values[*name]));
            }
            let _ = writeln!(
                text,
                ",{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
                figure(row.score),
                figure(row.interval.map(|interval| interval.low)),
                figure(row.interval.map(|interval| interval.high)),
                figure(row.behind),
                figure(row.behind_interval.map(|interval| interval.low)),
                figure(row.behind_interval.map(|interval| interval.high)),
                figure(row.gain),
                figure(row.gain_interval.map(|interval| interval.low)),
                figure(row.gain_interval.map(|interval| interval.high)),
                row.seeds,
                row.share,
                row.seconds,
                row.images_per_second,
                row.on_front,
            );
        }
        text
    }
}

impl Status {
    /// As it stands in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tied => "tied",
            Self::Worse => "worse",
            Self::Dropped => "dropped",
            Self::Undecided => "undecided",
            Self::Failed => "failed",
        }
    }
}

/// The record of each (candidate, seed) that got furthest; their seconds count from its beginning.
fn furthest(records: &BTreeMap<Trial, TrialRecord>) -> impl Iterator<Item = &TrialRecord> {
    records.iter().filter_map(|(trial, record)| {
        let next = records
            .range(
                Trial {
                    rung: trial.rung + 1,
                    ..*trial
                }..,
            )
            .next();
        let same = |other: &Trial| (other.candidate, other.seed) == (trial.candidate, trial.seed);
        (!next.is_some_and(|(next, _)| same(next))).then_some(record)
    })
}

fn ranked(
    race: &Race,
    replay: &Replay,
    records: &BTreeMap<Trial, TrialRecord>,
    candidate: usize,
    reference: Option<usize>,
) -> Ranked {
    let of_candidate = |record: &&TrialRecord| record.trial.candidate == candidate;
    let own: Vec<&TrialRecord> = furthest(records).filter(of_candidate).collect();
    let rung = own.iter().map(|record| record.trial.rung).max();
    let at_rung: Vec<&TrialRecord> = (records.values())
        .filter(|record| of_candidate(record) && Some(record.trial.rung) == rung)
        .collect();
    let scores: Option<Vec<f64>> = at_rung.iter().map(|record| record.score).collect();
    let mut row = Ranked {
        rank: 0,
        candidate,
        status: replay.status[candidate],
        values: (race.options.iter().zip(&replay.candidates[candidate]))
            .map(|(option, point)| (option.name().to_owned(), option.show(*point)))
            .collect(),
        score: scores
            .filter(|scores| !scores.is_empty())
            .map(|scores| scores.iter().sum::<f64>() / scores.len() as f64),
        interval: None,
        behind: None,
        behind_interval: None,
        gain: None,
        gain_interval: None,
        seeds: at_rung.len(),
        share: rung.map_or(0.0, |rung| race.share(rung)),
        seconds: own.iter().map(|record| record.seconds).sum(),
        images_per_second: own
            .iter()
            .map(|record| record.images_per_second)
            .sum::<f64>()
            / own.len().max(1) as f64,
        on_front: false,
        failure: own.iter().find_map(|record| record.failure.clone()),
    };
    if let Some((compared, evidence)) = &replay.evidence
        && let Some(at) = compared.iter().position(|of| *of == candidate)
    {
        let best = evidence.best();
        let scores = &evidence.fit().scores;
        row.score = Some(scores[at]);
        row.interval = evidence.interval(at, None);
        row.behind = Some(scores[best] - scores[at]);
        row.behind_interval = if at == best {
            None
        } else {
            evidence.interval(best, Some(at))
        };
        let place = |reference| compared.iter().position(|of| *of == reference);
        if let Some(reference) = reference.and_then(place).filter(|place| *place != at) {
            row.gain = Some(scores[at] - scores[reference]);
            row.gain_interval = evidence.interval(at, Some(reference));
        }
    }
    row
}

fn mark_front(rows: &mut [Ranked]) {
    let points: Vec<(f64, f64)> = rows
        .iter()
        .map(|row| match (row.share >= 1.0, row.score) {
            (true, Some(score)) => (score, row.images_per_second),
            _ => (f64::NAN, f64::NAN),
        })
        .collect();
    for (row, (score, speed)) in rows.iter_mut().zip(&points) {
        let better = |other: &&(f64, f64)| {
            other.0 >= *score && other.1 >= *speed && (other.0 > *score || other.1 > *speed)
        };
        row.on_front = !score.is_nan() && !points.iter().any(|other| better(&other));
    }
}

fn effects(race: &Race, replay: &Replay, records: &BTreeMap<Trial, TrialRecord>) -> Vec<Effect> {
    let measurements: Vec<Measurement<'_>> = (records.values())
        .filter(|record| record.trial.rung == 0)
        .filter_map(|record| {
            Some(Measurement {
                candidate: record.trial.candidate,
                seed: record.trial.seed,
                score: record.score?,
                images: &[],
            })
        })
        .collect();
    let fit = fit(&measurements, replay.candidates.len());
    let seen: Vec<usize> = (0..fit.scores.len())
        .filter(|at| fit.counts[*at] > 0)
        .collect();
    let mean = |of: &[usize]| of.iter().map(|at| fit.scores[*at]).sum::<f64>() / of.len() as f64;
    let mut effects = Vec::new();
    for (place, option) in race.options.iter().enumerate() {
        let parts = option.count().unwrap_or(RANGE_PARTS);
        let part = |at: &usize| match replay.candidates[*at][place] {
            Point::Value(value) => value,
            Point::Range(share) => ((share * parts as f64) as usize).min(parts - 1),
        };
        for value in 0..parts {
            let with: Vec<usize> = seen
                .iter()
                .copied()
                .filter(|at| part(at) == value)
                .collect();
            if with.is_empty() {
                continue;
            }
            let middle = mean(&with);
            let squares: f64 = with
                .iter()
                .map(|at| (fit.scores[*at] - middle).powi(2))
                .sum();
            let count = with.len() as f64;
            effects.push(Effect {
                option: option.name().to_owned(),
                value: match option.count() {
                    Some(_) => option.show(Point::Value(value)),
                    None => {
                        let edge =
                            |edge: usize| option.show(Point::Range(edge as f64 / parts as f64));
                        format!("{} to {}", edge(value), edge(value + 1))
                    }
                },
                candidates: with.len(),
                effect: middle - mean(&seen),
                standard_error: (with.len() > 1).then(|| (squares / (count - 1.0) / count).sqrt()),
            });
        }
    }
    effects
}
