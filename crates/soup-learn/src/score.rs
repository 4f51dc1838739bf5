//! Running a network over many pictures without training it.

use soup_cpu::Inference;

use crate::{
    Error,
    batches::{Loader, Slot},
};

/// Logits and targets of pictures in the order of their slots: both slots x labels (targets are
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
        self.logits.iter().map(|&logit| sigmoid(logit)).collect()
    }
}

/// `1 / (1 + e^-x)` for any `x`.
pub fn sigmoid(logit: f32) -> f32 {
    let positive = 1.0 / (1.0 + (-f64::from(logit).abs()).exp());
    if logit >= 0.0 {
        positive as f32
    } else {
        (1.0 - positive) as f32
    }
}

/// Runs `inference`, its weights loaded, over `slots`, batch by batch. `note` hears how many are done and says whether
/// to go on.
///
/// # Errors
/// What the loader says. Gives `None` where `note` said to stop.
pub fn score(
    inference: &mut Inference,
    loader: &Loader<'_>,
    slots: &[Slot],
    mut note: impl FnMut(u64) -> bool,
) -> Result<Option<Scores>, Error> {
    let batch = inference.batch();
    let mut scores = Scores::default();
    let mut done = 0;
    for part in slots.chunks(batch) {
        if !note(done) {
            return Ok(None);
        }
        let start = scores.targets.len();
        scores
            .targets
            .resize(start + part.len() * loader.labels(), 0.0);
        loader.fill(part, 0, inference.input_mut(), &mut scores.targets[start..])?;
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

#[cfg(test)]
mod tests {
    #[test]
    fn sigmoid_is_accurate_and_never_leaves_its_range() {
        for (logit, value) in [
            (0.0, 0.5),
            (2.0, 0.880_797_1),
            (-2.0, 0.119_202_92),
            (500.0, 1.0),
            (-500.0, 0.0),
            (f32::INFINITY, 1.0),
        ] {
            assert!((super::sigmoid(logit) - value).abs() < 1e-7, "{logit}");
        }
    }
}
