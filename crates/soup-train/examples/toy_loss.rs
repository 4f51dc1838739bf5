//! A loss of one's own, the Brier score: value and gradient of a batch, and its place among the settings.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::{error::Error, sync::Arc};

use soup_train::losses::{Criterion, Loss, Own};

#[expect(dead_code, reason = "its images are trained on, by a main of our own")]
mod toy_source;

/// Mean of (probability - label) squared.
struct Brier;

impl Criterion for Brier {
    fn evaluate(
        &self,
        logits: &[f32],
        targets: &[f32],
        _labels: usize,
        gradient: &mut [f32],
    ) -> f64 {
        let cells = logits.len() as f64;
        let mut sum = 0.0;
        for ((logit, target), gradient) in logits.iter().zip(targets).zip(gradient) {
            let probability = 1.0 / (1.0 + f64::from(-logit).exp());
            let miss = probability - f64::from(*target);
            sum += miss * miss;
            *gradient = (2.0 * miss * probability * (1.0 - probability) / cells) as f32;
        }
        sum / cells
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut config = toy_source::settings()?;
    config.loss = Loss::Own(Own::new("brier", Arc::new(Brier)));
    let summary = toy_source::train(config)?;
    let (loss, accuracy) = (
        summary.folds[0].last.train_loss,
        summary.out_of_fold.accuracy,
    );
    println!("Brier score {loss:.3}, accuracy {accuracy:.3}");
    assert!(
        loss < 0.1 && accuracy > 0.9,
        "it begins at 0.25, where every probability is one half"
    );
    Ok(())
}
