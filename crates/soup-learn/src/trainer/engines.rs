//! One training step: pictures in, gradients out, weights moved.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use soup_cpu::{Inference, Options, Pool, Training};
use soup_graph::{Shape, Turning, Weights, rewrite};
use soup_zoo::heads::label_map;

use super::{
    fold::Fold,
    pace::{Pace, Part},
};
use crate::{
    Error,
    batches::{Loader, Slot},
    finite::{all_finite, not_finite},
    mixing::Batch,
    optimizers::{OptimizerState, Piece, clip::clip_gradient_norm},
};

/// Parameters that one task of the optimiser moves.
const PIECE: usize = 1 << 16;

/// The planned network and the memory of a step.
pub(super) struct Engines {
    training: Training,
    /// Of the network with its branches merged and its batch norms folded.
    pub inference: Inference,
    pub gradients: Vec<f32>,
    targets: Vec<f32>,
    pub slope: Vec<f32>,
    /// Rows, columns and labels of the maps that boxes teach.
    map_size: Option<[usize; 3]>,
    map_slope: Vec<f32>,
    /// Room for mixing pictures.
    mixing: Vec<f32>,
    /// Where the time went since the epoch began.
    pub pace: Pace,
}

impl Engines {
    /// # Errors
    /// A network that the engine cannot run.
    pub fn new(fold: &Fold<'_>) -> Result<Self, Error> {
        let options = Options {
            pool: Some(Arc::clone(fold.pool)),
            precision: fold.config.model.precision.into(),
            ..Options::default()
        };
        let wrong = |error: soup_cpu::PlanError| Error::Model {
            model: fold.config.model.name.clone(),
            problem: error.to_string(),
        };
        let train = &fold.config.train;
        // Boxes teach the maps under the logits, so training has them as a second output.
        let maps = label_map::maps(fold.graph).filter(|_| fold.config.boxes.is_on());
        let taught = match maps {
            Some(maps) => Cow::Owned(fold.graph.clone().with_outputs([maps])?),
            None => Cow::Borrowed(fold.graph),
        };
        let map_size = maps.and_then(|maps| match taught.node(maps).shape {
            Shape::Map(map) => Some([map.height, map.width, map.channels]),
            Shape::Vector(_) => None,
        });
        let map_len = map_size.map_or(0, |size| size.iter().product());
        // The shape of the rewritten network does not depend on the weights.
        let (deployed, _) = rewrite::for_inference(fold.graph, &Weights::zeros(fold.graph))?;
        Ok(Self {
            training: Training::new(&taught, train.batch, &options).map_err(wrong)?,
            inference: Inference::new(&deployed, train.evaluation_batch(), &options)
                .map_err(wrong)?,
            gradients: vec![0.0; fold.graph.trainable_len()],
            targets: vec![0.0; train.batch * fold.data.label_names.len()],
            slope: vec![0.0; train.batch * fold.data.label_names.len()],
            map_size,
            map_slope: vec![0.0; train.batch * map_len],
            mixing: Vec::new(),
            pace: Pace::default(),
        })
    }

