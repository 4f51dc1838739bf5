//! Reading.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::Path;
use std::{fmt, fs};

use ::safetensors::tensor::TensorView;
use ::safetensors::{Dtype, SafeTensors};
use half::{bf16, f16};

use super::error::{first_few, length};
use super::{COUNTER, SafetensorsError};
use crate::{Graph, NodeId, Op, ParameterId, Weights, rewrite};

/// Weights that were made to fit, and what it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The weights.
    pub weights: Weights,
    /// Filters adapted to the graph's input channels, in the graph's order.
    pub adapted: Vec<String>,
    /// Parameters of the head that kept their initial values, in the graph's order.
    pub kept_initial: Vec<String>,
    /// Tensors of the file that were not used, sorted.
    pub unused: Vec<String>,
}

/// What it took, the first few names of each kind; "all of it" where the file fitted as it is.
impl fmt::Display for Loaded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("fresh", &self.kept_initial),
            ("made to fit the channels", &self.adapted),
            ("not used", &self.unused),
        ];
        let listed = kinds.into_iter().filter(|(_, names)| !names.is_empty());
        let listed: Vec<_> = listed
            .map(|(kind, names)| format!("{kind}: {}", first_few(names)))
            .collect();
        match listed.is_empty() {
            true => out.write_str("all of it"),
            false => out.write_str(&listed.join("; ")),
        }
    }
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
    /// [`SafetensorsError::Io`].
    pub fn open(path: &Path) -> Result<Self, SafetensorsError> {
        let file = path.display().to_string();
        let bytes = Cow::Owned(read(path)?);
        Ok(Self { file, bytes })
    }

    /// The notes that the file carries besides its tensors.
    ///
    /// # Errors
    /// [`SafetensorsError::Format`] where the file is damaged.
    pub fn metadata(&self) -> Result<BTreeMap<String, String>, SafetensorsError> {
        notes(&self.file, &self.bytes)
    }

    /// The weights of networks, each with its prefix, that together are all that the file holds.
    ///
    /// # Errors
    /// [`SafetensorsError`] where the file is damaged or holds other tensors than these networks
    /// have.
    pub fn weights(&self, parts: &[(String, &Graph)]) -> Result<Vec<Weights>, SafetensorsError> {
        let source = Source::new(&self.file, &self.bytes)?;
        source.refuse_others(parts)?;
        let weights = parts
            .iter()
            .map(|(prefix, graph)| source.weights(prefix, graph));
        weights.collect()
    }
}

