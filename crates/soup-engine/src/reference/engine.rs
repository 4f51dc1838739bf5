//! The interpreter as an engine.

use std::sync::Arc;

use soup_graph::{Graph, Weights};
use soup_threads::Pool;

use super::{Mode, Pass, ReferenceError, backward, forward};
use crate::{
    Engine, EngineError, InferenceSession, Precision, TrainingSession, TrainingState,
    memory::{self, BatchTooLarge},
};

/// The engine that others are tested against.
#[derive(Debug)]
pub struct Reference {
    pool: Arc<Pool>,
}

impl Reference {
    /// The interpreter runs on one thread; optimisers run on these.
    pub fn new(pool: Arc<Pool>) -> Self {
        Self { pool }
    }
}

impl Engine for Reference {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn description(&self) -> String {
        "plain loops in double precision, one thread".to_owned()
    }

    fn fastest_precision(&self) -> Precision {
        Precision::F32
    }

    fn free_memory(&self) -> u64 {
        memory::free_bytes()
    }

    fn training(
        &self,
        graph: &Graph,
        batch: usize,
        precision: Precision,
        state: TrainingState,
    ) -> Result<Box<dyn TrainingSession>, EngineError> {
        Ok(Box::new(Training {
            gradients: vec![0.0; graph.trainable_len()],
            interpreted: Interpreted::new(graph, batch, precision)?,
            pool: Arc::clone(&self.pool),
            state,
        }))
    }

    fn inference(
        &self,
        graph: &Graph,
        batch: usize,
        _: Precision,
    ) -> Result<Box<dyn InferenceSession>, EngineError> {
        // What was trained in bf16 is answered more precisely, as a reference should.
        Ok(Box::new(Inference {
            interpreted: Interpreted::new(graph, batch, Precision::F32)?,
            weights: None,
        }))
    }
}

/// A network, its batch and what the last pass made of it.
#[derive(Debug)]
struct Interpreted {
    graph: Graph,
    batch: usize,
    input: Vec<f32>,
    pass: Option<Pass>,
    outputs: Vec<Vec<f32>>,
}

impl Interpreted {
    fn new(graph: &Graph, batch: usize, precision: Precision) -> Result<Self, EngineError> {
        if batch == 0 || precision != Precision::F32 {
            let problem = "the reference engine trains batches of at least one image, in f32 (model.precision=f32)";
            return Err(EngineError::Unsupported(problem.to_owned()));
        }
        // Every value of the forward pass is kept, and as many gradients, in double precision.
        let values: usize = graph.nodes().iter().map(|node| node.shape.len()).sum();
        let bytes = values.saturating_mul(batch).saturating_mul(2 * 8) as u64;
        memory::room_for(bytes).map_err(|shortage| BatchTooLarge { batch, shortage })?;
        Ok(Self {
            input: vec![0.0; batch * graph.input().len()],
            graph: graph.clone(),
            batch,
            pass: None,
            outputs: vec![Vec::new(); graph.outputs().len()],
        })
    }

    fn forward(&mut self, weights: &Weights, mode: Mode) {
        let pass = known(forward(&self.graph, weights, &self.input, self.batch, mode));
        for (output, node) in self.outputs.iter_mut().zip(self.graph.outputs()) {
            *output = pass.values[node.0].iter().map(|&v| v as f32).collect();
        }
        self.pass = Some(pass);
    }

    fn memory_bytes(&self) -> usize {
        let values: usize = self.graph.nodes().iter().map(|node| node.shape.len()).sum();
        values * self.batch * size_of::<f64>()
    }
}

/// A result that only a wrong length could make an error. Sessions keep all lengths right.
fn known<T>(result: Result<T, ReferenceError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}

#[derive(Debug)]
struct Training {
    interpreted: Interpreted,
    state: TrainingState,
    gradients: Vec<f32>,
    pool: Arc<Pool>,
}

impl TrainingSession for Training {
    fn input_mut(&mut self) -> &mut [f32] {
        &mut self.interpreted.input
    }

    fn zero_gradients(&mut self) {
        self.gradients.fill(0.0);
    }

    fn forward(&mut self, seed: u64, draw: u32) {
        let mode = Mode::Train { seed, step: draw };
        self.interpreted.forward(self.state.weights(), mode);
    }

    fn output(&self, index: usize) -> &[f32] {
        &self.interpreted.outputs[index]
    }

    fn backward(&mut self, output_gradients: &[&[f32]]) {
        let Some(pass) = self.interpreted.pass.take() else {
            panic!("a batch runs forward before it runs backward");
        };
        let wide = |values: &&[f32]| values.iter().map(|&v| f64::from(v)).collect();
        let given: Vec<Vec<f64>> = output_gradients.iter().map(wide).collect();
        let graph = &self.interpreted.graph;
        let found = known(backward(graph, self.state.weights(), &pass, &given));
        for (sum, value) in self.gradients.iter_mut().zip(found.trainable) {
            *sum += value as f32;
        }
        let buffers = self.state.weights_mut().buffers_mut();
        buffers.copy_from_slice(&pass.buffers);
    }

    fn step(&mut self, learning_rate: f32, average_weight: f32) -> Result<(), String> {
        self.state.step(
            &mut self.gradients,
            learning_rate,
            average_weight,
            &self.pool,
        )
    }

    fn state(&mut self) -> &TrainingState {
        &self.state
    }

    fn set_state(&mut self, state: TrainingState) {
        self.state = state;
    }

    fn memory_bytes(&self) -> usize {
        2 * self.interpreted.memory_bytes()
    }
}

#[derive(Debug)]
struct Inference {
    interpreted: Interpreted,
    weights: Option<Weights>,
}

impl InferenceSession for Inference {
    fn batch(&self) -> usize {
        self.interpreted.batch
    }

    fn load(&mut self, weights: Weights) {
        self.weights = Some(weights);
    }

    fn input_mut(&mut self) -> &mut [f32] {
        &mut self.interpreted.input
    }

    fn run(&mut self) {
        let Some(weights) = &self.weights else {
            panic!("weights are loaded before a run");
        };
        self.interpreted.forward(weights, Mode::Eval);
    }

    fn output(&self, index: usize) -> &[f32] {
        &self.interpreted.outputs[index]
    }

    fn memory_bytes(&self) -> usize {
        self.interpreted.memory_bytes()
    }
}
