//! The CPU engine as an [`Engine`].

use std::sync::Arc;

use soup_engine::{
    Detail, Engine, EngineError, InferenceSession, Peak, Precision, StepTime, TrainingSession,
    TrainingState, memory,
};
use soup_graph::{Graph, Weights};
use soup_threads::Pool;

use crate::{Inference, Isa, Options, PlanError, Training, peak};

/// The engine of the host's processor.
#[derive(Clone, Debug)]
pub struct Cpu {
    options: Options,
    pool: Arc<Pool>,
}

impl Cpu {
    /// With these options, but for the precision, which each session has its own of.
    pub fn new(options: Options) -> Self {
        Self {
            pool: options.pool(),
            options,
        }
    }

    fn options(&self, precision: Precision) -> Options {
        Options {
            pool: Some(Arc::clone(&self.pool)),
            precision,
            ..self.options.clone()
        }
    }
}

impl Engine for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn description(&self) -> String {
        match self.options.instruction_set() {
            Ok(isa) => format!("{} threads, {}", self.pool.threads(), isa.name()),
            Err(error) => error.to_string(),
        }
    }

    fn fastest_precision(&self) -> Precision {
        match Isa::detect().is_faster_in_bf16() {
            true => Precision::Bf16,
            false => Precision::F32,
        }
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
        Ok(Box::new(Session {
            training: Training::new(graph, batch, &self.options(precision))?,
            gradients: vec![0.0; graph.trainable_len()],
            pool: Arc::clone(&self.pool),
            state,
        }))
    }

    fn inference(
        &self,
        graph: &Graph,
        batch: usize,
        precision: Precision,
    ) -> Result<Box<dyn InferenceSession>, EngineError> {
        let inference = Inference::new(graph, batch, &self.options(precision))?;
        Ok(Box::new(inference))
    }

    fn peak(&self, precision: Precision) -> Result<Option<Peak>, EngineError> {
        let peak = peak::measure(&self.options(precision), &self.pool)?;
        Ok(Some(peak))
    }
}

impl From<PlanError> for EngineError {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Memory(problem) => Self::Memory(problem),
            other => Self::Unsupported(other.to_string()),
        }
    }
}

/// A plan with the state that it trains.
#[derive(Debug)]
struct Session {
    training: Training,
    state: TrainingState,
    gradients: Vec<f32>,
    pool: Arc<Pool>,
}

impl TrainingSession for Session {
    fn input_mut(&mut self) -> &mut [f32] {
        self.training.input_mut()
    }

    fn zero_gradients(&mut self) {
        self.pool.zero(&mut self.gradients);
    }

    fn forward(&mut self, seed: u64, draw: u32) {
        self.training.forward(self.state.weights(), seed, draw);
    }

    fn output(&self, index: usize) -> &[f32] {
        self.training.output(index)
    }

    fn backward(&mut self, output_gradients: &[&[f32]]) {
        self.training.update_statistics(self.state.weights_mut());
        self.training
            .backward(self.state.weights(), output_gradients, &mut self.gradients);
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
        self.training.memory_bytes()
    }

    fn start_profile(&mut self) {
        self.training.start_profile();
    }

    fn profile(&self, detail: Detail) -> Vec<StepTime> {
        self.training.profile(detail)
    }
}

impl InferenceSession for Inference {
    fn batch(&self) -> usize {
        Self::batch(self)
    }

    fn load(&mut self, weights: Weights) {
        Self::load(self, weights);
    }

    fn input_mut(&mut self) -> &mut [f32] {
        Self::input_mut(self)
    }

    fn run(&mut self) {
        Self::run(self);
    }

    fn output(&self, index: usize) -> &[f32] {
        Self::output(self, index)
    }

    fn memory_bytes(&self) -> usize {
        Self::memory_bytes(self)
    }

    fn start_profile(&mut self) {
        Self::start_profile(self);
    }

    fn profile(&self, detail: Detail) -> Vec<StepTime> {
        Self::profile(self, detail)
    }
}
