//! Our side of `benches/peers/run`: training steps on demand.
//!
//! ```text
//! peer_step MODEL SIDE BATCH LABELS DIR THREADS
//! ```
//!
//! Loads `weights.safetensors`, `pictures.f32` (pictures, rows, columns, channels) and `labels.f32`
//! from DIR, takes three steps and prints their losses; then, for each number of steps that comes
//! on standard input, it takes that many and prints the seconds of each. A step is what the trainer
//! does: forward, loss, backward, batch-norm statistics, Adam.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use soup_cpu::{Options, Pool, Training};
use soup_graph::{Weights, safetensors};
use soup_learn::losses::Loss;
use soup_learn::optimizers::{Adam, Optimizer, OptimizerState};
use soup_zoo::{ModelConfig, build};

const CHECKED: usize = 3;
const RATE: f32 = 1e-3;
/// Values that one task of the optimiser moves, as in the trainer.
const PIECE: usize = 1 << 16;

struct Trainer {
    pool: Arc<Pool>,
    training: Training,
    weights: Weights,
    adam: OptimizerState,
    loss: Loss,
    labels: usize,
    targets: Vec<f32>,
    slope: Vec<f32>,
    gradients: Vec<f32>,
}

impl Trainer {
    fn step(&mut self) -> f64 {
        self.training.forward(&self.weights, 0, 0);
        let logits = self.training.output(0);
        let (labels, slope) = (self.labels, &mut self.slope);
        let loss = self.loss.evaluate(logits, &self.targets, labels, slope);
        self.gradients.fill(0.0);
        self.training
            .backward(&self.weights, &[&self.slope], &mut self.gradients);
        self.training.update_statistics(&mut self.weights);
        let parameters = &mut self.weights.trainable;
        let pieces = self.adam.pieces(RATE, parameters, &self.gradients, PIECE);
        let pieces: Vec<_> = pieces.map(|piece| Mutex::new(Some(piece))).collect();
        self.pool.run(pieces.len(), &|index| {
            let mut piece = pieces[index].lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(piece) = piece.take() {
                piece.run();
            }
        });
        loss
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, side, batch, labels, folder, threads] = arguments.as_slice() else {
        return Err("usage: peer_step MODEL SIDE BATCH LABELS DIR THREADS".into());
    };
    let (side, batch, labels): (usize, usize, usize) =
        (side.parse()?, batch.parse()?, labels.parse()?);
    let folder = Path::new(folder);
    let graph = build(&ModelConfig {
        name: model.clone(),
        channels: 3,
        height: side,
        width: side,
        labels,
        // No dropping: both sides must compute the same.
        dropout: 0.0,
        drop_path: 0.0,
        ..ModelConfig::default()
    })?;
    let pool = Arc::new(Pool::new(threads.parse()?));
    let options = Options {
        pool: Some(Arc::clone(&pool)),
        ..Options::default()
    };
    let optimizer = Optimizer::Adam(Adam::default());
    let len = graph.trainable_len();
    let mut trainer = Trainer {
        pool,
        training: Training::new(&graph, batch, &options)?,
        weights: safetensors::load(&folder.join("weights.safetensors"), &graph)?,
        adam: OptimizerState::new(&optimizer, len, &optimizer.decays(&graph))?,
        loss: Loss::default(),
        labels,
        targets: read(&folder.join("labels.f32"), batch * labels)?,
        slope: vec![0.0; batch * labels],
        gradients: vec![0.0; len],
    };
    let input = trainer.training.input_mut();
    input.copy_from_slice(&read(&folder.join("pictures.f32"), input.len())?);

    let losses: Vec<f64> = (0..CHECKED).map(|_| trainer.step()).collect();
    println!("{{\"losses\": {losses:?}}}");
    stdout().flush()?;
    for line in stdin().lock().lines() {
        let seconds: Vec<f64> = (0..line?.trim().parse::<usize>()?)
            .map(|_| {
                let start = Instant::now();
                trainer.step();
                start.elapsed().as_secs_f64()
            })
            .collect();
        println!("{{\"seconds\": {seconds:?}}}");
        stdout().flush()?;
    }
    Ok(())
}

/// A file of little-endian floats.
fn read(path: &Path, len: usize) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let (chunks, rest) = bytes.as_chunks::<4>();
    if chunks.len() != len || !rest.is_empty() {
        let (path, found) = (path.display(), bytes.len());
        return Err(format!("{path}: {found} bytes for {len} values").into());
    }
    Ok(chunks.iter().map(|b| f32::from_le_bytes(*b)).collect())
}
