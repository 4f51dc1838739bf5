//! The bytes of a file, and what format they are.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use super::WeightsError;

/// How a file holds its tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Safetensors,
    /// A zip.
    TorchZip,
    /// Pickles end to end.
    TorchPickles,
    Onnx,
}

impl Format {
    /// What the first bytes say. A file that is nothing known counts as safetensors, whose reader says what is missing.
    pub(super) fn of(bytes: &[u8]) -> Self {
        match bytes {
            [_, _, _, _, _, _, _, _, b'{', ..] => Self::Safetensors,
            [b'P', b'K', 3, 4, ..] => Self::TorchZip,
            // A pickle of protocol 2 to 5.
            [0x80, 2..=5, ..] => Self::TorchPickles,
            // The version of the format, with which every writer begins.
            [0x08, 1..=127, ..] => Self::Onnx,
            _ => Self::Safetensors,
        }
    }
}

/// No more than the file has now: a device has no end, and what grows is no file of weights.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, WeightsError> {
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
    bytes().map_err(|source| WeightsError::Io {
        file: path.display().to_string(),
        action: "read it",
        source,
    })
}