    /// Adds the gradients of one batch and gives its loss and the number of right cells.
    pub fn micro_batch(
        &mut self,
        fold: &Fold<'_>,
        loader: &Loader<'_>,
        weights: &mut Weights,
        slots: &[Slot],
        epoch: u32,
        draw: u32,
    ) -> Result<(f64, u64), Error> {
        let config = fold.config;
        self.pace.begin();
        let input = self.training.input_mut();
        let mut boxes = loader.fill(slots, epoch, input, &mut self.targets)?;
        let labels = fold.data.label_names.len();
        if let Some(mix) = &config.mix {
            let keys: Vec<u64> = slots.iter().map(|slot| slot.key()).collect();
            let mut batch = Batch {
                pictures: input,
                targets: &mut self.targets,
                shape: fold.graph.input(),
                labels,
            };
            let draws = (config.train.seed, epoch);
            let mixed = mix.apply(draws, &keys, &mut batch, &mut self.mixing);
            // Boxes say where things are in a picture of its own.
            let mixed = boxes.iter_mut().zip(mixed);
            mixed
                .filter(|(_, mixed)| *mixed)
                .for_each(|(boxes, _)| *boxes = None);
        }
        self.pace.was(Part::Pictures);
        self.training.forward(weights, config.train.seed, draw);
        self.pace.was(Part::Network);
        let logits = self.training.output(0);
        let mut loss = config
            .loss
            .evaluate(logits, &self.targets, labels, &mut self.slope);
        if !all_finite(logits) {
            // Some losses leave cells out.
            loss = f64::NAN;
        }
        if !config.data.crowd_labels {
            let rows = slots.iter().zip(self.slope.chunks_exact_mut(labels));
            rows.filter(|(slot, _)| matches!(slot, Slot::Crowded(_)))
                .for_each(|(_, slope)| slope.fill(0.0));
        }
        let right = logits
            .iter()
            .zip(&self.targets)
            .filter(|(logit, target)| (**logit > 0.0) == (**target > 0.5))
            .count() as u64;
        if let (Some(size), Some(composed)) = (self.map_size, fold.data.composed) {
            let maps = self.training.output(1);
            let shape = composed.shape();
            let slope = &mut self.map_slope;
            loss += config
                .boxes
                .evaluate(maps, size, &boxes, shape, slope, fold.pool);
        }
        if config.train.accumulate > 1 {
            let share = 1.0 / config.train.accumulate as f32;
            let slopes = self.slope.iter_mut().chain(&mut self.map_slope);
            slopes.for_each(|slope| *slope *= share);
        }
        self.pace.was(Part::Loss);
        self.training.update_statistics(weights);
        let slopes = [self.slope.as_slice(), &self.map_slope];
        let outputs = 1 + usize::from(self.map_size.is_some());
        self.training
            .backward(weights, &slopes[..outputs], &mut self.gradients);
        self.pace.was(Part::Network);
        Ok((loss, right))
    }

    /// Moves the weights by the gradients.
    ///
    /// # Errors
    /// What is no number any more: the gradients, and then the weights are as they were, or the weights or statistics.
    pub fn update(
        &mut self,
        fold: &Fold<'_>,
        weights: &mut Weights,
        optimizer: &mut OptimizerState,
        rate: f32,
    ) -> Result<(), String> {
        let gradients = &mut self.gradients;
        if let Some(symmetry) = fold.symmetry {
            fold.pool.each(symmetry.parts(gradients), Turning::average);
        }
        let clip_norm = fold.config.train.clip_norm;
        if clip_norm > 0.0 {
            let norm = clip_gradient_norm(gradients, clip_norm);
            if !norm.is_finite() {
                return Err(format!("the norm of the gradient is {norm}"));
            }
        }
        let moved_well = step(
            optimizer,
            rate,
            weights.trainable_mut(),
            gradients,
            fold.pool,
        );
        if let Some(symmetry) = fold.symmetry {
            // An optimiser that multiplies matrices rounds the turns of a filter differently.
            let parts = symmetry.parts(weights.trainable_mut());
            fold.pool.each(parts, Turning::tie);
            symmetry.tie_statistics(weights.buffers_mut());
        }
        if moved_well && all_finite(weights.buffers()) {
            return Ok(());
        }
        not_finite(fold.graph, weights).map_or(Ok(()), Err)
    }
}

/// Moves parameters by their gradients, on all threads; says whether all of them are numbers still.
pub(super) fn step(
    optimizer: &mut OptimizerState,
    rate: f32,
    parameters: &mut [f32],
    gradients: &[f32],
    pool: &Pool,
) -> bool {
    let pieces = optimizer.pieces(rate, parameters, gradients, PIECE);
    let all_well = AtomicBool::new(true);
    pool.each(pieces, |piece: Piece<'_>| {
        if !piece.run() {
            all_well.store(false, Ordering::Relaxed);
        }
    });
    all_well.into_inner()
}
