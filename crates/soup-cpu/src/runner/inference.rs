//! A trained network.

use std::time::Duration;

use soup_graph::{Graph, Weights};

use soup_engine::{Detail, StepTime};

use super::{Options, Runner};
use crate::plan::{Mode, PlanError};

/// A trained network: forward with running statistics.
///
/// Weights are loaded once, in the form that the kernels read, and serve any number of runs.
///
/// ```
/// use soup_cpu::{Inference, Options};
/// use soup_graph::{Builder, Convolution, ImageShape, Weights};
///
/// let mut net = Builder::new(ImageShape { channels: 3, height: 8, width: 8 });
/// let x = net.convolution("conv", net.input(), Convolution::square(4, 3))?;
/// let pooled = net.average_pool(x)?;
/// let graph = net.finish(&[pooled])?;
///
/// let mut inference = Inference::new(&graph, 2, &Options::default())?;
/// inference.load(Weights::initial(&graph, 1));
/// inference.input_mut().fill(0.5);
/// inference.run();
/// assert_eq!(inference.output(0).len(), 2 * 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Inference {
    runner: Runner,
    weights: Option<Weights>,
    outputs: Vec<Vec<f32>>,
}

impl Inference {
    /// Plans a graph for batches of `batch` images.
    ///
    /// # Errors
    /// [`PlanError`] where the graph or the options cannot be run.
    pub fn new(graph: &Graph, batch: usize, options: &Options) -> Result<Self, PlanError> {
        let runner = Runner::new(graph, batch, Mode::Inference, options)?;
        Ok(Self {
            outputs: vec![Vec::new(); runner.plan.outputs.len()],
            weights: None,
            runner,
        })
    }

    /// Images in a batch.
    pub fn batch(&self) -> usize {
        self.runner.plan.batch
    }

    /// The batch to be filled: images x rows x columns x channels.
    pub fn input_mut(&mut self) -> &mut [f32] {
        self.runner.input()
    }

    /// Takes the weights that the next runs compute with.
    ///
    /// # Panics
    /// Where they have not the graph's length.
    pub fn load(&mut self, weights: Weights) {
        let steps = 0..self.runner.plan.loading;
        self.runner.run(steps, &weights, None, (0, 0));
        self.weights = Some(weights);
    }

    /// Runs the batch.
    ///
    /// # Panics
    /// Where no weights were loaded.
    pub fn run(&mut self) {
        let Some(weights) = &self.weights else {
            panic!("weights are loaded before a run");
        };
        let steps = self.runner.plan.loading..self.runner.plan.steps.len();
        self.runner.run(steps, weights, None, (0, 0));
        for (index, output) in self.outputs.iter_mut().enumerate() {
            self.runner.output(index, output);
        }
    }

    /// Output `index` of the last run: images x values, or images x rows x columns x channels
    /// for a map.
    pub fn output(&self, index: usize) -> &[f32] {
        &self.outputs[index]
    }

    /// Bytes of memory that the plan takes.
    pub fn memory_bytes(&self) -> usize {
        self.runner.memory_bytes()
    }

    /// Starts to take the time of every step.
    pub fn start_profile(&mut self) {
        self.runner.profile = Some(vec![Duration::ZERO; self.runner.plan.steps.len()]);
    }

    /// Times by step since [`Inference::start_profile`], longest first.
    pub fn profile(&self, detail: Detail) -> Vec<StepTime> {
        self.runner.profile(detail)
    }
}
