//! The server over loopback, as its clients meet it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod answers;
mod client;
mod limits;
mod models;
mod refusals;
mod stopping;
mod tensors;
