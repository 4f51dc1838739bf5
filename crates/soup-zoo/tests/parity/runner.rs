//! What runs a graph in these tests. Another engine joins by implementing [`Runner`] and a test a
//! check in `main.rs`.

use soup_cpu::reference::{Mode, backward, forward};
use soup_graph::{Graph, Weights};

pub trait Runner {
    /// Largest difference from timm, over the largest value.
    fn tolerance(&self) -> f64;

    /// Logits outside training.
    fn logits(&self, graph: &Graph, weights: &Weights, images: &[f32], batch: usize) -> Vec<f64>;

    /// A training step without dropping: logits, gradients of the trainable arena for the given
    /// gradient of the logits, running statistics after the step.
    fn step(
        &self,
        graph: &Graph,
        weights: &Weights,
        images: &[f32],
        batch: usize,
        logits_gradient: &[f64],
    ) -> Step;
}

pub struct Step {
    pub logits: Vec<f64>,
    pub gradients: Vec<f64>,
    pub running: Vec<f32>,
}

/// The plain interpreter.
pub struct Reference;

impl Runner for Reference {
    fn tolerance(&self) -> f64 {
        1e-6
    }

    fn logits(&self, graph: &Graph, weights: &Weights, images: &[f32], batch: usize) -> Vec<f64> {
        let mut pass = forward(graph, weights, images, batch, Mode::Eval).unwrap();
        pass.values.swap_remove(graph.outputs[0].0)
    }

    fn step(
        &self,
        graph: &Graph,
        weights: &Weights,
        images: &[f32],
        batch: usize,
        logits_gradient: &[f64],
    ) -> Step {
        let mode = Mode::Train { seed: 0, step: 0 };
        let mut pass = forward(graph, weights, images, batch, mode).unwrap();
        let given = [logits_gradient.to_vec()];
        let gradients = backward(graph, weights, &pass, &given).unwrap();
        Step {
            logits: pass.values.swap_remove(graph.outputs[0].0),
            gradients: gradients.trainable,
            running: pass.buffers,
        }
    }
}
