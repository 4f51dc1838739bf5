//! Reading.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ::safetensors::tensor::TensorView;
use ::safetensors::{Dtype, SafeTensors};
use half::{bf16, f16};

use super::{COUNTER, SafetensorsError};
use crate::{Graph, NodeId, Op, Parameter, ParameterId, Weights, rewrite};

/// Weights that were made to fit, and what it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The weights.
    pub weights: Weights,
    /// Filters adapted to the graph's input channels, in the graph's order.
    pub adapted: Vec<String>,
    /// Parameters of the last layers that kept their initial values, in the graph's order.
    pub kept_initial: Vec<String>,
    /// Tensors of the file that were not used, sorted.
    pub unused: Vec<String>,
}

/// The weights of a graph from a file that holds exactly its parameters.
///
/// # Errors
/// [`SafetensorsError`] where the file cannot be read, is damaged or belongs to another network.
pub fn load(path: &Path, graph: &Graph) -> Result<Weights, SafetensorsError> {
    from_bytes(&path.display().to_string(), &read(path)?, graph)
}

/// [`load`] from memory; `file` is what errors call it.
///
/// # Errors
/// As [`load`].
pub fn from_bytes(file: &str, bytes: &[u8], graph: &Graph) -> Result<Weights, SafetensorsError> {
    let source = Source::new(file, bytes)?;
    let (missing, unexpected) = source.differences(graph);
    if !missing.is_empty() || !unexpected.is_empty() {
        return Err(source.names(missing, unexpected));
    }
    let mut weights = Weights::zeros(graph);
    for parameter in &graph.parameters {
        let values = source.values(parameter)?;
        weights.of_mut(parameter).copy_from_slice(&values);
    }
    Ok(weights)
}

/// The weights of a graph from a file of the same backbone, by timm's rules: filters that read the
/// picture are adapted to the graph's channels, a last layer whose shape differs or that the file
/// does not have keeps its values in `initial`, and tensors of the file that the graph does not
/// have are left out. [`Loaded`] tells of each.
///
/// # Errors
/// [`SafetensorsError`] where the file cannot be read, is damaged or belongs to another backbone;
/// [`SafetensorsError::Length`] where `initial` is not the graph's.
pub fn load_adapted(
    path: &Path,
    graph: &Graph,
    initial: Weights,
) -> Result<Loaded, SafetensorsError> {
    from_bytes_adapted(&path.display().to_string(), &read(path)?, graph, initial)
}

/// [`load_adapted`] from memory; `file` is what errors call it.
///
/// # Errors
/// As [`load_adapted`].
pub fn from_bytes_adapted(
    file: &str,
    bytes: &[u8],
    graph: &Graph,
    initial: Weights,
) -> Result<Loaded, SafetensorsError> {
    super::write::check_length(file, graph, &initial)?;
    let source = Source::new(file, bytes)?;
    let mut loaded = Loaded {
        weights: initial,
        adapted: Vec::new(),
        kept_initial: Vec::new(),
        unused: Vec::new(),
    };
    let readers = picture_filters(graph);
    let fresh = fresh_heads(graph, &source);
    let (missing, unused) = source.differences(graph);
    let is_fresh = |name: &String| fresh.iter().any(|id| graph.parameters[id.0].name == *name);
    let missing: Vec<String> = missing.into_iter().filter(|n| !is_fresh(n)).collect();
    if !missing.is_empty() {
        return Err(source.names(missing, unused));
    }
    loaded.unused = unused;
    for (index, parameter) in graph.parameters.iter().enumerate() {
        let id = ParameterId(index);
        if fresh.contains(&id) {
            loaded.kept_initial.push(parameter.name.clone());
            continue;
        }
        let values = match source.shape(&parameter.name) {
            Some(shape) if readers.contains(&id) && differs_in_inputs(shape, &parameter.shape) => {
                loaded.adapted.push(parameter.name.clone());
                let held = Parameter {
                    shape: shape.to_vec(),
                    ..parameter.clone()
                };
                rewrite::adapt_filters(&source.values(&held)?, shape, parameter.shape[1])
            }
            _ => source.values(parameter)?,
        };
        loaded.weights.of_mut(parameter).copy_from_slice(&values);
    }
    Ok(loaded)
}

