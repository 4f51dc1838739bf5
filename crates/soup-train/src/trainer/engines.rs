//! One training step: images in, gradients out, weights moved.

use std::borrow::Cow;

use soup_data::{Source, batches::Loader};
use soup_engine::{Frozen, InferenceSession, Precision, TrainingSession, TrainingState};
use soup_graph::{Shape, Weights, finite::all_finite, rewrite};
use soup_zoo::heads::label_map;

use super::{
    fold::Fold,
    pace::{Pace, Part},
};
use crate::{Error, mixing::Batch};

/// The planned network and the memory of a step.
pub(super) struct Engines {
    /// Owns all that training changes.
    pub training: Box<dyn TrainingSession>,
    /// Of the network with its branches merged and its batch norms folded.
    pub inference: Box<dyn InferenceSession>,
    targets: Vec<f32>,
    /// Of the loss by the logits.
    pub logit_gradients: Vec<f32>,
    /// Rows, columns and labels of the maps that boxes train.
    map_size: Option<[usize; 3]>,
    map_gradients: Vec<f32>,
    /// Room for mixing images.
    mixing: Vec<f32>,
    /// Where the time went since the epoch began.
    pub pace: Pace,
}

impl Engines {
    /// # Errors
    /// A network that the engine cannot run.
    pub fn new(fold: &Fold<'_>, state: TrainingState) -> Result<Self, Error> {
        let precision = fold.config.model.precision.on(&*fold.device.engine);
        let wrong = |error| Error::network(&fold.config.model.name, error);
        let train = &fold.config.train;
        // Boxes train the maps under the logits, so training has them as a second output.
        let maps = label_map::maps(fold.graph).filter(|_| fold.config.boxes.is_on());
        let with_maps = match maps {
            Some(maps) => Cow::Owned(fold.graph.clone().with_outputs([maps])?),
            None => Cow::Borrowed(fold.graph),
        };
        let map_size = maps.and_then(|maps| match with_maps.node(maps).shape {
            Shape::Map(map) => Some([map.height, map.width, map.channels]),
            Shape::Vector(_) => None,
        });
        let map_len = map_size.map_or(0, |size| size.iter().product());
        // The shape of the rewritten network does not depend on the weights.
        let (deployed, _) = rewrite::for_inference(fold.graph, &Weights::zeros(fold.graph))?;
        let engine = &fold.device.engine;
        let cells = train.batch * fold.data.label_names.len();
        Ok(Self {
            training: match train.backbone_rate == 0.0 {
                true => Box::new(frozen(fold, precision, state)?),
                false => engine
                    .training(&with_maps, train.batch, precision, state)
                    .map_err(wrong)?,
            },
            inference: engine
                .inference(&deployed, train.evaluation_batch(), precision)
                .map_err(wrong)?,
            targets: vec![0.0; cells],
            logit_gradients: vec![0.0; cells],
            map_size,
            map_gradients: vec![0.0; train.batch * map_len],
            mixing: Vec::new(),
            pace: Pace::default(),
        })
    }

    /// Adds the gradients of one batch and gives its loss and the numbers of right and of known cells.
    pub fn micro_batch(
        &mut self,
        fold: &Fold<'_>,
        loader: &Loader<'_>,
        (source, images): (&dyn Source, &[u64]),
        epoch: u32,
        draw: u32,
    ) -> Result<(f64, [u64; 2]), Error> {
        let config = fold.config;
        self.pace.begin();
        let input = self.training.input_mut();
        let mut boxes = loader.fill(source, images, epoch, input, &mut self.targets)?;
        let labels = fold.data.label_names.len();
        if let Some(mix) = &config.mix {
            let draws = images.iter().map(|index| source.draws_of(*index));
            let keys: Vec<u64> = draws.collect();
            let mut batch = Batch {
                images: input,
                targets: &mut self.targets,
                shape: fold.graph.input(),
                labels,
            };
            let draws = (config.train.seed, epoch);
            let mixed = mix.apply(draws, &keys, &mut batch, &mut self.mixing);
            // Boxes say where things are in an image of its own.
            let mixed = boxes.iter_mut().zip(mixed);
            mixed
                .filter(|(_, mixed)| *mixed)
                .for_each(|(boxes, _)| *boxes = None);
        }
        self.pace.was(Part::Images);
        self.training.forward(config.train.seed, draw);
        self.pace.was(Part::Network);
        let logits = self.training.output(0);
        let mut loss =
            config
                .loss
                .evaluate(logits, &self.targets, labels, &mut self.logit_gradients);
        if !all_finite(logits) {
            // Some losses leave cells out.
            loss = f64::NAN;
        }
        let rows = images
            .iter()
            .zip(self.logit_gradients.chunks_exact_mut(labels));
        rows.filter(|(index, _)| !source.labels_teach(**index))
            .for_each(|(_, row)| row.fill(0.0));
        let known = (logits.iter().zip(&self.targets)).filter(|(_, target)| !target.is_nan());
        let cells = known.clone().count() as u64;
        let right = known
            .filter(|(logit, target)| (**logit > 0.0) == (**target > 0.5))
            .count() as u64;
        if let Some(size) = self.map_size {
            let maps = self.training.output(1);
            let gradients = &mut self.map_gradients;
            loss += config
                .boxes
                .evaluate(maps, size, &boxes, gradients, &fold.device.pool);
        }
        if config.train.accumulate > 1 {
            let share = 1.0 / config.train.accumulate as f32;
            let gradients = self
                .logit_gradients
                .iter_mut()
                .chain(&mut self.map_gradients);
            gradients.for_each(|gradient| *gradient *= share);
        }
        self.pace.was(Part::Loss);
        let gradients = [self.logit_gradients.as_slice(), &self.map_gradients];
        let outputs = 1 + usize::from(self.map_size.is_some());
        self.training.backward(&gradients[..outputs]);
        self.pace.was(Part::Network);
        Ok((loss, [right, cells]))
    }
}

/// The network with a backbone that does not learn.
fn frozen(fold: &Fold<'_>, precision: Precision, state: TrainingState) -> Result<Frozen, Error> {
    let (model, labels) = (&fold.config.model, fold.data.label_names.len());
    let wrong = |error: &dyn std::fmt::Display| Error::network(&model.name, error.to_string());
    let backbone = model
        .backbone(fold.graph.input())
        .map_err(|error| wrong(&error))?;
    let map = match backbone.node(backbone.outputs()[0]).shape {
        Shape::Map(map) => map,
        Shape::Vector(_) => return Err(wrong(&"its backbone ends in no map")),
    };
    let head = model.head_on(map, labels).map_err(|error| wrong(&error))?;
    let parts = (&backbone, &head);
    Frozen::new(
        &*fold.device.engine,
        parts,
        fold.config.train.batch,
        precision,
        state,
    )
    .map_err(|error| wrong(&error))
}
