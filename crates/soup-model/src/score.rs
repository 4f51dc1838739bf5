//! Running a network over many images without training it.

use soup_engine::InferenceSession;

use soup_data::{Source, batches::Loader};
use soup_decide::probability_of;

use crate::Error;

/// Logits and targets of images in their order: both images x labels (targets are
/// empty where the source has no labels).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// What the network says.
    pub logits: Vec<f32>,
    /// What is true.
    pub targets: Vec<f32>,
}

impl Scores {
    /// The logits as probabilities.
    pub fn probabilities(&self) -> Vec<f32> {
        self.logits
            .iter()
            .map(|&logit| probability_of(logit))
            .collect()
    }
}

/// Runs `inference`, its weights loaded, over these images, batch by batch. `note` gets how many are done and says whether
/// to go on.
///
/// # Errors
/// What the loader says. Gives `None` where `note` said to stop.
pub fn score(
    inference: &mut dyn InferenceSession,
    loader: &Loader<'_>,
    (source, images): (&dyn Source, &[u64]),
    mut note: impl FnMut(u64) -> bool,
) -> Result<Option<Scores>, Error> {
    let batch = inference.batch();
    let mut scores = Scores::default();
    let mut done = 0;
    for part in images.chunks(batch) {
        if !note(done) {
            return Ok(None);
        }
        let start = scores.targets.len();
        scores
            .targets
            .resize(start + part.len() * loader.labels(), 0.0);
        let targets = &mut scores.targets[start..];
        loader.fill(source, part, 0, inference.input_mut(), targets)?;
        inference.run();
        let outputs = inference.output(0);
        let labels = outputs.len() / batch;
        scores
            .logits
            .extend_from_slice(&outputs[..part.len() * labels]);
        done += part.len() as u64;
    }
    Ok(note(done).then_some(scores))
}
