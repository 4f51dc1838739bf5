//! A model made ready to answer images of one shape, one by one or in batches.

use std::sync::{Mutex, MutexGuard, PoisonError};

use soup_data::{
    ImageShape,
    transforms::{Pipeline, Scratch, View},
};
use soup_engine::{Device, InferenceSession, Pool};
use soup_graph::{NodeId, Shape};
use soup_random::{Purpose, Stream};

use soup_decide::probability_of;

use crate::{Error, Member, Model, views};

/// Plans and memory for images of one shape. Everything is allocated once.
///
/// What it says of an image does not depend on the images beside it.
#[derive(Debug)]
pub struct Session {
    image: ImageShape,
    /// The largest batch first; the last is of one image.
    plans: Vec<BatchPlan>,
    /// Shape of the label maps, where every network has the same.
    maps: Option<ImageShape>,
    /// Memory of each thread.
    scratch: Vec<Mutex<Scratch>>,
    device: Device,
}

/// All networks for batches of one size.
#[derive(Debug)]
struct BatchPlan {
    batch: usize,
    members: Vec<views::MemberPlan>,
}

/// One image to be answered.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Rows x columns x channels bytes.
    pub pixels: &'a [u8],
    /// Whether the label maps are wanted, where the model has them.
    pub maps: bool,
}

/// What a model predicts of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// One probability a label.
    pub probabilities: Vec<f32>,
    /// Where the labels are, if that was asked and the model knows.
    pub maps: Option<LabelMaps>,
}

/// How much every label is in every cell of a grid over the network's input: the sigmoid of the
/// label maps, the mean over the networks. Calibration does not reach them.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelMaps {
    /// Cells from top to bottom.
    pub rows: usize,
    /// Cells from left to right.
    pub columns: usize,
    /// Labels x rows x columns, each in 0 to 1.
    pub values: Vec<f32>,
}

impl Session {
    /// Plans a model's networks for images of this shape, one at a time, on this device.
    ///
    /// # Errors
    /// [`Error::Data`] where a transform cannot take such images, [`Error::Model`] where a network
    /// cannot.
    pub fn new(model: &Model, image: ImageShape, device: &Device) -> Result<Self, Error> {
        Self::with_batch(model, image, 1, device)
    }

