//! Times inference and prints where the time goes.
//!
//! `cargo run --release -p soup-cpu --example infer -- efficientnet_b0 256 1 2 bf16`

use std::time::Instant;

use soup_cpu::{Detail, Inference, Options, Precision};
use soup_graph::{Weights, rewrite};
use soup_random::{Purpose, Stream};
use soup_zoo::{ModelConfig, build};

#[expect(clippy::print_stdout, reason = "an example prints its result")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or("efficientnet_b0".to_owned());
    let side: usize = arguments.next().unwrap_or("256".to_owned()).parse()?;
    let batch: usize = arguments.next().unwrap_or("1".to_owned()).parse()?;
    let threads: usize = arguments.next().unwrap_or("2".to_owned()).parse()?;
    let precision = arguments.next().unwrap_or("f32".to_owned());
    let precision = Precision::from_name(&precision).ok_or("the precision is f32 or bf16")?;
    let graph = build(&ModelConfig {
        name,
        channels: 3,
        height: side,
        width: side,
        labels: 26,
        ..ModelConfig::default()
    })?;
    let (graph, weights) = rewrite::for_inference(&graph, &Weights::initial(&graph, 1));
    let options = Options {
        threads,
        precision,
        ..Options::default()
    };
    let mut inference = Inference::new(&graph, batch, &options)?;
    inference.load(weights);
    let mut stream = Stream::new(1, Purpose::Noise, 0, 0);
    for value in inference.input_mut() {
        *value = stream.normal();
    }
    inference.run();
    let mut times: Vec<_> = (0..40.max(100 / batch))
        .map(|_| {
            let start = Instant::now();
            inference.run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    // The fastest: a machine that others use too only ever adds time.
    println!(
        "{:?}, median {:?}: {:.1} images/s, {:.1} GFLOP/s, {} MB",
        times[0],
        times[times.len() / 2],
        batch as f64 / times[0].as_secs_f64(),
        2.0 * (graph.multiply_adds() * batch as u64) as f64 / times[0].as_secs_f64() * 1e-9,
        inference.memory_bytes() / 1_000_000,
    );
    inference.start_profile();
    inference.run();
    let detail = match arguments.next().as_deref() {
        Some("steps") => Detail::Steps,
        _ => Detail::Kinds,
    };
    for entry in inference.profile(detail) {
        println!(
            "{:>10.3?} {:>7.1} GFLOP/s {:>3} x {}",
            entry.time,
            2e-9 * entry.multiply_adds as f64 / entry.time.as_secs_f64(),
            entry.count,
            entry.name
        );
    }
    Ok(())
}
