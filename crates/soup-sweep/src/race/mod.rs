//! Which trials are wanted next: a function of those that are finished.
//!
//! Every candidate is first measured with two seeds at the first rung, a share of a training. That
//! shows how large the noise is. Candidates that are worse beyond it are trained no further (successive halving, Jamieson and
//! Talwalkar, AISTATS 2016, with evidence in place of a fixed share, as in F-race, Birattari et al.,
//! GECCO 2002). The rest are trained to the end, and what is left of the budget buys more seeds, one
//! pair at a time, where they are likeliest to decide who is tied with the best (as optimal computing
//! budget allocation does, Chen et al., Discrete Event Dynamic Systems 2000).

mod config;

pub use config::RaceConfig;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    search::Search,
    space::{Candidate, SweepOption},
    ties::{self, Evidence, Fit, Measurement},
};

/// Seeds of the first rung: the fewest that show noise.
const FIRST_SEEDS: usize = 2;
/// Seeds that are added before the next decision; fixed, so that a sweep does not depend on the number
/// of workers.
const TOGETHER: usize = 2;
/// About how many standard errors behind the best a candidate is ruled out.
const CRITICAL: f64 = 2.5;
/// Degrees of freedom from which on the noise is known well enough to say where it decides.
const LEAST_FREEDOM: usize = 3;
/// Share of the error that all rungs may make together. What is dropped there never comes back.
const RUNG_ERROR: f64 = 0.2;
/// Share of the error that the last comparison may make. The rest is for seeds that were added in the
/// light of the scores, which makes chance differences seem more certain than they are.
const END_ERROR: f64 = 0.5;
/// Least gain for which a seed is trained.
const LEAST_GAIN: f64 = 1e-3;

/// A candidate trained with a seed up to a rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Trial {
    /// Candidate, counted from 0.
    pub candidate: usize,
    /// Seed, counted from 0.
    pub seed: usize,
    /// Rung, counted from 0; the last one is the end of the training.
    pub rung: usize,
}

/// What a trial came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The score; larger is better.
    pub score: f64,
    /// The score of each held-out image; empty where these differ from seed to seed.
    pub images: Vec<f32>,
}

/// The finished trials; none for one that failed (its loss was no number any more).
pub type Results = BTreeMap<Trial, Option<Observation>>;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// These trials, in any order and by anyone; the next decision follows when all of them are finished.
    Train(Vec<Trial>),
    /// Nothing more.
    Done,
}

/// Where a candidate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not significantly worse than the best.
    Tied,
    /// Trained to the end, and worse than the best.
    Worse,
    /// Worse at a rung, and trained no further.
    Dropped,
    /// Not shown to be worse, but the sweep is not over or the budget went to better ones.
    Undecided,
    /// Its loss was no number any more.
    Failed,
}

/// A sweep as a plan.
#[derive(Clone, Debug)]
pub struct Race {
    /// What is varied.
    pub options: Vec<SweepOption>,
    /// How candidates are found.
    pub search: Search,
    /// How they are compared.
    pub config: RaceConfig,
    /// The candidate that all others are compared with, if the question is not which is best but what each of them
    /// changes: then all get the same seeds.
    pub reference: Option<Candidate>,
}

/// How far a race is, replayed from its results.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The candidates so far.
    pub candidates: Vec<Candidate>,
    /// Of each candidate. [`Status::Tied`] and [`Status::Worse`] only where it is trained to the end.
    pub status: Vec<Status>,
    /// Trials that are wanted now and not finished.
    pub wanted: Vec<Trial>,
    /// Trainings asked for so far, a part of one counting as its share.
    pub spent: f64,
    /// The evidence of all candidates that are trained to the end, and which they are.
    pub evidence: Option<(Vec<usize>, Evidence)>,
    /// The furthest rung that each (candidate, seed) was asked to reach.
    asked: BTreeMap<(usize, usize), usize>,
}

