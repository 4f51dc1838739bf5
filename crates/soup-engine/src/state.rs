//! All that training changes, on the host.

use std::sync::atomic::{AtomicBool, Ordering};

use soup_graph::{
    Graph, Symmetry, TiedParameter, Weights,
    finite::{all_finite, not_finite},
};
use soup_threads::Pool;

use crate::{
    optimizers::{Optimizer, OptimizerState, Piece, RateOf, clip::clip_gradient_norm},
    setting::InvalidSetting,
};

/// Parameters that one task of the optimiser moves.
const PIECE: usize = 1 << 16;

/// How gradients move the parameters of a network.
#[derive(Clone, Debug, Default)]
pub struct Learning {
    /// The optimiser.
    pub optimizer: Optimizer,
    /// Largest norm of the gradient; 0 does not clip.
    pub clip_norm: f64,
    /// Filters that are rotations of one another and stay so.
    pub symmetry: Option<Symmetry>,
    /// Whether an average of the parameters is kept beside them.
    pub averages: bool,
    /// Parts of the network that learn at a rate of their own.
    pub rates: Vec<RateOf>,
}

/// All that training changes: parameters and running statistics, their average, the optimiser's state.
///
/// Engines on the host train it where it is ([`TrainingState::step`]); others read it at their start and write it when
/// they are asked.
#[derive(Clone, Debug)]
pub struct TrainingState {
    graph: Graph,
    learning: Learning,
    weights: Weights,
    average: Option<Weights>,
    optimizer: OptimizerState,
}

impl TrainingState {
    /// Before the first step.
    ///
    /// # Errors
    /// Parameters of the optimiser that [`Optimizer::check`] refuses.
    pub fn new(
        graph: &Graph,
        learning: Learning,
        weights: Weights,
    ) -> Result<Self, InvalidSetting> {
        let optimizer = &learning.optimizer;
        let state =
            OptimizerState::new(optimizer, graph.trainable_len(), &optimizer.decays(graph))?;
        let matrices = optimizer.matrices(graph, learning.symmetry.as_ref());
        Ok(Self {
            graph: graph.clone(),
            average: learning.averages.then(|| weights.clone()),
            weights,
            optimizer: state
                .with_matrices(matrices)
                .with_rates(learning.rates.clone()),
            learning,
        })
    }

    /// The network whose parameters these are.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// How it is trained.
    pub fn learning(&self) -> &Learning {
        &self.learning
    }

    /// Optimiser steps done.
    pub fn steps(&self) -> u64 {
        self.optimizer.steps()
    }

    /// Takes over the state of a network that is the end of this one.
    pub(crate) fn take_end(&mut self, end: &Self) {
        let take = |weights: &mut Weights, end: &Weights| {
            let at = weights.trainable().len() - end.trainable().len();
            weights.trainable_mut()[at..].copy_from_slice(end.trainable());
            let at = weights.buffers().len() - end.buffers().len();
            weights.buffers_mut()[at..].copy_from_slice(end.buffers());
        };
        take(&mut self.weights, &end.weights);
        if let (Some(average), Some(end)) = (&mut self.average, &end.average) {
            take(average, end);
        }
        self.optimizer.take_end(&end.optimizer);
    }

    /// Parameters and running statistics.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// As [`weights`](Self::weights), for engines: a step forward moves the running statistics.
    pub fn weights_mut(&mut self) -> &mut Weights {
        &mut self.weights
    }

    /// The weights to be validated and kept: the average where there is one.
    pub fn evaluated(&self) -> &Weights {
        self.average.as_ref().unwrap_or(&self.weights)
    }

    /// Begins with these weights, and their average with them.
    pub fn start_from(&mut self, weights: Weights) {
        if let Some(average) = &mut self.average {
            average.clone_from(&weights);
        }
        self.weights = weights;
    }

