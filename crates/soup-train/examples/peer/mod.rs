//! What our sides of `benches/peers/run` have in common: files, options, and how turns are answered.

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use soup_engine::Precision;
use soup_graph::Graph;
use soup_zoo::{ModelConfig, build};

pub const CHANNELS: usize = 3;

/// A network of the zoo for square images.
pub fn network(name: &str, side: usize, labels: usize) -> Result<Graph, Box<dyn Error>> {
    Ok(build(&ModelConfig {
        name: name.to_owned(),
        channels: CHANNELS,
        height: side,
        width: side,
        labels,
        // No dropping: both sides must compute the same.
        dropout: 0.0,
        drop_path: 0.0,
        ..ModelConfig::default()
    })?)
}

/// The precision of this name.
pub fn precision(name: &str) -> Result<Precision, Box<dyn Error>> {
    let found = Precision::from_name(name);
    Ok(found.ok_or_else(|| format!("precision {name}: f32 and bf16 are known"))?)
}

/// A file of little-endian floats.
pub fn read(path: &Path, len: usize) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let (chunks, rest) = bytes.as_chunks::<4>();
    if chunks.len() != len || !rest.is_empty() {
        let (path, found) = (path.display(), bytes.len());
        return Err(format!("{path}: {found} bytes for {len} values").into());
    }
    Ok(chunks.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

/// Prints one line. A number that is not finite becomes `null`, which no check accepts.
pub fn say(value: &Value) -> std::io::Result<()> {
    println!("{value}");
    stdout().flush()
}

/// For each number that comes on standard input, calls so many times and prints the seconds of each and
/// the peak of memory.
pub fn answer_turns(mut call: impl FnMut()) -> Result<(), Box<dyn Error>> {
    for line in stdin().lock().lines() {
        let seconds: Vec<f64> = (0..line?.trim().parse::<usize>()?)
            .map(|_| {
                let start = Instant::now();
                call();
                start.elapsed().as_secs_f64()
            })
            .collect();
        say(&json!({"seconds": seconds, "peak_bytes": peak_bytes()}))?;
    }
    Ok(())
}

/// The most memory that this process ever had at once, where the system says it.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}
