//! What a run or a sweep left on disk, for people: one HTML page, a list for the terminal, and the
//! same figures for TensorBoard and MLflow. Nothing here trains, and nothing that trains knows of it.
//!
//! [`Run`] is a run's folder read back, [`Validation`] the scores of its out-of-fold predictions, [`facts`] holds
//! what is counted, [`plots`] draws, [`pages`] puts a page together,
//! [`live`] the pieces of one that changes while a run trains, and [`track`] writes for others.

pub mod facts;
pub mod images;
pub mod list;
pub mod live;
pub mod pages;
pub mod plots;
pub mod run;
pub mod track;
pub mod validation;
pub mod words;

pub use run::Run;
pub use validation::Validation;
