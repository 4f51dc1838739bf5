//! The tensors of a file, whatever its format.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ::safetensors::{Dtype, SafeTensors};
use half::{bf16, f16};

use super::file::Format;
use super::{COUNTER, WeightsError, length, onnx, torch};
use crate::{Graph, Weights};

/// What a tensor holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    F64,
    F32,
    F16,
    Bf16,
    /// No floats that could be weights.
    Other(Cow<'static, str>),
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::Other(name) => name,
        })
    }
}

/// A tensor, its values end to end and little-endian.
#[derive(Clone, Debug)]
pub(crate) struct Tensor<'a> {
    pub shape: Vec<usize>,
    pub kind: Kind,
    pub bytes: Cow<'a, [u8]>,
}

impl Tensor<'_> {
    /// The values, where they are floats.
    fn floats(&self) -> Option<Vec<f32>> {
        let bytes = &self.bytes;
        Some(match self.kind {
            Kind::F32 => each(bytes, f32::from_le_bytes),
            Kind::F64 => each(bytes, |bytes| f64::from_le_bytes(bytes) as f32),
            Kind::F16 => each(bytes, |bytes| f16::from_le_bytes(bytes).to_f32()),
            Kind::Bf16 => each(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32()),
            Kind::Other(_) => return None,
        })
    }
}

fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let (values, _) = bytes.as_chunks::<N>();
    values.iter().map(|bytes| value(*bytes)).collect()
}

/// Named tensors in the order of their file.
#[derive(Debug)]
pub(crate) struct Tensors<'a> {
    file: &'a str,
    list: Vec<(String, Tensor<'a>)>,
    /// Where each name stands in the list.
    places: BTreeMap<String, usize>,
    /// Names of what stands among the tensors and is none.
    others: Vec<String>,
    /// What was taken off before.
    pub notes: Vec<String>,
    /// Counters of batches, which are left out.
    pub counters: usize,
    /// Whether their order is that in which a network was written down.
    pub ordered: bool,
}

impl<'a> Tensors<'a> {
    /// Reads a file of any format.
    pub(crate) fn new(file: &'a str, bytes: &'a [u8]) -> Result<Self, WeightsError> {
        match Format::of(bytes) {
            Format::Safetensors => Self::safetensors(file, bytes),
            Format::TorchZip => torch::zipped(file, bytes),
            Format::TorchPickles => torch::pickled(file, bytes),
            Format::Onnx => Ok(Self::of(file, onnx::initialisers(file, bytes)?)),
        }
    }

    /// Reads a safetensors file.
    pub(crate) fn safetensors(file: &'a str, bytes: &'a [u8]) -> Result<Self, WeightsError> {
        let tensors = SafeTensors::deserialize(bytes);
        let tensors = tensors.map_err(|source| WeightsError::Format {
            file: file.to_owned(),
            source,
        })?;
        let tensors = tensors.tensors().into_iter().map(|(name, view)| {
            let kind = match view.dtype() {
                Dtype::F32 => Kind::F32,
                Dtype::F64 => Kind::F64,
                Dtype::F16 => Kind::F16,
                Dtype::BF16 => Kind::Bf16,
                other => Kind::Other(other.to_string().into()),
            };
            let tensor = Tensor {
                shape: view.shape().to_vec(),
                kind,
                bytes: Cow::Borrowed(view.data()),
            };
            (name, tensor)
        });
        Ok(Self::of(file, tensors.collect()))
    }

