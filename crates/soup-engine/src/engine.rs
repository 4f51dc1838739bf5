//! What an engine can do, and what it makes.

use std::fmt::Debug;

use soup_graph::{Graph, Weights};
use thiserror::Error;

use crate::{Detail, Peak, Precision, StepTime, TrainingState, memory::BatchTooLarge};

/// Something that runs networks.
///
/// A session's results depend on its inputs alone, not on the number of threads or on earlier runs.
pub trait Engine: Debug + Send + Sync {
    /// Its name: the value of `train.device` and of `--device`.
    fn name(&self) -> &'static str;

    /// What it runs on, for people: threads, instruction set, the name of an accelerator.
    fn description(&self) -> String;

    /// The faster precision.
    fn fastest_precision(&self) -> Precision;

    /// Bytes of its memory that are free.
    fn free_memory(&self) -> u64;

    /// Plans a network for batches of `batch` images, to be trained from `state` on. The state's network may have
    /// other outputs, but must have the same parameters.
    ///
    /// # Errors
    /// [`EngineError`] where it cannot run that.
    fn training(
        &self,
        graph: &Graph,
        batch: usize,
        precision: Precision,
        state: TrainingState,
    ) -> Result<Box<dyn TrainingSession>, EngineError>;

    /// Plans a network for batches of `batch` images, for inference.
    ///
    /// # Errors
    /// [`EngineError`] where it cannot run that.
    fn inference(
        &self,
        graph: &Graph,
        batch: usize,
        precision: Precision,
    ) -> Result<Box<dyn InferenceSession>, EngineError>;

    /// What the device can do at most, measured for some tenths of a second; `None` where it is unknown.
    ///
    /// # Errors
    /// As [`training`](Self::training).
    fn peak(&self, _: Precision) -> Result<Option<Peak>, EngineError> {
        Ok(None)
    }
}

/// A network in training, with all that training changes.
///
/// A step is [`zero_gradients`](Self::zero_gradients), then [`forward`](Self::forward) and
/// [`backward`](Self::backward) once or several times, then [`step`](Self::step).
pub trait TrainingSession: Debug + Send {
    /// The batch to be filled: images x rows x columns x channels.
    fn input_mut(&mut self) -> &mut [f32];

    /// Sets the gradients to zero.
    fn zero_gradients(&mut self);

    /// Runs the batch forward; `seed` and `draw` decide what dropout and drop-path drop.
    fn forward(&mut self, seed: u64, draw: u32);

    /// Output `index` of the last forward run: images x values, or images x rows x columns x channels for a map.
    fn output(&self, index: usize) -> &[f32];

    /// Updates the running statistics with those of the last forward run, and runs it backward. `output_gradients` are the
    /// gradients of the loss by every output, in the output's layout. Those by the parameters are accumulated.
    fn backward(&mut self, output_gradients: &[&[f32]]);

    /// Takes an optimiser step with the accumulated gradients, and updates the average of the parameters with this weight
    /// (0 to 1; 1 makes it a copy).
    ///
    /// # Errors
    /// What is NaN or infinite: the gradients (then the parameters are unchanged), or the parameters or running
    /// statistics.
    fn step(&mut self, learning_rate: f32, average_weight: f32) -> Result<(), String>;

    /// All that training changes, as it is now.
    fn state(&mut self) -> &TrainingState;

    /// Continues from another state of the same network.
    fn set_state(&mut self, state: TrainingState);

    /// Bytes of memory that the plan takes, without the state.
    fn memory_bytes(&self) -> usize;

    /// Starts to measure the time of every step, where the engine can.
    fn start_profile(&mut self) {}

    /// Times by step since [`start_profile`](Self::start_profile), longest first.
    fn profile(&self, _: Detail) -> Vec<StepTime> {
        Vec::new()
    }
}

/// A trained network: forward with running statistics.
pub trait InferenceSession: Debug + Send {
    /// Images in a batch.
    fn batch(&self) -> usize;

    /// Sets the weights of the next runs.
    ///
    /// # Panics
    /// Where they have not the graph's length.
    fn load(&mut self, weights: Weights);

    /// The batch to be filled: images x rows x columns x channels.
    fn input_mut(&mut self) -> &mut [f32];

    /// Runs the batch.
    ///
    /// # Panics
    /// Where no weights were loaded.
    fn run(&mut self);

    /// Output `index` of the last run: images x values, or images x rows x columns x channels for a map.
    fn output(&self, index: usize) -> &[f32];

    /// Bytes of memory that the plan takes.
    fn memory_bytes(&self) -> usize;

    /// Starts to measure the time of every step, where the engine can.
    fn start_profile(&mut self) {}

    /// Times by step since [`start_profile`](Self::start_profile), longest first.
    fn profile(&self, _: Detail) -> Vec<StepTime> {
        Vec::new()
    }
}

/// Why an engine does not run a network.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EngineError {
    /// It takes more memory than there is.
    #[error(transparent)]
    Memory(#[from] BatchTooLarge),
    /// Something that this engine cannot do.
    #[error("{0}")]
    Unsupported(String),
}