    /// As [`new`](Self::new), for single images and for batches of `batch`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_batch(
        model: &Model,
        image: ImageShape,
        batch: usize,
        device: &Device,
    ) -> Result<Self, Error> {
        let mut sizes = vec![batch.max(1), 1];
        sizes.dedup();
        let plans = sizes
            .into_iter()
            .map(|batch| BatchPlan::new(model, image, batch, device));
        Ok(Self {
            image,
            plans: plans.collect::<Result<_, _>>()?,
            maps: maps_for(model, image)?,
            scratch: (0..device.pool.threads())
                .map(|_| Mutex::default())
                .collect(),
            device: device.clone(),
        })
    }

    /// Rows and columns of the label maps, where the model has them.
    pub fn map_size(&self) -> Option<(usize, usize)> {
        self.maps.map(|maps| (maps.height, maps.width))
    }

    /// The shape of the images that it answers.
    pub fn image(&self) -> ImageShape {
        self.image
    }

    /// The probability of every label, of the model that the session was made for, in an image:
    /// rows x columns x channels bytes.
    ///
    /// # Errors
    /// [`Error::Data`] where `pixels` has another length than the images, [`Error::NoAnswer`] where what a network says
    /// is no number.
    pub fn run(&mut self, model: &Model, pixels: &[u8]) -> Result<Vec<f32>, Error> {
        let maps = false;
        let mut probabilities = Vec::new();
        self.run_all(model, &[Question { pixels, maps }], &mut |_, prediction| {
            probabilities = prediction.probabilities;
        })?;
        Ok(probabilities)
    }

    /// What the model says of each of these images. As many as fill a batch are run together, the
    /// rest one by one; `each` gets the place of an image and its prediction as soon as there is one.
    ///
    /// # Errors
    /// As [`run`](Self::run). After [`Error::NoAnswer`] `each` got all images of which there is an answer.
    pub fn run_all(
        &mut self,
        model: &Model,
        questions: &[Question<'_>],
        each: &mut dyn FnMut(usize, Prediction),
    ) -> Result<(), Error> {
        let mut done = 0;
        let mut unanswered = Ok(());
        for plan in 0..self.plans.len() {
            let batch = self.plans[plan].batch;
            while questions.len() - done >= batch {
                let together = &questions[done..done + batch];
                let predictions = match self.run_batch(plan, model, together) {
                    Ok(predictions) => predictions,
                    // An image without an answer does not take its neighbours with it: they are asked one by one.
                    Err(Error::NoAnswer { .. }) if batch > 1 => break,
                    Err(Error::NoAnswer { model, .. }) => {
                        let image = done as u64 + 1;
                        unanswered = unanswered.and(Err(Error::NoAnswer { model, image }));
                        done += 1;
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                for (place, prediction) in (done..).zip(predictions) {
                    each(place, prediction);
                }
                done += batch;
            }
        }
        unanswered
    }

    fn run_batch(
        &mut self,
        plan: usize,
        model: &Model,
        questions: &[Question<'_>],
    ) -> Result<Vec<Prediction>, Error> {
        let labels = model.label_names.len();
        let cells = self.maps.map_or(0, |maps| maps.height * maps.width);
        let mut sums = vec![vec![0.0f64; labels]; questions.len()];
        let wanted = |question: &Question| question.maps && cells > 0;
        let mut map_sums: Vec<Vec<f64>> = questions
            .iter()
            .map(|question| vec![0.0; if wanted(question) { labels * cells } else { 0 }])
            .collect();
        let BatchPlan { members, .. } = &mut self.plans[plan];
        let views = model.views.views().len();
        for (member, planned) in model.members.iter().zip(members) {
            let preprocessing = Preprocessing {
                transforms: &member.transforms,
                shape: self.image,
                pool: &self.device.pool,
                scratch: &self.scratch,
            };
            // One vector of logits a view, images x labels.
            let mut seen: Vec<Vec<f32>> = Vec::with_capacity(views);
            let logits = questions.len() * labels;
            let mut take = |inference: &dyn InferenceSession, is_plain: bool| {
                seen.push(inference.output(0).to_vec());
                for (number, map_sums) in map_sums.iter_mut().enumerate() {
                    if map_sums.is_empty() || !is_plain {
                        continue;
                    }
                    // The engine gives images x cells x labels.
                    let maps = &inference.output(1)[number * cells * labels..];
                    for (cell, logits) in maps.chunks_exact(labels).take(cells).enumerate() {
                        for (label, &logit) in logits.iter().enumerate() {
                            map_sums[label * cells + cell] += f64::from(probability_of(logit));
                        }
                    }
                }
            };
            if let Some(inference) = planned.plain() {
                preprocessing.transform(questions, inference.input_mut())?;
                inference.run();
                take(inference, true);
            } else {
                let mut images = vec![0.0; questions.len() * planned.image_len()];
                preprocessing.transform(questions, &mut images)?;
                for (place, view) in model.views.views().iter().enumerate() {
                    let scratch = &mut held(&self.scratch[0]);
                    take(planned.run_view(place, &images, scratch), view.is_plain());
                }
            }
            for seen in &seen {
                member.check_logits(&seen[..logits], labels, 0)?;
            }
            for (number, sums) in sums.iter_mut().enumerate() {
                for (label, sum) in sums.iter_mut().enumerate() {
                    let cell = number * labels + label;
                    let logits = seen.iter().map(|logits| logits[cell]);
                    *sum += model.views.merge().probability(logits);
                }
            }
        }
        let count = model.members.len() as f64;
        let mean = |sums: Vec<f64>| sums.iter().map(|sum| (sum / count) as f32).collect();
        let predictions = sums.into_iter().zip(map_sums).map(|(sums, map_sums)| {
            let maps = self.maps.filter(|_| !map_sums.is_empty());
            Prediction {
                probabilities: mean(sums),
                maps: maps.map(|shape| LabelMaps {
                    rows: shape.height,
                    columns: shape.width,
                    values: mean(map_sums),
                }),
            }
        });
        Ok(predictions.collect())
    }
}

impl BatchPlan {
    fn new(model: &Model, image: ImageShape, batch: usize, device: &Device) -> Result<Self, Error> {
        let has_maps = maps_for(model, image)?.is_some();
        let members = model.members.iter().map(|member| {
            let shape = member
                .transforms
                .output_shape(image)
                .map_err(soup_data::Error::from)?;
            let maps: Vec<NodeId> = member.maps.filter(|_| has_maps).into_iter().collect();
            views::MemberPlan::new(member, model.views.views(), shape, &maps, (batch, device))
        });
        Ok(Self {
            batch,
            members: members.collect::<Result<_, _>>()?,
        })
    }
}

/// The shape that the label maps of all networks have for images of this shape, if it is one.
fn maps_for(model: &Model, image: ImageShape) -> Result<Option<ImageShape>, Error> {
    // Maps are those of the image as it is.
    if !model.views.views().iter().any(View::is_plain) {
        return Ok(None);
    }
    let shape = |member: &Member| {
        let graph = member.graph_for(image)?;
        Ok::<_, Error>(member.maps.and_then(|maps| match graph.node(maps).shape {
            Shape::Map(shape) => Some(shape),
            Shape::Vector(_) => None,
        }))
    };
    let mut shapes = Vec::new();
    for member in &model.members {
        shapes.push(shape(member)?);
    }
    shapes.dedup();
    Ok(match shapes[..] {
        [shape] => shape,
        _ => None,
    })
}

/// From the bytes of images to the input of a batch.
struct Preprocessing<'a> {
    transforms: &'a Pipeline,
    shape: ImageShape,
    pool: &'a Pool,
    scratch: &'a [Mutex<Scratch>],
}

/// One image, its place in the batch, and how it went.
type Task<'a> = Mutex<(&'a [u8], &'a mut [f32], Result<(), Error>)>;

impl Preprocessing<'_> {
    fn transform(&self, questions: &[Question<'_>], input: &mut [f32]) -> Result<(), Error> {
        let places = input.chunks_exact_mut(input.len() / questions.len().max(1));
        let tasks: Vec<Task<'_>> = questions
            .iter()
            .zip(places)
            .map(|(question, place)| Mutex::new((question.pixels, place, Ok(()))))
            .collect();
        self.pool.run_with_worker(tasks.len(), &|index, thread| {
            let (pixels, place, outcome) = &mut *held(&tasks[index]);
            let scratch = &mut held(&self.scratch[thread]);
            // What is exported draws nothing; the transforms want a stream all the same.
            let mut draws = Stream::new(0, Purpose::Augment, 0, 0);
            *outcome = self
                .transforms
                .apply(pixels, self.shape, &mut draws, scratch, place)
                .map_err(|error| soup_data::Error::from(error).into());
        });
        tasks.into_iter().try_for_each(|task| {
            let (_, _, outcome) = task.into_inner().unwrap_or_else(PoisonError::into_inner);
            outcome
        })
    }
}

/// What a lock holds; what a panic left there is overwritten by the next image.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