    /// One step by these gradients, laid out as [`Weights::trainable`]; the average takes the weights in with
    /// `average_weight`, from 0 to 1.
    ///
    /// # Errors
    /// What is NaN or infinite: the gradients (then the parameters are unchanged), or the parameters or running
    /// statistics.
    pub fn step(
        &mut self,
        gradients: &mut [f32],
        learning_rate: f32,
        average_weight: f32,
        pool: &Pool,
    ) -> Result<(), String> {
        let symmetry = self.learning.symmetry.as_ref();
        if let Some(symmetry) = symmetry {
            pool.each(symmetry.tied_parameters(gradients), TiedParameter::average);
        }
        let clip_norm = self.learning.clip_norm;
        if clip_norm > 0.0 {
            let norm = clip_gradient_norm(gradients, clip_norm);
            if !norm.is_finite() {
                return Err(format!("the norm of the gradient is {norm}"));
            }
        }
        let parameters = self.weights.trainable_mut();
        let pieces = self
            .optimizer
            .pieces(learning_rate, parameters, gradients, PIECE);
        let all_well = AtomicBool::new(true);
        pool.each(pieces, |piece: Piece<'_>| {
            if !piece.run() {
                all_well.store(false, Ordering::Relaxed);
            }
        });
        if let Some(symmetry) = symmetry {
            // An optimiser that multiplies matrices rounds the rotations of a filter differently.
            let parameters = symmetry.tied_parameters(self.weights.trainable_mut());
            pool.each(parameters, TiedParameter::tie);
            symmetry.tie_statistics(self.weights.buffers_mut());
        }
        if !(all_well.into_inner() && all_finite(self.weights.buffers()))
            && let Some(what) = not_finite(&self.graph, &self.weights)
        {
            return Err(what);
        }
        if let Some(average) = &mut self.average {
            average.lerp(&self.weights, average_weight);
        }
        Ok(())
    }

    /// What of it is NaN or infinite.
    pub fn not_finite(&self) -> Option<String> {
        let of_average = || {
            let found = not_finite(&self.graph, self.average.as_ref()?)?;
            Some(format!("{found} in their average"))
        };
        let of_optimizer = || {
            let tensors = self.optimizer.tensors().into_iter();
            let mut wrong = tensors.filter(|(_, values)| !all_finite(values));
            let (name, _) = wrong.next()?;
            Some(format!(
                "a value of the optimiser's {name} is no number or infinite"
            ))
        };
        not_finite(&self.graph, &self.weights)
            .or_else(of_average)
            .or_else(of_optimizer)
    }

    /// Everything by name, as a checkpoint keeps it.
    pub fn tensors(&self) -> Vec<(&'static str, &[f32])> {
        let mut tensors = vec![
            ("weights", self.weights.trainable()),
            ("statistics", self.weights.buffers()),
        ];
        if let Some(average) = &self.average {
            tensors.push(("average.weights", average.trainable()));
            tensors.push(("average.statistics", average.buffers()));
        }
        tensors.extend(self.optimizer.tensors());
        tensors
    }

    /// Restores what [`tensors`](Self::tensors) gave after so many steps; `take` gives the tensor of a name and length.
    ///
    /// # Errors
    /// The first one of `take`.
    pub fn restore(
        &mut self,
        steps: u64,
        mut take: impl FnMut(&str, usize) -> Result<Vec<f32>, String>,
    ) -> Result<(), String> {
        let mut restore = |weights: &mut Weights, names: [&str; 2]| {
            let values = take(names[0], weights.trainable().len())?;
            weights.trainable_mut().copy_from_slice(&values);
            let values = take(names[1], weights.buffers().len())?;
            weights.buffers_mut().copy_from_slice(&values);
            Ok::<(), String>(())
        };
        restore(&mut self.weights, ["weights", "statistics"])?;
        if let Some(average) = &mut self.average {
            restore(average, ["average.weights", "average.statistics"])?;
        }
        let trainable = self.weights.trainable().len();
        let names: Vec<&'static str> = self.optimizer.tensors().iter().map(|(n, _)| *n).collect();
        let tensors = names
            .into_iter()
            .map(|name| Ok((name, take(name, trainable)?)))
            .collect::<Result<Vec<_>, String>>()?;
        let tensors: Vec<(&str, &[f32])> = tensors
            .iter()
            .map(|(name, values)| (*name, values.as_slice()))
            .collect();
        self.optimizer
            .restore(steps, &tensors)
            .map_err(|error| error.to_string())
    }
}
