//! What runs a graph in these tests. Another engine joins by implementing [`Runner`] and a test a
//! check in `main.rs`.

use soup_cpu::{Inference, Isa, Options, Training};
use soup_engine::reference::{Mode, backward, forward};
use soup_graph::{Graph, Weights};

pub trait Runner {
    /// What the printed figures are headed with.
    fn name(&self) -> String;

    /// Largest difference from timm, over the largest value.
    fn tolerance(&self) -> f64;

    /// Largest difference of a gradient over its norm, where timm itself differs by `float32` once
    /// it runs in float32.
    fn gradient_tolerance(&self, float32: f64) -> f64;

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
    fn name(&self) -> String {
        "reference".to_owned()
    }

    fn tolerance(&self) -> f64 {
        1e-6
    }

    fn gradient_tolerance(&self, _: f64) -> f64 {
        self.tolerance()
    }

    fn logits(&self, graph: &Graph, weights: &Weights, images: &[f32], batch: usize) -> Vec<f64> {
        let mut pass = forward(graph, weights, images, batch, Mode::Eval).unwrap();
        pass.values.swap_remove(graph.outputs()[0].0)
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
            logits: pass.values.swap_remove(graph.outputs()[0].0),
            gradients: gradients.trainable,
            running: pass.buffers,
        }
    }
}

/// The fast engine with one instruction set.
pub struct Engine(pub Isa);

impl Engine {
    fn options(&self) -> Options {
        Options {
            threads: 1,
            isa: Some(self.0),
            ..Options::default()
        }
    }
}

impl Runner for Engine {
    fn name(&self) -> String {
        self.0.name().to_owned()
    }

    fn tolerance(&self) -> f64 {
        1e-4
    }

    /// The engine rounds like any other: a rectifier whose input is all but zero may flip (ResNet,
    /// in timm's float32 too), sums of thousands lose their last digits.
    fn gradient_tolerance(&self, float32: f64) -> f64 {
        8.0 * float32
    }

    fn logits(&self, graph: &Graph, weights: &Weights, images: &[f32], batch: usize) -> Vec<f64> {
        let mut inference = Inference::new(graph, batch, &self.options()).unwrap();
        inference.input_mut().copy_from_slice(images);
        inference.load(weights.clone());
        inference.run();
        widen(inference.output(0))
    }

    fn step(
        &self,
        graph: &Graph,
        weights: &Weights,
        images: &[f32],
        batch: usize,
        logits_gradient: &[f64],
    ) -> Step {
        let mut training = Training::new(graph, batch, &self.options()).unwrap();
        training.input_mut().copy_from_slice(images);
        training.forward(weights, 0, 0);
        let logits = widen(training.output(0));
        let given: Vec<f32> = logits_gradient.iter().map(|&x| x as f32).collect();
        let mut gradients = vec![0.0; graph.trainable_len()];
        training.backward(weights, &[&given], &mut gradients);
        let mut moved = weights.clone();
        training.update_statistics(&mut moved);
        Step {
            logits,
            gradients: widen(&gradients),
            running: moved.buffers().to_vec(),
        }
    }
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}