impl Race {
    /// What is to be done, given the trials that are finished.
    pub fn next(&self, results: &Results) -> Next {
        match self.played(results).wanted {
            wanted if wanted.is_empty() => Next::Done,
            wanted => Next::Train(wanted),
        }
    }

    /// The candidates so far.
    pub fn candidates(&self, results: &Results) -> Vec<Candidate> {
        self.played(results).candidates
    }

    /// The seed of the training with seed number `seed`.
    pub fn seed(&self, seed: usize) -> u64 {
        self.config.first_seed + seed as u64
    }

    /// Share of a training that ends at a rung.
    pub fn share(&self, rung: usize) -> f64 {
        self.config.rungs.get(rung).copied().unwrap_or(1.0)
    }

    /// The rung that is the end of the training.
    pub fn last_rung(&self) -> usize {
        self.config.rungs.len()
    }

    /// Trainings that may be asked for.
    pub fn budget(&self) -> f64 {
        self.config.budget * (self.search.count(&self.options) * self.config.seeds) as f64
    }

    /// Plays the race from its beginning with the results there are, and ranks the candidates. Each decision sees the
    /// results that it waited for and no others. It is therefore the same whenever and by whomever it is made.
    pub fn replay(&self, results: &Results) -> Replay {
        self.replay_by(results, results)
    }

    /// The same race, its candidates ranked by other scores of the same trials.
    pub fn replay_by(&self, results: &Results, scores: &Results) -> Replay {
        let mut replay = self.played(results);
        self.rank(&mut replay, scores);
        replay
    }

    fn played(&self, results: &Results) -> Replay {
        let mut replay = Replay {
            candidates: Vec::new(),
            status: Vec::new(),
            wanted: Vec::new(),
            spent: 0.0,
            evidence: None,
            asked: BTreeMap::new(),
        };
        self.run(&mut replay, results);
        replay
    }

    fn run(&self, replay: &mut Replay, results: &Results) {
        let first_seeds = match self.last_rung() {
            0 => 1,
            _ => FIRST_SEEDS.min(self.config.seeds),
        };
        loop {
            let seen: Vec<_> = (replay.candidates.iter().enumerate())
                .map(|(at, candidate)| (candidate.clone(), mean(results, at, 0, first_seeds)))
                .collect();
            let next = self.search.propose(&self.options, &seen);
            if next.is_empty() {
                break;
            }
            let new: Vec<usize> = (seen.len()..seen.len() + next.len()).collect();
            replay.candidates.extend(next);
            replay
                .status
                .resize(replay.candidates.len(), Status::Undecided);
            if !self.ask(replay, results, trials(&new, first_seeds, 0), true) {
                return;
            }
        }
        let mut alive: Vec<usize> = (0..replay.candidates.len()).collect();
        if self.reference.is_some() {
            let all = trials(&alive, self.config.seeds, self.last_rung());
            self.ask(replay, results, all, false);
            return;
        }
        let mut earlier = None;
        for rung in 0..self.last_rung() {
            earlier = Some(self.drop_the_worse(replay, results, &mut alive, rung));
            let seeds = if rung + 1 == self.last_rung() {
                1
            } else {
                first_seeds
            };
            if !self.ask(replay, results, trials(&alive, seeds, rung + 1), false) {
                return;
            }
        }
        loop {
            let picked = self.pick(replay, results, earlier.as_ref());
            if picked.is_empty() || !self.ask(replay, results, picked, false) {
                return;
            }
        }
    }

    /// Asks for trials, in their order while the budget lasts or in any case. Whether all of them are
    /// finished.
    fn ask(
        &self,
        replay: &mut Replay,
        results: &Results,
        trials: Vec<Trial>,
        in_any_case: bool,
    ) -> bool {
        for trial in trials {
            let cost = self.cost(replay, trial);
            if !in_any_case && replay.spent + cost > self.budget() + 1e-9 {
                continue;
            }
            replay.spent += cost;
            replay
                .asked
                .insert((trial.candidate, trial.seed), trial.rung);
            if !results.contains_key(&trial) {
                replay.wanted.push(trial);
            }
        }
        replay.wanted.is_empty()
    }

