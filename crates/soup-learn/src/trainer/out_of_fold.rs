//! The probabilities of every picture by the fold that never saw it.

use serde::Serialize;

use super::TrainData;
use crate::{
    Error,
    metrics::{Evaluation, Table},
    npy,
    runs::{RunDirectory, files},
};

/// Names of rows and columns of `oof.npy`.
#[derive(Serialize)]
struct Names<'a> {
    ids: &'a [String],
    labels: &'a [String],
}

/// Makes `oof.npy` and `oof.ids.json` anew from what the folds have: a row a picture of the data,
/// NaN where its fold is not trained yet.
pub(super) fn assemble(run: &RunDirectory, data: &TrainData<'_>) -> Result<(), Error> {
    let _lock = run.lock()?;
    let values = collect(run, data)?;
    npy::write(&run.file("oof.npy"), &values, data.label_names.len())?;
    let path = run.file("oof.ids.json");
    let names = serde_json::to_vec(&Names {
        ids: data.ids,
        labels: data.label_names,
    })
    .map_err(|error| Error::format(&path, error.to_string()))?;
    files::write_bytes(&path, &names)
}

fn collect(run: &RunDirectory, data: &TrainData<'_>) -> Result<Vec<f32>, Error> {
    let labels = data.label_names.len();
    let mut values = vec![f32::NAN; data.ids.len() * labels];
    for (fold, rows) in data.held_out_rows.iter().enumerate() {
        let path = run.fold(fold).file("valid.npy");
        if !path.exists() {
            continue;
        }
        let (found, columns) = npy::read(&path)?;
        if columns != labels || found.len() != rows.len() * labels {
            return Err(Error::format(
                &path,
                format!(
                    "{} probabilities of {columns} labels for {} pictures of {labels} labels: it \
                     belongs to other data",
                    found.len(),
                    rows.len()
                ),
            ));
        }
        for (row, found) in rows.iter().zip(found.chunks_exact(labels)) {
            values[*row as usize * labels..][..labels].copy_from_slice(found);
        }
    }
    Ok(values)
}

/// Judges the rows that have a probability.
pub(super) fn evaluate(
    run: &RunDirectory,
    data: &TrainData<'_>,
) -> Result<(Evaluation, usize), Error> {
    let labels = data.label_names.len();
    let values = collect(run, data)?;
    let (mut probabilities, mut targets) = (Vec::new(), Vec::new());
    for (row, found) in values.chunks_exact(labels).enumerate() {
        if !found[0].is_nan() {
            probabilities.extend_from_slice(found);
            targets.extend(data.targets_of(row as u64)?);
        }
    }
    let evaluation = Table::new(&probabilities, &targets, data.label_names, &[0.5])
        .map_err(|error| Error::format(&run.file("oof.npy"), error.to_string()))?
        .evaluate();
    Ok((evaluation, probabilities.len() / labels))
}
