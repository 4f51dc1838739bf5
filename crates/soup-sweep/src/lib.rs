//! Sweeps: which settings are best, and which are tied with the best.
//!
//! A sweep is data all the way. A [`SweepFile`] names options ([`space`]) and a way to go through them
//! ([`search`]); a [`Race`] says which trials are wanted next, given those that are finished, and is
//! a function of nothing else: not of time, nor of how many processes work. [`ties`] holds the
//! statistics. The [`runner`] is a loop over the race that claims a trial ([`claims`]), trains it and
//! writes its result, so that any number of processes may work on one folder and any of them may
//! die at any moment.

pub mod claims;
mod directory;
mod file;
pub mod race;
pub mod ranking;
mod renamed;
pub mod runner;
pub mod search;
pub mod space;
pub mod ties;

pub use directory::{SweepDirectory, TrialRecord};
pub use file::{Metric, SweepFile};
pub use race::{Next, Race, RaceConfig, Results, Trial};
pub use ranking::Ranking;