    /// What is still to be trained for a trial.
    fn cost(&self, replay: &Replay, trial: Trial) -> f64 {
        let reached = replay.asked.get(&(trial.candidate, trial.seed));
        self.share(trial.rung) - reached.map_or(0.0, |rung| self.share(*rung))
    }

    /// Drops what failed, what is worse and, as `keep` asks, what is behind; puts the rest in the order
    /// of promise.
    fn drop_the_worse(
        &self,
        replay: &mut Replay,
        results: &Results,
        alive: &mut Vec<usize>,
        rung: usize,
    ) -> Fit {
        let at_rung = |trial: &Trial| trial.rung == rung;
        let (compared, measurements) = self.measurements(replay, results, alive, at_rung);
        let evidence = Evidence::new(&measurements, compared.len(), None, rung as u64);
        let error = (1.0 - self.config.confidence) * RUNG_ERROR / self.last_rung() as f64;
        let out = evidence.ruled_out(error);
        let scores = &evidence.fit().scores;
        let mut order: Vec<usize> = (0..compared.len()).filter(|at| !out[*at]).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
        order.truncate((self.config.keep * alive.len() as f64).ceil() as usize);
        for candidate in alive.iter() {
            replay.status[*candidate] = Status::Dropped;
        }
        *alive = order.into_iter().map(|at| compared[at]).collect();
        for candidate in alive.iter() {
            replay.status[*candidate] = Status::Undecided;
        }
        evidence.fit().clone()
    }

    /// The measurements of `among` that were asked for, have succeeded and are wanted here. With them the
    /// candidates that they compare: those without a failure, which are numbered anew.
    fn measurements<'a>(
        &self,
        replay: &Replay,
        results: &'a Results,
        among: &[usize],
        wanted: impl Fn(&Trial) -> bool,
    ) -> (Vec<usize>, Vec<Measurement<'a>>) {
        let mut compared = Vec::new();
        let mut measurements = Vec::new();
        for &candidate in among {
            let seeds = 0..self.config.seeds;
            let trials = seeds.filter_map(|seed| {
                let reached = *replay.asked.get(&(candidate, seed))?;
                let rungs = (0..=reached).map(|rung| Trial {
                    candidate,
                    seed,
                    rung,
                });
                rungs
                    .filter(|trial| wanted(trial))
                    .find_map(|trial| Some((trial, results.get(&trial)?)))
            });
            let trials: Vec<_> = trials.collect();
            if trials.is_empty() || trials.iter().any(|(_, seen)| seen.is_none()) {
                continue;
            }
            for (trial, seen) in trials {
                if let Some(seen) = seen {
                    measurements.push(Measurement {
                        candidate: compared.len(),
                        seed: trial.seed,
                        score: seen.score,
                        images: &seen.images,
                    });
                }
            }
            compared.push(candidate);
        }
        (compared, measurements)
    }

    /// The seeds that are likeliest to decide who is tied with the best.
    fn pick(&self, replay: &Replay, results: &Results, earlier: Option<&Fit>) -> Vec<Trial> {
        let all: Vec<usize> = (0..replay.candidates.len()).collect();
        let last = self.last_rung();
        let (compared, measurements) =
            self.measurements(replay, results, &all, |trial| trial.rung == last);
        if compared.len() < 2 {
            return Vec::new();
        }
        let fit = ties::fit(&measurements, compared.len());
        let noise = ties::noise(&fit, earlier).filter(|(_, freedom)| *freedom >= LEAST_FREEDOM);
        let noise = noise.map(|(noise, _)| noise);
        let mut counts = fit.counts.clone();
        let mut left = self.budget() - replay.spent + 1e-9;
        let mut picked = Vec::new();
        while picked.len() < TOGETHER {
            let gains = gains(&fit.scores, &counts, noise);
            let trial = |at: usize| Trial {
                candidate: compared[at],
                seed: counts[at],
                rung: last,
            };
            let best = (0..compared.len())
                .filter(|&at| {
                    counts[at] < self.config.seeds && self.cost(replay, trial(at)) <= left
                })
                .max_by(|a, b| gains[*a].total_cmp(&gains[*b]).then(b.cmp(a)));
            let Some(best) = best.filter(|best| gains[*best] > LEAST_GAIN) else {
                break;
            };
            left -= self.cost(replay, trial(best));
            picked.push(trial(best));
            counts[best] += 1;
        }
        picked
    }

    /// Says of each candidate that is trained to the end whether it is tied with the best.
    fn rank(&self, replay: &mut Replay, results: &Results) {
        for (trial, seen) in results {
            if seen.is_none() && trial.candidate < replay.status.len() {
                replay.status[trial.candidate] = Status::Failed;
            }
        }
        let all: Vec<usize> = (0..replay.candidates.len()).collect();
        let last = self.last_rung();
        let (compared, measurements) =
            self.measurements(replay, results, &all, |trial| trial.rung == last);
        if compared.is_empty() {
            return;
        }
        let earlier = last.checked_sub(1).map(|rung| {
            let (compared, measurements) =
                self.measurements(replay, results, &all, |trial| trial.rung == rung);
            ties::fit(&measurements, compared.len())
        });
        let evidence = Evidence::new(&measurements, compared.len(), earlier.as_ref(), last as u64);
        let out = evidence.ruled_out((1.0 - self.config.confidence) * END_ERROR);
        for (candidate, out) in compared.iter().zip(out) {
            replay.status[*candidate] = if out { Status::Worse } else { Status::Tied };
        }
        replay.evidence = Some((compared, evidence));
    }
}

