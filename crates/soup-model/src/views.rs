//! Test-time augmentation: several views of images through one network.

use std::sync::atomic::{AtomicBool, Ordering};

use soup_data::{
    ImageShape, Source,
    batches::Loader,
    transforms::{Image, Scratch, ValueScale, View},
};
use soup_engine::{Device, InferenceSession};
use soup_graph::NodeId;

use soup_decide::views::ViewLogits;

use crate::{Error, Member};

/// A network planned for every shape that images have in some views.
#[derive(Debug)]
pub(crate) struct MemberPlan {
    /// Shape of an image as the transforms give it.
    shape: ImageShape,
    views: Vec<View>,
    plans: Vec<(ImageShape, Box<dyn InferenceSession>)>,
    /// The plan of each view.
    plan_of: Vec<usize>,
}

impl MemberPlan {
    /// Plans `member` for batches of images that its transforms give in this shape; `outputs` beside the logits are
    /// wanted of every plan.
    pub fn new(
        member: &Member,
        views: &[View],
        shape: ImageShape,
        outputs: &[NodeId],
        (batch, device): (usize, &Device),
    ) -> Result<Self, Error> {
        let mut plans: Vec<(ImageShape, Box<dyn InferenceSession>)> = Vec::new();
        let mut plan_of = Vec::new();
        for view in views {
            let seen = view.output_shape(shape);
            let known = plans.iter().position(|plan| plan.0 == seen);
            plan_of.push(known.unwrap_or(plans.len()));
            if known.is_none() {
                let graph = member.graph_reading(seen)?;
                let graph = graph.with_outputs(outputs.iter().copied())?;
                plans.push((seen, member.inference(&graph, batch, &*device.engine)?));
            }
        }
        Ok(Self {
            shape,
            views: views.to_vec(),
            plans,
            plan_of,
        })
    }

    /// The network for plain images, where that is the only view.
    pub fn plain(&mut self) -> Option<&mut dyn InferenceSession> {
        match (&self.views[..], &mut self.plans[..]) {
            ([view], [(_, inference)]) if view.is_plain() => Some(&mut **inference),
            _ => None,
        }
    }

    /// Values of an image.
    pub fn image_len(&self) -> usize {
        self.shape.len()
    }

    /// Runs the network on a batch of transformed images in one of the views, by its place.
    pub fn run_view(
        &mut self,
        view: usize,
        images: &[f32],
        scratch: &mut Scratch,
    ) -> &dyn InferenceSession {
        let (shape, plan) = (self.shape, self.plan_of[view]);
        let view = &self.views[view];
        let (seen_shape, inference) = &mut self.plans[plan];
        let input = inference.input_mut();
        if view.is_plain() {
            input[..images.len()].copy_from_slice(images);
        } else {
            let places = input.chunks_exact_mut(seen_shape.len());
            for (place, image) in places.zip(images.chunks_exact(shape.len())) {
                let mut seen = Image {
                    height: shape.height,
                    width: shape.width,
                    channels: shape.channels,
                    scale: ValueScale::Normalized,
                    values: image.to_vec(),
                };
                view.apply(&mut seen, scratch);
                place.copy_from_slice(&seen.values);
            }
        }
        inference.run();
        &**inference
    }
}

/// The logits of the images with these indices in every view, by one network. An image is read and
/// transformed once, whatever the number of views; the network is planned once a shape.
///
/// `note` gets how many views are done (images x views).
///
/// # Errors
/// As [`Predictor::predict`](crate::Predictor::predict).
pub(crate) fn view_logits(
    member: &Member,
    views: &[View],
    (examples, indices): (&dyn Source, &[u64]),
    (batch, device): (usize, &Device),
    note: &mut dyn FnMut(u64),
    stop: &AtomicBool,
) -> Result<ViewLogits, Error> {
    let shape = member
        .transforms
        .output_shape(examples.shape())
        .map_err(soup_data::Error::from)?;
    let (input_len, labels) = (shape.len(), examples.label_names().len());
    let loader = Loader::new(&member.transforms, 0, input_len, labels, &device.pool);

    let mut planned = MemberPlan::new(member, views, shape, &[], (batch, device))?;
    let mut all = ViewLogits {
        views: views.to_vec(),
        logits: vec![Vec::new(); views.len()],
    };
    let mut images = vec![0.0; batch * input_len];
    let mut targets = vec![0.0; batch * labels];
    let (mut scratch, mut done) = (Scratch::new(), 0);
    for (number, part) in indices.chunks(batch).enumerate() {
        loader.fill(
            examples,
            part,
            0,
            &mut images,
            &mut targets[..part.len() * labels],
        )?;
        for (view, logits) in all.logits.iter_mut().enumerate() {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            let outputs = planned.run_view(view, &images, &mut scratch).output(0);
            let columns = outputs.len() / batch;
            let outputs = &outputs[..part.len() * columns];
            member.check_logits(outputs, columns, (number * batch) as u64)?;
            logits.extend(outputs);
            done += part.len() as u64;
            note(done);
        }
    }
    Ok(all)
}
