//! One file a verb: its arguments, the calls and what it says at the end.

pub mod compose;
pub mod ensemble;
pub mod evaluate;
pub mod models;
pub mod submit;
