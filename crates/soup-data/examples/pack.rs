//! Packs a folder of images and nothing else, for the benchmark in `benches/pack`.
//!
//! `cargo run --release -p soup-data --example pack -- DATA_DIR OUT.pack`

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use soup_data::dataset::{Columns, Dataset};
use soup_data::pack::{PackOptions, write_pack};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [data, out] = &arguments[..] else {
        eprintln!("usage: pack DATA_DIR OUT.pack");
        return ExitCode::from(2);
    };
    let started = Instant::now();
    let result = Dataset::open(Path::new(data), &Columns::default())
        .and_then(|dataset| write_pack(&dataset, Path::new(out), &PackOptions::default()));
    match result {
        Ok(report) => {
            println!("{} {:.3}", report.images, started.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
