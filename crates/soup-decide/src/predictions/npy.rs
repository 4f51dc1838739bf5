//! NumPy arrays of probabilities, with ids and label names in `NAME.ids.json` beside them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use soup_data::files::{read_unpacked, write_whole};
use soup_data::{Error, npy};

use super::Predictions;
use crate::Result;

/// What NumPy's file does not say.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Names {
    /// The image of each row.
    pub(super) ids: Vec<String>,
    /// The label of each column.
    pub(super) labels: Vec<String>,
}

/// The names of an array, and its values row by row.
pub(super) fn read(path: &Path) -> Result<(Names, Vec<f32>)> {
    let bytes = read_unpacked(path)?;
    let broken = |problem: String| {
        let hint = "save it with numpy.save as a C-ordered float32 array, images x labels";
        Error::format(path, problem, hint)
    };
    let (rows, columns, values) = npy::parse_matrix(&bytes).map_err(broken)?;
    let names_path = names_path(path);
    let names = soup_data::files::read(&names_path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound {
            path: names_path.clone(),
            hint: format!(
                "write one beside {}: {{\"ids\": [\"00000\", ...], \"labels\": [\"a\", ...]}}",
                path.display()
            ),
        },
        _ => Error::io("read", &names_path)(source),
    })?;
    let names: Names = serde_json::from_slice(&names).map_err(|error| {
        let hint = "it must hold {\"ids\": [\"00000\", ...], \"labels\": [\"a\", ...]}";
        Error::format(&names_path, error.to_string(), hint)
    })?;
    if (names.ids.len(), names.labels.len()) != (rows, columns) {
        let problem = format!(
            "it names {} ids and {} labels, but {} is {rows} x {columns}",
            names.ids.len(),
            names.labels.len(),
            path.display()
        );
        return Err(Error::format(
            names_path,
            problem,
            "use the pair that was written together",
        )
        .into());
    }
    Ok((names, values))
}

pub(super) fn write(table: &Predictions, path: &Path) -> Result<()> {
    let names = Names {
        ids: table.ids().to_vec(),
        labels: table.labels().to_vec(),
    };
    let names_path = names_path(path);
    let json = serde_json::to_vec(&names).map_err(|error| {
        Error::format(
            &names_path,
            error.to_string(),
            "this is a fault of the program",
        )
    })?;
    // The names first: an array without its names cannot be read, names alone do no harm.
    write_whole(&names_path, &json)?;
    let mut bytes = npy::matrix_header(table.len(), table.labels().len());
    bytes.extend(table.values().iter().flat_map(|value| value.to_le_bytes()));
    Ok(write_whole(path, &bytes)?)
}

/// `probs.npy` -> `probs.ids.json`.
fn names_path(path: &Path) -> PathBuf {
    path.with_extension("ids.json")
}
