//! Folders in, pages and files out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod pages;
mod support;
mod track;
