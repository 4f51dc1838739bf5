//! PyTorch files: a pickle of dictionaries whose tensors point into storages beside it.

mod pickle;
mod pickles;
mod state_dict;
mod storage;
mod value;
mod zip;

pub(super) use pickles::read as pickled;
pub(super) use zip::read as zipped;

use super::{Tensors, WeightsError};
use pickle::Pickle;
use storage::Storages;

fn wrong(file: &str, problem: impl Into<String>) -> WeightsError {
    WeightsError::Torch {
        file: file.to_owned(),
        problem: problem.into(),
    }
}

/// The tensors of the dictionary that a pickle holds.
fn tensors<'a>(
    file: &'a str,
    pickle: &Pickle<'a>,
    storages: &Storages<'a>,
) -> Result<Tensors<'a>, WeightsError> {
    let found = state_dict::find(pickle).map_err(|problem| wrong(file, problem))?;
    let mut tensors = Vec::with_capacity(found.tensors.len());
    for (name, view) in found.tensors {
        let tensor = storages.tensor(view);
        let tensor = tensor.map_err(|problem| wrong(file, format!("'{name}' {problem}")))?;
        tensors.push((name, tensor));
    }
    Ok(Tensors::of(file, tensors).ordered(found.others, found.notes))
}

#[cfg(test)]
mod tests;
