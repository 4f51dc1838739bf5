//! Times a training step and prints where the time goes.
//!
//! `cargo run --release -p soup-cpu --example train_step -- efficientnet_b0 256 8 2 bf16`

use std::time::Instant;

use soup_cpu::{Detail, Options, Precision, Training};
use soup_graph::Weights;
use soup_random::{Purpose, Stream};
use soup_zoo::{ModelConfig, build};

#[expect(clippy::print_stdout, reason = "an example prints its result")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or("efficientnet_b0".to_owned());
    let side: usize = arguments.next().unwrap_or("256".to_owned()).parse()?;
    let batch: usize = arguments.next().unwrap_or("8".to_owned()).parse()?;
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
    let start = Instant::now();
    let options = Options {
        threads,
        precision,
        ..Options::default()
    };
    let mut training = Training::new(&graph, batch, &options)?;
    let weights = Weights::initial(&graph, 1);
    let mut stream = Stream::new(1, Purpose::Noise, 0, 0);
    for value in training.input_mut() {
        *value = stream.normal();
    }
    println!(
        "planned in {:?}, {} MB",
        start.elapsed(),
        training.memory_bytes() / 1_000_000
    );
    let output_gradients = vec![1e-3; batch * 26];
    let mut gradients = vec![0.0; graph.trainable_len()];
    let mut step = |training: &mut Training| {
        let start = Instant::now();
        training.forward(&weights, 1, 0);
        let forward = start.elapsed();
        gradients.fill(0.0);
        training.backward(&weights, &[&output_gradients], &mut gradients);
        (forward, start.elapsed())
    };
    step(&mut training);
    let mut times: Vec<_> = (0..15).map(|_| step(&mut training)).collect();
    times.sort_by_key(|&(_, total)| total);
    // The fastest: a machine that others use too only ever adds time.
    let (forward, total) = times[0];
    println!(
        "step {total:?} (forward {forward:?}): {:.1} images/s, {:.1} GFLOP/s",
        batch as f64 / total.as_secs_f64(),
        6.0 * (graph.multiply_adds() * batch as u64) as f64 / total.as_secs_f64() * 1e-9,
    );
    training.start_profile();
    step(&mut training);
    let detail = match arguments.next().as_deref() {
        Some("steps") => Detail::Steps,
        _ => Detail::Kinds,
    };
    for entry in training.profile(detail) {
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
