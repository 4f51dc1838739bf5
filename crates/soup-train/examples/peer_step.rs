//! Our side of the training works of `benches/peers/run`: steps on demand.
//!
//! ```text
//! peer_step MODEL SIDE BATCH LABELS DIR THREADS PRECISION
//! ```
//!
//! Loads `weights.safetensors`, `images.f32` (images, rows, columns, channels) and `labels.f32`
//! from DIR, takes three steps and prints the loss of each, with the first the logits and the seconds
//! that planning took; then, for each number of steps that comes on standard input, it takes that many
//! and prints the seconds of each. A step is what the trainer does: forward, loss, backward, batch-norm
//! statistics, Adam.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

mod peer;

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use serde_json::json;
use soup_devices::DeviceName;
use soup_engine::{
    Learning, TrainingSession, TrainingState,
    optimizers::{Adam, Optimizer},
};
use soup_graph::safetensors;
use soup_train::losses::Loss;

const CHECKED: usize = 3;
const RATE: f32 = 1e-3;

struct Trainer {
    session: Box<dyn TrainingSession>,
    loss: Loss,
    labels: usize,
    targets: Vec<f32>,
    gradients: Vec<f32>,
}

impl Trainer {
    fn step(&mut self) -> f64 {
        self.session.zero_gradients();
        self.session.forward(0, 0);
        let logits = self.session.output(0);
        let loss = self
            .loss
            .evaluate(logits, &self.targets, self.labels, &mut self.gradients);
        self.session.backward(&[&self.gradients]);
        // What is no number shows in the loss of the next step.
        let _ = self.session.step(RATE, 0.0);
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
    let images = peer::read(
        &folder.join("images.f32"),
        batch * side * side * peer::CHANNELS,
    )?;

    let start = Instant::now();
    let device = DeviceName::Auto.with_threads(threads.parse()?);
    let learning = Learning {
        rates: Vec::new(),
        optimizer: Optimizer::Adam(Adam::default()),
        ..Learning::default()
    };
    let state = TrainingState::new(&graph, learning, weights)?;
    let precision = peer::precision(precision)?;
    let mut trainer = Trainer {
        session: device.engine.training(&graph, batch, precision, state)?,
        loss: Loss::default(),
        labels,
        targets,
        gradients: vec![0.0; batch * labels],
    };
    let plan_seconds = start.elapsed().as_secs_f64();
    trainer.session.input_mut().copy_from_slice(&images);
    drop(images);

    let loss = trainer.step();
    let logits = trainer.session.output(0);
    peer::say(&json!({"loss": loss, "logits": logits, "plan_seconds": plan_seconds}))?;
    for _ in 1..CHECKED {
        peer::say(&json!({"loss": trainer.step()}))?;
    }
    peer::answer_turns(|| {
        trainer.step();
    })
}
