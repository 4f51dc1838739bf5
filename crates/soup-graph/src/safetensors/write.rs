//! Writing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use half::f16;
use serde_json::json;

use crate::pretrained::{COUNTER, WeightsError, length};
use crate::{Graph, Role, Weights};

/// Writes the weights of a graph, with notes of the caller's choice, under a temporary name beside
/// `path`, synced and renamed. Each batch norm gets the counter that PyTorch expects.
///
/// # Errors
/// [`WeightsError::Io`] where the file cannot be written, [`WeightsError::Length`] where
/// the weights are not the graph's.
pub fn save(
    path: &Path,
    graph: &Graph,
    weights: &Weights,
    metadata: &BTreeMap<String, String>,
) -> Result<(), WeightsError> {
    let part = Part {
        prefix: "",
        graph,
        weights,
        half: false,
    };
    let bytes = to_bytes(&path.display().to_string(), &[part], metadata)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|source| {
        // The error that counts is the first one; a leftover is only untidy.
        let _ = fs::remove_file(&temporary);
        WeightsError::Io {
            file: path.display().to_string(),
            action: "write it",
            source,
        }
    })
}

/// One network of a file that may hold several.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// What stands before the names of its tensors; no two parts may have the same.
    pub prefix: &'a str,
    /// The network.
    pub graph: &'a Graph,
    /// Its weights.
    pub weights: &'a Weights,
    /// Whether they are written in half precision, which is to hold them as they are.
    pub half: bool,
}

/// The file of the weights of some graphs, in memory: the same weights and notes give the same
/// bytes. Written here and not by the safetensors crate because that one puts the notes in random
/// order. `file` is what errors call it.
///
/// # Errors
/// [`WeightsError::Length`] where weights are not their graph's.
pub fn to_bytes(
    file: &str,
    parts: &[Part],
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, WeightsError> {
    let mut counters = Vec::new();
    let mut tensors = Vec::new();
    for part in parts {
        check_length(file, part.graph, part.weights)?;
        for parameter in part.graph.parameters() {
            let name = format!("{}{}", part.prefix, parameter.name());
            if parameter.role() == Role::RunningMean {
                let layer = name.strip_suffix(".running_mean");
                counters.push(Tensor {
                    name: format!("{}{COUNTER}", layer.unwrap_or(&name)),
                    kind: "I64",
                    shape: &[],
                    data: vec![0; 8],
                });
            }
            let values = part.weights.of(parameter).iter();
            let (kind, data) = match part.half {
                true => (
                    "F16",
                    values
                        .flat_map(|&value| f16::from_f32(value).to_le_bytes())
                        .collect(),
                ),
                false => (
                    "F32",
                    values.flat_map(|value| value.to_le_bytes()).collect(),
                ),
            };
            tensors.push(Tensor {
                name,
                kind,
                shape: parameter.shape(),
                data,
            });
        }
    }
    // The wider type first keeps every value aligned.
    tensors.sort_by(|a, b| (b.kind, &a.name).cmp(&(a.kind, &b.name)));
    counters.sort_by(|a, b| a.name.cmp(&b.name));
    counters.append(&mut tensors);

    let mut header = serde_json::Map::new();
    if !metadata.is_empty() {
        header.insert("__metadata__".to_owned(), json!(metadata));
    }
    let mut end = 0;
    for tensor in &counters {
        let start = end;
        end += tensor.data.len();
        let entry = json!({
            "dtype": tensor.kind,
            "shape": tensor.shape,
            "data_offsets": [start, end],
        });
        header.insert(tensor.name.clone(), entry);
    }
    let mut header = serde_json::Value::Object(header).to_string();
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    let mut bytes = Vec::with_capacity(8 + header.len() + end);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header.as_bytes());
    for tensor in &counters {
        bytes.extend(&tensor.data);
    }
    Ok(bytes)
}

struct Tensor<'a> {
    name: String,
    kind: &'static str,
    shape: &'a [usize],
    data: Vec<u8>,
}

/// Refuses weights that are not the graph's.
fn check_length(file: &str, graph: &Graph, weights: &Weights) -> Result<(), WeightsError> {
    let fit = weights.check(graph.trainable_len(), graph.buffer_len());
    fit.map_err(|error| length(file, &error))
}