/// How much a further seed of each candidate would decide: by how much it narrows the differences that
/// are near the border between tied and worse.
fn gains(scores: &[f64], counts: &[usize], noise: Option<f64>) -> Vec<f64> {
    let top = (0..scores.len()).fold(0, |top, at| if scores[at] > scores[top] { at } else { top });
    let unknown = noise.is_none();
    let Some(noise) = noise.filter(|noise| *noise > 0.0) else {
        // Nothing shows how large the noise is: the best ones get a second seed, and when all have two, a third, until
        // something does. Where it shows that there is none, two are enough.
        let rank = |at: usize| scores.iter().filter(|score| **score > scores[at]).count();
        let gain = |at: usize| {
            if unknown || counts[at] < FIRST_SEEDS {
                1.0 / (1 + rank(at) + scores.len() * (counts[at] - 1)) as f64
            } else {
                0.0
            }
        };
        return (0..scores.len()).map(gain).collect();
    };
    let error = |of: usize, top: usize| noise * (1.0 / of as f64 + 1.0 / top as f64).sqrt();
    let mut gains = vec![0.0; scores.len()];
    for at in (0..scores.len()).filter(|at| *at != top) {
        let now = error(counts[at], counts[top]);
        let from_border = (scores[top] - scores[at]) / now - CRITICAL;
        let weight = (-0.5 * from_border * from_border).exp();
        gains[at] = weight * (1.0 - error(counts[at] + 1, counts[top]) / now);
        gains[top] += weight * (1.0 - error(counts[at], counts[top] + 1) / now);
    }
    gains
}

fn trials(candidates: &[usize], seeds: usize, rung: usize) -> Vec<Trial> {
    let of = |seed| {
        candidates.iter().map(move |&candidate| Trial {
            candidate,
            seed,
            rung,
        })
    };
    (0..seeds).flat_map(of).collect()
}

/// Mean score of a candidate's first seeds at a rung; none where one of them failed or is missing.
fn mean(results: &Results, candidate: usize, rung: usize, seeds: usize) -> Option<f64> {
    let scores: Option<Vec<f64>> = (0..seeds)
        .map(|seed| {
            Some(
                results
                    .get(&Trial {
                        candidate,
                        seed,
                        rung,
                    })?
                    .as_ref()?
                    .score,
            )
        })
        .collect();
    scores.map(|scores| scores.iter().sum::<f64>() / seeds as f64)
}
