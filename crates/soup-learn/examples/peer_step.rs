//! Our side of the training works of `benches/peers/run`: steps on demand.
//!
//! ```text
//! peer_step MODEL SIDE BATCH LABELS DIR THREADS PRECISION
//! ```
//!
//! Loads `weights.safetensors`, `pictures.f32` (pictures, rows, columns, channels) and `labels.f32`
//! from DIR, takes three steps and prints the loss of each, with the first the logits and the seconds
//! that planning took; then, for each number of steps that comes on standard input, it takes that many
//! and prints the seconds of each. A step is what the trainer does: forward, loss, backward, batch-norm
//! statistics, Adam.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

mod peer;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use soup_cpu::{Pool, Training};
use soup_graph::{Weights, safetensors};
use soup_learn::losses::Loss;
use soup_learn::optimizers::{Adam, Optimizer, OptimizerState};

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
        self.pool.zero(&mut self.gradients);
        self.training
            .backward(&self.weights, &[&self.slope], &mut self.gradients);
        self.training.update_statistics(&mut self.weights);
        let parameters = self.weights.trainable_mut();
        let pieces = self.adam.pieces(RATE, parameters, &self.gradients, PIECE);
        self.pool.each(pieces, |piece| {
            piece.run();
        });
        loss
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, side, batch, labels, folder, threads, precision] = arguments.as_slice() else {
        return Err("usage: peer_step MODEL SIDE BATCH LABELS DIR THREADS PRECISION".into());
    };
    let (side, batch, labels): (usize, usize, usize) =
        (side.parse()?, batch.parse()?, labels.parse()?);
    let folder = Path::new(folder);
    let graph = peer::network(model, side, labels)?;
    let weights = safetensors::load(&folder.join("weights.safetensors"), &graph)?;
    let targets = peer::read(&folder.join("labels.f32"), batch * labels)?;
    let pictures = peer::read(
        &folder.join("pictures.f32"),
        batch * side * side * peer::CHANNELS,
    )?;

    let start = Instant::now();
    let pool = Arc::new(Pool::new(threads.parse()?));
    let options = peer::options(&pool, precision)?;
    let optimizer = Optimizer::Adam(Adam::default());
    let len = graph.trainable_len();
    let mut trainer = Trainer {
        pool,
        training: Training::new(&graph, batch, &options)?,
        weights,
        adam: OptimizerState::new(&optimizer, len, &optimizer.decays(&graph))?,
        loss: Loss::default(),
        labels,
        targets,
        slope: vec![0.0; batch * labels],
        gradients: vec![0.0; len],
    };
    let plan_seconds = start.elapsed().as_secs_f64();
    trainer.training.input_mut().copy_from_slice(&pictures);
    drop(pictures);

    let loss = trainer.step();
    let logits = trainer.training.output(0);
    peer::say(&json!({"loss": loss, "logits": logits, "plan_seconds": plan_seconds}))?;
    for _ in 1..CHECKED {
        peer::say(&json!({"loss": trainer.step()}))?;
    }
    peer::answer_turns(|| {
        trainer.step();
    })
}
