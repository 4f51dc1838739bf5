//! Reading.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use ::safetensors::SafeTensors;

use crate::pretrained::{Tensors, WeightsError, read};
use crate::{Graph, Weights};

/// The weights of a graph from a file that holds exactly its parameters.
///
/// # Errors
/// [`WeightsError`] where the file cannot be read, is damaged or belongs to another network.
pub fn load(path: &Path, graph: &Graph) -> Result<Weights, WeightsError> {
    from_bytes(&path.display().to_string(), &read(path)?, graph)
}

/// [`load`] from memory; `file` is what errors call it.
///
/// # Errors
/// As [`load`].
pub fn from_bytes(file: &str, bytes: &[u8], graph: &Graph) -> Result<Weights, WeightsError> {
    let source = Tensors::safetensors(file, bytes)?;
    source.refuse_others(&[(String::new(), graph)])?;
    source.weights("", graph)
}

/// A file with the weights of several networks, each one's tensors under a prefix of its own; see
/// [`super::to_bytes`].
#[derive(Debug)]
pub struct Archive {
    file: String,
    bytes: Cow<'static, [u8]>,
}

impl Archive {
    /// A file that the program carries; `file` is what errors call it.
    pub fn carried(file: &str, bytes: &'static [u8]) -> Self {
        Self {
            file: file.to_owned(),
            bytes: Cow::Borrowed(bytes),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`WeightsError::Io`].
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let file = path.display().to_string();
        let bytes = Cow::Owned(read(path)?);
        Ok(Self { file, bytes })
    }

    /// The notes that the file carries besides its tensors.
    ///
    /// # Errors
    /// [`WeightsError::Format`] where the file is damaged.
    pub fn metadata(&self) -> Result<BTreeMap<String, String>, WeightsError> {
        notes(&self.file, &self.bytes)
    }

    /// The weights of networks, each with its prefix, that together are all that the file holds.
    ///
    /// # Errors
    /// [`WeightsError`] where the file is damaged or holds other tensors than these networks
    /// have.
    pub fn weights(&self, parts: &[(String, &Graph)]) -> Result<Vec<Weights>, WeightsError> {
        let source = Tensors::safetensors(&self.file, &self.bytes)?;
        source.refuse_others(parts)?;
        let weights = parts
            .iter()
            .map(|(prefix, graph)| source.weights(prefix, graph));
        weights.collect()
    }
}

/// The notes that a file carries besides its tensors; see [`super::save`].
///
/// # Errors
/// [`WeightsError`] where the file cannot be read or is damaged.
pub fn read_metadata(path: &Path) -> Result<BTreeMap<String, String>, WeightsError> {
    notes(&path.display().to_string(), &read(path)?)
}

fn notes(file: &str, bytes: &[u8]) -> Result<BTreeMap<String, String>, WeightsError> {
    match SafeTensors::read_metadata(bytes) {
        Ok((_, metadata)) => Ok(metadata.metadata().clone().into_iter().flatten().collect()),
        Err(source) => Err(WeightsError::Format {
            file: file.to_owned(),
            source,
        }),
    }
}