/// The weights of a graph from a file of the same backbone, by timm's rules. Filters that read the
/// image are adapted to the graph's channels. A layer of the head whose shape differs or that the
/// file lacks keeps its values in `initial`. Tensors that the graph lacks are left out. [`Loaded`]
/// lists them all. The head is what follows the last batch norm.
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
    let readers = image_filters(graph);
    let fresh = fresh_layers(graph, &source);
    let (missing, unused) = source.differences(&[(String::new(), graph)]);
    let is_fresh = |name: &String| fresh.iter().any(|id| graph.at(*id).name() == name);
    let missing: Vec<String> = missing.into_iter().filter(|n| !is_fresh(n)).collect();
    if !missing.is_empty() {
        return Err(source.names(missing, unused));
    }
    loaded.unused = unused;
    for (index, parameter) in graph.parameters().iter().enumerate() {
        let id = ParameterId(index);
        if fresh.contains(&id) {
            loaded.kept_initial.push(parameter.name().to_owned());
            continue;
        }
        let values = match source.shape(parameter.name()) {
            Some(shape) if readers.contains(&id) && differs_in_inputs(shape, parameter.shape()) => {
                loaded.adapted.push(parameter.name().to_owned());
                let values = source.values(parameter.name(), shape)?;
                rewrite::adapt_filters(&values, shape, parameter.shape()[1])
            }
            _ => source.values(parameter.name(), parameter.shape())?,
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
    notes(&path.display().to_string(), &read(path)?)
}

fn notes(file: &str, bytes: &[u8]) -> Result<BTreeMap<String, String>, SafetensorsError> {
    match SafeTensors::read_metadata(bytes) {
        Ok((_, metadata)) => Ok(metadata.metadata().clone().into_iter().flatten().collect()),
        Err(source) => Err(SafetensorsError::Format {
            file: file.to_owned(),
            source,
        }),
    }
}

/// No more than the file has now: a device has no end, and what grows is no file of weights.
fn read(path: &Path) -> Result<Vec<u8>, SafetensorsError> {
    let bytes = || -> io::Result<Vec<u8>> {
        // A FIFO would be waited for as soon as it is opened.
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() {
            let problem = "it is not a regular file";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let mut bytes = Vec::new();
        let length = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        bytes.try_reserve_exact(length)?;
        fs::File::open(path)?
            .take(metadata.len())
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    bytes().map_err(|source| SafetensorsError::Io {
        file: path.display().to_string(),
        action: "read it",
        source,
    })
}

/// Weights of plain convolutions that read the image.
fn image_filters(graph: &Graph) -> Vec<ParameterId> {
    let readers = graph
        .nodes()
        .iter()
        .filter(|n| n.inputs.contains(&NodeId(0)));
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

/// Parameters of those layers of the head that the file does not hold in the graph's shape.
fn fresh_layers(graph: &Graph, source: &Source) -> Vec<ParameterId> {
    let head = rewrite::head(graph).into_iter();
    let layers = head.map(|id| match &graph.node(id).op {
        Op::Convolution { weight, bias, .. } | Op::Linear { weight, bias } => {
            std::iter::once(*weight).chain(*bias).collect()
        }
        Op::PowerPool { power } => vec![*power],
        _ => Vec::new(),
    });
    let differs = |layer: &Vec<ParameterId>| {
        layer.iter().any(|id| {
            let parameter = graph.at(*id);
            source.shape(parameter.name()) != Some(parameter.shape())
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

    /// Names that only the graphs have and names that only the file has, both sorted.
    fn differences(&self, parts: &[(String, &Graph)]) -> (Vec<String>, Vec<String>) {
        let names = parts.iter().flat_map(|(prefix, graph)| {
            let parameters = graph.parameters().iter();
            parameters.map(move |p| format!("{prefix}{}", p.name()))
        });
        let needed: BTreeSet<String> = names.collect();
        let unexpected = self.tensors.keys().filter(|n| !needed.contains(*n));
        let unexpected = unexpected.cloned().collect();
        let missing = needed.into_iter();
        let missing = missing.filter(|n| !self.tensors.contains_key(n));
        (missing.collect(), unexpected)
    }

    /// Refuses a file that holds other tensors than the graphs have.
    fn refuse_others(&self, parts: &[(String, &Graph)]) -> Result<(), SafetensorsError> {
        let (missing, unexpected) = self.differences(parts);
        match missing.is_empty() && unexpected.is_empty() {
            true => Ok(()),
            false => Err(self.names(missing, unexpected)),
        }
    }

    /// The weights of a graph whose tensors carry a prefix. No more is allocated than the file
    /// holds.
    fn weights(&self, prefix: &str, graph: &Graph) -> Result<Weights, SafetensorsError> {
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

    fn names(&self, missing: Vec<String>, unexpected: Vec<String>) -> SafetensorsError {
        SafetensorsError::Names {
            file: self.file.to_owned(),
            missing,
            unexpected,
        }
    }

    /// The values that the file holds under a name, in the shape that is needed.
    fn values(&self, name: &str, needed: &[usize]) -> Result<Vec<f32>, SafetensorsError> {
        let Some(tensor) = self.tensors.get(name) else {
            return Err(self.names(vec![name.to_owned()], Vec::new()));
        };
        if tensor.shape() != needed {
            return Err(SafetensorsError::Shape {
                file: self.file.to_owned(),
                name: name.to_owned(),
                expected: needed.to_vec(),
                got: tensor.shape().to_vec(),
            });
        }
        let values = floats(tensor).ok_or_else(|| SafetensorsError::Kind {
            file: self.file.to_owned(),
            name: name.to_owned(),
            kind: tensor.dtype().to_string(),
        })?;
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(values),
            Some(index) => Err(SafetensorsError::NotFinite {
                file: self.file.to_owned(),
                name: name.to_owned(),
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
