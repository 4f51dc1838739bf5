//! A network being trained.

use std::time::Duration;

use soup_engine::{Detail, StepTime};
use soup_graph::{Graph, NodeId, Weights};

use super::{Options, Runner};
use crate::plan::{Mode, Output, PlanError};

/// A network being trained: forward with batch statistics, then backward.
///
/// # Panics
/// Its methods panic where weights or gradients have not the graph's length.
#[derive(Debug)]
pub struct Training {
    runner: Runner,
    outputs: Vec<Vec<f32>>,
    /// Seed and draw of the last forward run.
    draws: (u64, u32),
}

impl Training {
    /// Plans a graph for batches of `batch` images.
    ///
    /// # Errors
    /// [`PlanError`] where the graph or the options cannot be run.
    pub fn new(graph: &Graph, batch: usize, options: &Options) -> Result<Self, PlanError> {
        let runner = Runner::new(graph, batch, Mode::Training, options)?;
        Ok(Self {
            outputs: vec![Vec::new(); runner.plan.outputs.len()],
            runner,
            draws: (0, 0),
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

    /// Runs the batch forward; `seed` and `draw` decide what dropout and drop-path drop.
    pub fn forward(&mut self, weights: &Weights, seed: u64, draw: u32) {
        let forward = self.runner.plan.forward;
        self.draws = (seed, draw);
        self.runner.run(0..forward, weights, None, self.draws);
        for (index, output) in self.outputs.iter_mut().enumerate() {
            self.runner.output(index, output);
        }
    }

    /// Output `index` of the last forward run: images x values, or images x rows x columns x
    /// channels for a map.
    pub fn output(&self, index: usize) -> &[f32] {
        &self.outputs[index]
    }

    /// For tests: the map that is stored for a node from the forward to the backward half, laid out as an output. None
    /// where the node's value is a vector, is pending on another node's map, or is not needed any more.
    #[doc(hidden)]
    pub fn kept(&self, node: NodeId) -> Option<Vec<f32>> {
        self.between(self.runner.plan.kept[node.0].as_ref()?)
    }

    /// For tests: the copy of its input that was stored for this node, as [`Training::kept`].
    #[doc(hidden)]
    pub fn copied(&self, node: NodeId) -> Option<Vec<f32>> {
        self.between(self.runner.plan.copies.get(&node.0)?)
    }

    fn between(&self, map: &Output) -> Option<Vec<f32>> {
        let plan = &self.runner.plan;
        let mut values = Vec::new();
        plan.memory
            .is_live_across(map.value, plan.forward)
            .then(|| {
                self.runner.read(map, &mut values);
                values
            })
    }

    /// Runs the last batch backward: takes the gradient of every output (in the output's layout) and adds to
    /// `gradients`, laid out as [`Weights::trainable`]. `weights` must be those of the forward run.
    pub fn backward(
        &mut self,
        weights: &Weights,
        output_gradients: &[&[f32]],
        gradients: &mut [f32],
    ) {
        let runner = &mut self.runner;
        assert_eq!(
            output_gradients.len(),
            runner.plan.outputs.len(),
            "one gradient an output"
        );
        for (index, given) in output_gradients.iter().enumerate() {
            let output = runner.plan.outputs[index];
            assert_eq!(
                given.len(),
                output.rows * output.length,
                "gradient of an output"
            );
            runner.put_gradient(&output, given);
        }
        let steps = runner.plan.forward..runner.plan.steps.len();
        runner.run(steps, weights, Some(gradients), self.draws);
    }

    /// Moves the running statistics of every batch norm towards those of the last forward run.
    pub fn update_statistics(&self, weights: &mut Weights) {
        let runner = &self.runner;
        for norm in &runner.plan.norms {
            let offset = runner.plan.memory.offsets[norm.rows.buffer.0];
            for (row, at) in [(2, norm.mean), (7, norm.variance)] {
                let start = offset + row * norm.rows.stride;
                let batch = runner.memory.slice(start, norm.channels);
                for (running, value) in weights.buffers_mut()[at..at + norm.channels]
                    .iter_mut()
                    .zip(batch)
                {
                    *running += norm.momentum * (value - *running);
                }
            }
        }
    }

    /// Bytes of memory that the plan takes: activations, gradients of activations, packed weights.
    pub fn memory_bytes(&self) -> usize {
        self.runner.memory_bytes()
    }

    /// Starts to take the time of every step.
    pub fn start_profile(&mut self) {
        self.runner.profile = Some(vec![Duration::ZERO; self.runner.plan.steps.len()]);
    }

    /// Times by step since [`Training::start_profile`], longest first.
    pub fn profile(&self, detail: Detail) -> Vec<StepTime> {
        self.runner.profile(detail)
    }
}
