//! The binary as a person or a script sees it: output, files and exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod answers;
mod bench;
mod compose;
mod container;
mod decide;
mod evaluate;
mod export;
mod folds;
mod going_on;
mod help;
mod images;
mod labels;
mod models;
mod outputs;
mod photos;
mod place;
mod predict;
mod quickstart;
mod report;
mod serve;
mod subset;
mod sweep;
mod tables;
mod train;
mod watch;