/// The notes that a file carries besides its tensors; see [`super::save`].
///
/// # Errors
/// [`SafetensorsError`] where the file cannot be read or is damaged.
pub fn read_metadata(path: &Path) -> Result<BTreeMap<String, String>, SafetensorsError> {
    let bytes = read(path)?;
    let file = path.display().to_string();
    match SafeTensors::read_metadata(&bytes) {
        Ok((_, metadata)) => Ok(metadata.metadata().clone().into_iter().flatten().collect()),
        Err(source) => Err(SafetensorsError::Format { file, source }),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, SafetensorsError> {
    fs::read(path).map_err(|source| SafetensorsError::Io {
        file: path.display().to_string(),
        action: "read it",
        source,
    })
}

/// Weights of plain convolutions that read the picture.
fn picture_filters(graph: &Graph) -> Vec<ParameterId> {
    let readers = graph.nodes.iter().filter(|n| n.inputs.contains(&NodeId(0)));
    readers
        .filter_map(|node| match &node.op {
            Op::Convolution { spec, weight, .. } if spec.groups == 1 => Some(*weight),
            _ => None,
        })
        .collect()
}

/// Whether two shapes of filters are the same but for the input channels, of which there are some.
fn differs_in_inputs(held: &[usize], needed: &[usize]) -> bool {
    held.len() == 4
        && held[1] > 0
        && held[1] != needed[1]
        && held[0] == needed[0]
        && held[2..] == needed[2..]
}

/// Parameters of those last layers that the file does not hold in the graph's shape.
fn fresh_heads(graph: &Graph, source: &Source) -> Vec<ParameterId> {
    // A graph without heads is simply loaded whole.
    let heads = rewrite::head_layers(graph).unwrap_or_default();
    let layers = heads.iter().map(|&id| match &graph.node(id).op {
        Op::Convolution { weight, bias, .. } | Op::Linear { weight, bias } => {
            std::iter::once(*weight).chain(*bias).collect()
        }
        _ => Vec::new(),
    });
    let differs = |layer: &Vec<ParameterId>| {
        layer.iter().any(|id| {
            let parameter = &graph.parameters[id.0];
            source.shape(&parameter.name) != Some(parameter.shape.as_slice())
        })
    };
    layers.filter(differs).flatten().collect()
}

/// The tensors of a file.
struct Source<'a> {
    file: &'a str,
    tensors: BTreeMap<String, TensorView<'a>>,
}

impl<'a> Source<'a> {
    fn new(file: &'a str, bytes: &'a [u8]) -> Result<Self, SafetensorsError> {
        let tensors = SafeTensors::deserialize(bytes);
        let tensors = tensors.map_err(|source| SafetensorsError::Format {
            file: file.to_owned(),
            source,
        })?;
        let tensors = tensors.tensors().into_iter();
        Ok(Self {
            file,
            tensors: tensors.filter(|(n, _)| !n.ends_with(COUNTER)).collect(),
        })
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(TensorView::shape)
    }

    /// Names that only the graph has and names that only the file has, both sorted.
    fn differences(&self, graph: &Graph) -> (Vec<String>, Vec<String>) {
        let needed: BTreeSet<&String> = graph.parameters.iter().map(|p| &p.name).collect();
        let missing = needed.iter().filter(|n| !self.tensors.contains_key(**n));
        let unexpected = self.tensors.keys().filter(|n| !needed.contains(n));
        (
            missing.map(|n| (*n).clone()).collect(),
            unexpected.cloned().collect(),
        )
    }

    fn names(&self, missing: Vec<String>, unexpected: Vec<String>) -> SafetensorsError {
        SafetensorsError::Names {
            file: self.file.to_owned(),
            missing,
            unexpected,
        }
    }

    /// The values of a parameter that the file holds, in its shape.
    fn values(&self, parameter: &Parameter) -> Result<Vec<f32>, SafetensorsError> {
        let name = &parameter.name;
        let Some(tensor) = self.tensors.get(name) else {
            return Err(self.names(vec![name.clone()], Vec::new()));
        };
        if tensor.shape() != parameter.shape {
            return Err(SafetensorsError::Shape {
                file: self.file.to_owned(),
                name: name.clone(),
                expected: parameter.shape.clone(),
                got: tensor.shape().to_vec(),
            });
        }
        let values = floats(tensor).ok_or_else(|| SafetensorsError::Kind {
            file: self.file.to_owned(),
            name: name.clone(),
            kind: tensor.dtype().to_string(),
        })?;
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(values),
            Some(index) => Err(SafetensorsError::NotFinite {
                file: self.file.to_owned(),
                name: name.clone(),
                value: values[index],
                index,
            }),
        }
    }
}

/// The values of a tensor of floats.
fn floats(tensor: &TensorView) -> Option<Vec<f32>> {
    let bytes = tensor.data();
    Some(match tensor.dtype() {
        Dtype::F32 => each(bytes, f32::from_le_bytes),
        Dtype::F64 => each(bytes, |bytes| f64::from_le_bytes(bytes) as f32),
        Dtype::F16 => each(bytes, |bytes| f16::from_le_bytes(bytes).to_f32()),
        Dtype::BF16 => each(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        _ => return None,
    })
}

fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let (values, _) = bytes.as_chunks::<N>();
    values.iter().map(|bytes| value(*bytes)).collect()
}
