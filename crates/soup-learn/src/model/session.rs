//! A model made ready to answer one picture after the other.

use std::sync::Arc;

use soup_cpu::{Inference, Options, Pool};
use soup_data::{PictureShape, transforms::Scratch};
use soup_random::{Purpose, Stream};

use super::Model;
use crate::Error;

/// Plans and memory for pictures of one shape. Everything is allocated once.
#[derive(Debug)]
pub struct Session {
    picture: PictureShape,
    members: Vec<Inference>,
    scratch: Scratch,
}

impl Session {
    /// Plans a model's networks for pictures of this shape, on the threads of `pool`.
    ///
    /// # Errors
    /// [`Error::Data`] where a transform cannot take such pictures, [`Error::Model`] where a network
    /// cannot.
    pub fn new(model: &Model, picture: PictureShape, pool: &Arc<Pool>) -> Result<Self, Error> {
        let members = model.members.iter().map(|member| {
            let graph = member.graph_for(picture)?;
            let options = Options {
                pool: Some(Arc::clone(pool)),
                precision: member.precision.into(),
                ..Options::default()
            };
            let mut inference =
                Inference::new(&graph, 1, &options).map_err(|error| Error::Model {
                    model: member.origin.network.clone(),
                    problem: error.to_string(),
                })?;
            inference.load(member.weights.clone());
            Ok::<_, Error>(inference)
        });
        Ok(Self {
            picture,
            members: members.collect::<Result<_, _>>()?,
            scratch: Scratch::new(),
        })
    }

    /// The shape of the pictures that it answers.
    pub fn picture(&self) -> PictureShape {
        self.picture
    }

    /// The probability of every label, of the model that the session was made for, in a picture:
    /// rows x columns x channels bytes.
    ///
    /// # Errors
    /// [`Error::Data`] where `pixels` has another length than the pictures.
    pub fn run(&mut self, model: &Model, pixels: &[u8]) -> Result<Vec<f32>, Error> {
        let mut sums = vec![0.0f64; model.label_names.len()];
        // What is exported draws nothing; the transforms want a stream all the same.
        let mut draws = Stream::new(0, Purpose::Augment, 0, 0);
        for (member, inference) in model.members.iter().zip(&mut self.members) {
            member
                .transforms
                .apply(
                    pixels,
                    self.picture,
                    &mut draws,
                    &mut self.scratch,
                    inference.input_mut(),
                )
                .map_err(soup_data::Error::from)?;
            inference.run();
            for (label, (sum, &logit)) in sums.iter_mut().zip(inference.output(0)).enumerate() {
                *sum += f64::from(member.probability(label, logit));
            }
        }
        let count = self.members.len() as f64;
        Ok(sums.iter().map(|sum| (sum / count) as f32).collect())
    }
}
