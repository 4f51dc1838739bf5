//! How candidates are compared, as a sweep file says it.

use serde::{Deserialize, Serialize};
use soup_engine::setting::{InvalidSetting, require};

/// The section `[race]` of a sweep file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RaceConfig {
    /// Shares of a training after which candidates that are clearly worse are dropped, ascending; none
    /// trains every candidate to its end.
    pub rungs: Vec<f64>,
    /// Share of the candidates that goes on at a rung at most. At 1 only what is shown to be worse is
    /// dropped; 0.5 drops the worse half (successive halving).
    pub keep: f64,
    /// Most seeds of a candidate.
    pub seeds: usize,
    /// The first seed; the others follow it.
    pub first_seed: u64,
    /// Trainings that the sweep may take, as a share of candidates x seeds. The first rung is measured in
    /// any case.
    pub budget: f64,
    /// Chance with which all of the best are among those called tied.
    pub confidence: f64,
}

impl Default for RaceConfig {
    fn default() -> Self {
        Self {
            rungs: vec![0.25],
            keep: 1.0,
            seeds: 3,
            first_seed: 42,
            budget: 0.5,
            confidence: 0.95,
        }
    }
}

impl RaceConfig {
    /// Refuses what cannot be.
    ///
    /// # Errors
    /// The key and what it must be.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        let rungs = format!("{:?}", self.rungs);
        let ascending = self.rungs.is_sorted_by(|a, b| a < b);
        let inside = self.rungs.iter().all(|share| *share > 0.0 && *share < 1.0);
        require(
            ascending && inside,
            "race.rungs",
            rungs,
            "must be shares between 0 and 1, ascending",
        )?;
        require(
            (1..=64).contains(&self.seeds),
            "race.seeds",
            self.seeds,
            "must be from 1 to 64",
        )?;
        let seed = i64::try_from(self.first_seed).is_ok_and(|seed| seed < i64::MAX - 64);
        require(
            seed,
            "race.first_seed",
            self.first_seed,
            "must be below 2^63 - 64",
        )?;
        for (key, value, half_open) in [
            ("race.keep", self.keep, true),
            ("race.budget", self.budget, true),
            ("race.confidence", self.confidence, false),
        ] {
            let inside = value > 0.0 && (value < 1.0 || half_open && value == 1.0);
            require(inside, key, value, "must be a share between 0 and 1")?;
        }
        Ok(())
    }
}
