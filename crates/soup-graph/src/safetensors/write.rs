//! Writing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::{COUNTER, SafetensorsError};
use crate::{Graph, Role, Weights};

/// Writes the weights of a graph, with notes of the caller's choice, under a temporary name beside
/// `path`, synced and renamed. Each batch norm gets the counter that PyTorch expects.
///
/// # Errors
/// [`SafetensorsError::Io`] where the file cannot be written, [`SafetensorsError::Length`] where
/// the weights are not the graph's.
pub fn save(
    path: &Path,
    graph: &Graph,
    weights: &Weights,
    metadata: &BTreeMap<String, String>,
) -> Result<(), SafetensorsError> {
    check_length(&path.display().to_string(), graph, weights)?;
    let bytes = bytes(graph, weights, metadata);
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
        SafetensorsError::Io {
            file: path.display().to_string(),
            action: "write it",
            source,
        }
    })
}

/// The file of the weights of a graph: the same weights and notes give the same bytes. Written here
/// and not by the safetensors crate because that one puts the notes in random order.
pub(super) fn bytes(
    graph: &Graph,
    weights: &Weights,
    metadata: &BTreeMap<String, String>,
) -> Vec<u8> {
    let mut counters = Vec::new();
    let mut tensors = Vec::new();
    for parameter in &graph.parameters {
        let values = weights.of(parameter).iter();
        tensors.push(Tensor {
            name: parameter.name.clone(),
            kind: "F32",
            shape: &parameter.shape,
            data: values.flat_map(|value| value.to_le_bytes()).collect(),
        });
        if parameter.role == Role::RunningMean {
            let layer = parameter.name.strip_suffix(".running_mean");
            counters.push(Tensor {
                name: format!("{}{COUNTER}", layer.unwrap_or(&parameter.name)),
                kind: "I64",
                shape: &[],
                data: vec![0; 8],
            });
        }
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    counters.sort_by(|a, b| a.name.cmp(&b.name));
    // The wider type first keeps every value aligned.
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
    bytes
}

struct Tensor<'a> {
    name: String,
    kind: &'static str,
    shape: &'a [usize],
    data: Vec<u8>,
}

/// Refuses weights that are not the graph's.
pub(super) fn check_length(
    file: &str,
    graph: &Graph,
    weights: &Weights,
) -> Result<(), SafetensorsError> {
    let lengths = [
        (graph.trainable_len(), weights.trainable.len()),
        (graph.buffer_len(), weights.buffers.len()),
    ];
    match lengths.into_iter().find(|(expected, got)| expected != got) {
        None => Ok(()),
        Some((expected, got)) => Err(SafetensorsError::Length {
            file: file.to_owned(),
            expected,
            got,
        }),
    }
}
