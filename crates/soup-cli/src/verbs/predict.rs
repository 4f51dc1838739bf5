//! Predicting under a bar.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use soup_decide::Predictions;
use soup_learn::predictor::{PredictOptions, Predictor};

use crate::console::Console;
use crate::pictures::Pictures;
use crate::progress::Bar;

/// Predicts all pictures and writes the table.
pub fn predict(
    predictor: &Predictor,
    pictures: &Pictures,
    options: PredictOptions,
    out: &Path,
    console: Console,
    stop: &AtomicBool,
) -> Result<Predictions> {
    let indices: Vec<u64> = (0..pictures.ids().len() as u64).collect();
    let total = indices.len() as u64 * predictor.files().count() as u64;
    let bar = Bar::new(console, "predicting", total, "pictures");
    let mut note = |done, _| bar.set(done);
    let values = predictor.predict(pictures.examples(), &indices, options, &mut note, stop);
    bar.finish();
    let labels = predictor.label_names().to_vec();
    let predictions = Predictions::new(out, pictures.ids().to_vec(), labels, values?)?;
    predictions.write(out)?;
    Ok(predictions)
}