    /// These tensors. Of two with one name the later one counts, as in a dictionary.
    pub(super) fn of(file: &'a str, tensors: Vec<(String, Tensor<'a>)>) -> Self {
        let mut all = Self {
            file,
            list: Vec::with_capacity(tensors.len()),
            places: BTreeMap::new(),
            others: Vec::new(),
            notes: Vec::new(),
            counters: 0,
            ordered: false,
        };
        for (name, tensor) in tensors {
            if name.ends_with(COUNTER) {
                all.counters += 1;
            } else if let Some(&place) = all.places.get(&name) {
                all.list[place].1 = tensor;
            } else {
                all.places.insert(name.clone(), all.list.len());
                all.list.push((name, tensor));
            }
        }
        all
    }

    /// The same in an order that means something, with what stood among them and what was taken off.
    pub(super) fn ordered(self, others: Vec<String>, notes: Vec<String>) -> Self {
        Self {
            others,
            notes,
            ordered: true,
            ..self
        }
    }

    /// What errors call the file.
    pub(super) fn file(&self) -> &str {
        self.file
    }

    /// Names and shapes in order.
    pub(super) fn list(&self) -> impl ExactSizeIterator<Item = (&str, &[usize])> {
        let tensors = self.list.iter();
        tensors.map(|(name, tensor)| (name.as_str(), tensor.shape.as_slice()))
    }

    /// Gives the first tensors other names, each its own.
    pub(super) fn rename(&mut self, names: impl IntoIterator<Item = String>) {
        for ((old, _), new) in self.list.iter_mut().zip(names) {
            *old = new;
        }
        let names = self.list.iter().enumerate();
        self.places = names
            .map(|(place, (name, _))| (name.clone(), place))
            .collect();
    }

    fn get(&self, name: &str) -> Option<&Tensor<'a>> {
        self.places.get(name).map(|&place| &self.list[place].1)
    }

    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.get(name).map(|tensor| tensor.shape.as_slice())
    }

    /// Names that only the graphs have and names that only the file has, both sorted.
    pub(crate) fn differences(&self, parts: &[(String, &Graph)]) -> (Vec<String>, Vec<String>) {
        let names = parts.iter().flat_map(|(prefix, graph)| {
            let parameters = graph.parameters().iter();
            parameters.map(move |p| format!("{prefix}{}", p.name()))
        });
        let needed: BTreeSet<String> = names.collect();
        let unexpected = self.places.keys().chain(&self.others);
        let unexpected: BTreeSet<&String> = unexpected.filter(|n| !needed.contains(*n)).collect();
        let unexpected = unexpected.into_iter().cloned().collect();
        let missing = needed.iter().filter(|n| !self.places.contains_key(*n));
        let missing = missing.cloned();
        (missing.collect(), unexpected)
    }

    /// Refuses a file that holds other tensors than the graphs have.
    pub(crate) fn refuse_others(&self, parts: &[(String, &Graph)]) -> Result<(), WeightsError> {
        let (missing, unexpected) = self.differences(parts);
        match missing.is_empty() && unexpected.is_empty() {
            true => Ok(()),
            false => Err(self.names(missing, unexpected)),
        }
    }

    /// The weights of a graph whose tensors carry a prefix. No more is allocated than the file
    /// holds.
    pub(crate) fn weights(&self, prefix: &str, graph: &Graph) -> Result<Weights, WeightsError> {
        let (mut trainable, mut buffers) = (Vec::new(), Vec::new());
        for parameter in graph.parameters() {
            let name = format!("{prefix}{}", parameter.name());
            let values = self.values(&name, parameter.shape())?;
            // Parameters stand end to end in the graph's order.
            match parameter.role().is_trainable() {
                true => trainable.extend(values),
                false => buffers.extend(values),
            }
        }
        Weights::new(graph, trainable, buffers).map_err(|error| length(self.file, &error))
    }

    pub(crate) fn names(&self, missing: Vec<String>, unexpected: Vec<String>) -> WeightsError {
        WeightsError::Names {
            file: self.file.to_owned(),
            missing,
            unexpected,
            ordered: self.ordered,
        }
    }

    /// The values that the file holds under a name, in the shape that is needed.
    pub(crate) fn values(&self, name: &str, needed: &[usize]) -> Result<Vec<f32>, WeightsError> {
        let Some(tensor) = self.get(name) else {
            return Err(self.names(vec![name.to_owned()], Vec::new()));
        };
        if tensor.shape != needed {
            return Err(WeightsError::Shape {
                file: self.file.to_owned(),
                name: name.to_owned(),
                expected: needed.to_vec(),
                got: tensor.shape.clone(),
            });
        }
        let values = tensor.floats().ok_or_else(|| WeightsError::Kind {
            file: self.file.to_owned(),
            name: name.to_owned(),
            kind: tensor.kind.to_string(),
        })?;
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(values),
            Some(index) => Err(WeightsError::NotFinite {
                file: self.file.to_owned(),
                name: name.to_owned(),
                value: values[index],
                index,
            }),
        }
    }
}
