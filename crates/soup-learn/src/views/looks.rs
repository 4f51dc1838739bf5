//! Looking at pictures in several ways with one network.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use soup_cpu::{Inference, Pool};
use soup_data::{
    Examples, PictureShape,
    transforms::{Picture, Scratch, ValueScale, View},
};

use super::{Merge, Views};
use crate::{
    Error,
    batches::{Loader, Slot},
    model::Member,
};

/// Logits of pictures in several views.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Looks {
    /// The views.
    pub views: Vec<View>,
    /// For each view pictures x labels.
    pub logits: Vec<Vec<f32>>,
}

impl Looks {
    /// One probability a picture and label, of some of the views, by their places here.
    pub fn merged(&self, views: &[usize], merge: Merge) -> Vec<f32> {
        let cells = self.logits.first().map_or(0, Vec::len);
        (0..cells)
            .map(|cell| {
                let logits = views.iter().map(|view| self.logits[*view][cell]);
                merge.probability(logits) as f32
            })
            .collect()
    }

    /// Those of all views.
    pub fn merged_all(&self, views: &Views) -> Vec<f32> {
        let places: Vec<usize> = (0..self.views.len()).collect();
        self.merged(&places, views.merge())
    }
}

/// A network planned for pictures of one shape.
struct Planned {
    shape: PictureShape,
    inference: Inference,
}

impl Planned {
    fn new(
        member: &Member,
        shape: PictureShape,
        batch: usize,
        pool: &Arc<Pool>,
    ) -> Result<Self, Error> {
        let graph = member.graph_reading(shape)?;
        let inference = member.inference(&graph, batch, pool)?;
        Ok(Self { shape, inference })
    }
}

/// Looks at the pictures with these indices in every view, by one network. A picture is read
/// and transformed once, whatever the number of views; the network is planned once a shape.
///
/// `note` hears how many looks are done (pictures x views).
///
/// # Errors
/// As [`Predictor::predict`](crate::predictor::Predictor::predict).
pub fn look(
    member: &Member,
    views: &[View],
    (examples, indices): (&dyn Examples, &[u64]),
    (batch, pool): (usize, &Arc<Pool>),
    note: &mut dyn FnMut(u64),
    stop: &AtomicBool,
) -> Result<Looks, Error> {
    let shape = member
        .transforms
        .output_shape(examples.shape())
        .map_err(soup_data::Error::from)?;
    let (input_len, labels) = (shape.len(), examples.label_names().len());
    let loader = Loader::new(
        Some(examples),
        None,
        &member.transforms,
        0,
        input_len,
        labels,
        pool,
    );

    let mut planned: Vec<Planned> = Vec::new();
    let mut plan_of = Vec::new();
    for view in views {
        let seen = view.output_shape(shape);
        let known = planned.iter().position(|plan| plan.shape == seen);
        plan_of.push(known.unwrap_or(planned.len()));
        if known.is_none() {
            planned.push(Planned::new(member, seen, batch, pool)?);
        }
    }

    let mut looks = Looks {
        views: views.to_vec(),
        logits: vec![Vec::new(); views.len()],
    };
    let mut pictures = vec![0.0; batch * input_len];
    let mut targets = vec![0.0; batch * labels];
    let (mut scratch, mut done) = (Scratch::new(), 0);
    let mut seen = Picture {
        height: 0,
        width: 0,
        channels: 0,
        scale: ValueScale::Normalized,
        values: Vec::new(),
    };
    for part in indices.chunks(batch) {
        let slots: Vec<Slot> = part.iter().copied().map(Slot::Packed).collect();
        loader.fill(
            &slots,
            0,
            &mut pictures,
            &mut targets[..part.len() * labels],
        )?;
        for ((view, plan), logits) in views.iter().zip(&plan_of).zip(&mut looks.logits) {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            let plan = &mut planned[*plan];
            let input = plan.inference.input_mut();
            if view.is_plain() {
                input[..pictures.len()].copy_from_slice(&pictures);
            } else {
                let places = input.chunks_exact_mut(plan.shape.len());
                for (place, picture) in places.zip(pictures.chunks_exact(input_len)) {
                    (seen.height, seen.width, seen.channels) =
                        (shape.height, shape.width, shape.channels);
                    seen.values.clear();
                    seen.values.extend_from_slice(picture);
                    view.apply(&mut seen, &mut scratch);
                    place.copy_from_slice(&seen.values);
                }
            }
            plan.inference.run();
            let outputs = plan.inference.output(0);
            let columns = outputs.len() / batch;
            let cells = outputs[..part.len() * columns].iter().enumerate();
            logits.extend(cells.map(|(cell, &logit)| member.calibrated(cell % columns, logit)));
            done += part.len() as u64;
            note(done);
        }
    }
    Ok(looks)
}
