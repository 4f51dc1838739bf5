//! Transforms of one's own, one of them random, and their place among the settings.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::{error::Error, sync::Arc};

use soup_data::transforms::{Form, Image, OwnStep, Pipeline, Step, Transform, ValueScale};
use soup_random::Stream;

#[expect(dead_code, reason = "its images are trained on, by a main of our own")]
mod toy_source;

/// As dark as a draw makes it.
struct Dim;

impl Step for Dim {
    fn apply(&self, image: &mut Image, draws: &mut Stream) {
        let share = 0.5 + 0.5 * draws.uniform();
        image.values.iter_mut().for_each(|value| *value *= share);
    }
}

/// By the image's own mean and spread, in place of `normalize`.
struct Standardize;

impl Step for Standardize {
    fn check(&self, before: Form) -> Result<Form, String> {
        let scale = ValueScale::Normalized;
        Ok(Form { scale, ..before })
    }

    fn apply(&self, image: &mut Image, _: &mut Stream) {
        let count = image.values.len() as f32;
        let mean = image.values.iter().sum::<f32>() / count;
        let squares = image.values.iter().map(|value| (value - mean).powi(2));
        let spread = (squares.sum::<f32>() / count).sqrt().max(1.0);
        let values = image.values.iter_mut();
        values.for_each(|value| *value = (*value - mean) / spread);
        image.scale = ValueScale::Normalized;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut config = toy_source::settings()?;
    config.transforms = Pipeline::new(vec![
        Transform::OwnRandom(OwnStep::new("dim", Arc::new(Dim))),
        Transform::Own(OwnStep::new("standardize", Arc::new(Standardize))),
    ]);
    let summary = toy_source::train(config)?;
    println!("accuracy {:.3}", summary.out_of_fold.accuracy);
    assert!(
        summary.out_of_fold.accuracy > 0.9,
        "lines are easy to learn"
    );
    Ok(())
}
