//! The state of a training run in one file.
//!
//! A checkpoint is a JSON header (what it belongs to, where training stands, what each array is
//! called) followed by the arrays as raw little-endian `f32` and a checksum over everything before
//! it:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `SOUPCKPT` |
//! | 4 | version of the layout, little-endian |
//! | 4 | length of the header |
//! | ... | header, JSON |
//! | ... | arrays, in the header's order |
//! | 4 | CRC-32 of all bytes before |
//!
//! A damaged, truncated or foreign file is refused by name before anything of it is used.

use std::{
    fs::File,
    io::{self, BufReader, Read, Write},
    path::Path,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Error, runs::files};

const MAGIC: [u8; 8] = *b"SOUPCKPT";
const VERSION: u32 = 1;
/// Bytes before the header.
const PREFIX: u64 = 16;
/// Values converted at a time.
const CHUNK: usize = 1 << 14;

/// The header as it is written: the caller's state and the table of arrays.
#[derive(Serialize, Deserialize)]
struct Header<S> {
    state: S,
    arrays: Vec<Array>,
}

/// One array in the file.
#[derive(Serialize, Deserialize)]
struct Array {
    name: String,
    /// Number of values.
    len: u64,
}

/// Writes a checkpoint, whole or not at all.
///
/// `state` must come back from JSON as it went in; non-finite numbers do not, so keep them out of
/// it. Array names must differ.
///
/// # Errors
/// [`Error::File`] where the file cannot be written; an older file of this name is then intact.
pub fn write<S: Serialize>(path: &Path, state: &S, arrays: &[(&str, &[f32])]) -> Result<(), Error> {
    let header = serde_json::to_vec(&Header {
        state,
        arrays: arrays
            .iter()
            .map(|(name, values)| Array {
                name: (*name).to_owned(),
                len: values.len() as u64,
            })
            .collect(),
    })
    .map_err(|error| Error::format(path, format!("the state cannot be written: {error}")))?;
    let length = u32::try_from(header.len())
        .map_err(|_| Error::format(path, "the state is larger than 4 GiB"))?;
    files::write_file(path, |file| {
        let mut out = Summed::new(file);
        out.write_all(&MAGIC)?;
        out.write_all(&VERSION.to_le_bytes())?;
        out.write_all(&length.to_le_bytes())?;
        out.write_all(&header)?;
        let mut bytes = Vec::with_capacity(4 * CHUNK);
        for (_, values) in arrays {
            for chunk in values.chunks(CHUNK) {
                bytes.clear();
                bytes.extend(chunk.iter().flat_map(|value| value.to_le_bytes()));
                out.write_all(&bytes)?;
            }
        }
        let sum = out.sum.finalize();
        out.inner.write_all(&sum.to_le_bytes())
    })
}

/// A checkpoint that was read and whose checksum agrees.
#[derive(Debug)]
pub struct Checkpoint<S> {
    /// What the writer knew.
    pub state: S,
    arrays: Vec<(String, Vec<f32>)>,
}

impl<S> Checkpoint<S> {
    /// Takes out an array of a known length.
    ///
    /// # Errors
    /// Says which array is missing or of another length.
    pub fn take(&mut self, name: &str, len: usize) -> Result<Vec<f32>, String> {
        let place = self
            .arrays
            .iter()
            .position(|(known, _)| known == name)
            .ok_or_else(|| format!("it holds no array '{name}'"))?;
        let (_, values) = self.arrays.swap_remove(place);
        if values.len() == len {
            Ok(values)
        } else {
            Err(format!(
                "its array '{name}' holds {} values where the model has {len}",
                values.len()
            ))
        }
    }

    /// Whether the array is there.
    pub fn has(&self, name: &str) -> bool {
        self.arrays.iter().any(|(known, _)| known == name)
    }
}

/// Reads a checkpoint, or gives `None` where there is no file.
///
/// # Errors
/// [`Error::Format`] for a truncated, damaged, newer or foreign file, [`Error::File`] where it cannot
/// be read.
pub fn read<S: DeserializeOwned>(path: &Path) -> Result<Option<Checkpoint<S>>, Error> {
    let Some((file, length)) = open(path)? else {
        return Ok(None);
    };
    parse(BufReader::with_capacity(1 << 20, file), length)
        .map(Some)
        .map_err(|error| error.of(path))
}

enum Unreadable {
    File(io::Error),
    Format(String),
}

impl Unreadable {
    fn of(self, path: &Path) -> Error {
        match self {
            Self::File(source) => Error::file(path, "read")(source),
            Self::Format(problem) => Error::format(path, problem),
        }
    }
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            Self::Format("the checkpoint is truncated".to_owned())
        } else {
            Self::File(error)
        }
    }
}

/// What the writer of a checkpoint knew, without its arrays: a few milliseconds for a file of any size.
/// The checksum is not verified, so this is for display; [`read`] is for going on.
///
/// # Errors
/// As [`read`].
pub fn read_state<S: DeserializeOwned>(path: &Path) -> Result<Option<S>, Error> {
    let Some((file, length)) = open(path)? else {
        return Ok(None);
    };
    let header = header(&mut Summed::new(file), length).map_err(|error| error.of(path))?;
    let header: Header<S> = serde_json::from_slice(&header)
        .map_err(|error| Error::format(path, format!("another kind of checkpoint: {error}")))?;
    Ok(Some(header.state))
}

fn open(path: &Path) -> Result<Option<(File, u64)>, Error> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file(path, "open")(error)),
    };
    let metadata = file.metadata();
    let metadata = metadata.map_err(Error::file(path, "read the length of"))?;
    Ok(Some((file, metadata.len())))
}

/// Lengths are compared with the file's before anything is allocated for them.
fn parse<S: DeserializeOwned>(
    source: impl Read,
    file_length: u64,
) -> Result<Checkpoint<S>, Unreadable> {
    let wrong = |problem: &str| Err(Unreadable::Format(problem.to_owned()));
    let mut file = Summed::new(source);
    let header = header(&mut file, file_length)?;
    // The header is used only after the checksum; until then it only says how far to read.
    let table: Header<serde_json::Value> = match serde_json::from_slice(&header) {
        Ok(table) => table,
        Err(_) => return wrong("the checkpoint is damaged: its header is not readable"),
    };
    let values = table.arrays.iter().try_fold(0u64, |sum, array| {
        sum.checked_add(array.len.checked_mul(4)?)
    });
    let whole = values.and_then(|bytes| bytes.checked_add(PREFIX + header.len() as u64 + 4));
    match whole {
        Some(whole) if whole == file_length => {}
        Some(whole) if whole > file_length => {
            return Err(Unreadable::Format(format!(
                "the checkpoint is truncated: {file_length} of {whole} bytes are there"
            )));
        }
        _ => return wrong("the checkpoint is damaged: its length does not fit its header"),
    }
    let mut arrays = Vec::with_capacity(table.arrays.len());
    let mut bytes = vec![0; 4 * CHUNK];
    for array in table.arrays {
        let len = array.len as usize;
        let mut values = Vec::with_capacity(len);
        while values.len() < len {
            let part = &mut bytes[..4 * CHUNK.min(len - values.len())];
            file.read_exact(part)?;
            values.extend(
                part.as_chunks::<4>()
                    .0
                    .iter()
                    .map(|&value| f32::from_le_bytes(value)),
            );
        }
        arrays.push((array.name, values));
    }
    let sum = file.sum.clone().finalize();
    if u32::from_le_bytes(file.array()?) != sum {
        return wrong("the checkpoint is damaged: its checksum does not agree");
    }
    let state = serde_json::from_slice::<Header<S>>(&header)
        .map_err(|error| {
            Unreadable::Format(format!("this is another kind of checkpoint: {error}"))
        })?
        .state;
    Ok(Checkpoint { state, arrays })
}

/// The header's bytes.
fn header<R: Read>(file: &mut Summed<R>, file_length: u64) -> Result<Vec<u8>, Unreadable> {
    let wrong = |problem: &str| Err(Unreadable::Format(problem.to_owned()));
    let magic: [u8; 8] = file.array()?;
    if magic != MAGIC {
        return wrong("this is no checkpoint of soup");
    }
    let version = u32::from_le_bytes(file.array()?);
    if version != VERSION {
        return Err(Unreadable::Format(format!(
            "the checkpoint has layout {version}, this program reads layout {VERSION}; use the program that wrote it"
        )));
    }
    let length = u32::from_le_bytes(file.array()?);
    if PREFIX + u64::from(length) + 4 > file_length {
        return wrong("the checkpoint is truncated");
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header)?;
    Ok(header)
}

/// A reader or writer that keeps the checksum of what passed.
struct Summed<T> {
    inner: T,
    sum: crc32fast::Hasher,
}

impl<T> Summed<T> {
    fn new(inner: T) -> Self {
        Self {
            inner,
            sum: crc32fast::Hasher::new(),
        }
    }
}

impl<W: Write> Summed<W> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.inner.write_all(bytes)
    }
}

impl<R: Read> Summed<R> {
    fn read_exact(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.inner.read_exact(bytes)?;
        self.sum.update(bytes);
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::fs;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct State {
        epoch: usize,
        loss: f64,
    }

    fn example(folder: &Path) -> (std::path::PathBuf, Vec<f32>) {
        let path = folder.join("last.ckpt");
        let values: Vec<f32> = (0..50_000)
            .map(|i| f32::from_bits(i * 7_919 + 0x3f00_0000))
            .collect();
        let state = State {
            epoch: 3,
            loss: 0.1 + 0.2,
        };
        write(&path, &state, &[("weights", &values), ("empty", &[])]).unwrap();
        (path, values)
    }

    #[test]
    fn what_is_written_comes_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let (path, values) = example(folder.path());
        let mut checkpoint = read::<State>(&path).unwrap().unwrap();
        assert_eq!(checkpoint.state.loss.to_bits(), (0.1f64 + 0.2).to_bits());
        assert_eq!(checkpoint.state.epoch, 3);
        let error = checkpoint.take("ema", 1).unwrap_err();
        assert!(error.contains("no array 'ema'"), "{error}");
        let back = checkpoint.take("weights", values.len()).unwrap();
        assert!(
            back.iter()
                .zip(&values)
                .all(|(a, b)| a.to_bits() == b.to_bits())
        );
        let error = checkpoint.take("empty", 1).unwrap_err();
        assert!(error.contains("holds 0 values"), "{error}");
        assert!(
            read::<State>(&folder.path().join("none"))
                .unwrap()
                .is_none()
        );
    }

    /// Every truncation and every flipped bit is refused, none panics or allocates wildly.
    #[test]
    fn damage_of_any_kind_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = example(folder.path());
        let whole = fs::read(&path).unwrap();
        let refuse = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let error = read::<State>(&path).unwrap_err();
            assert!(
                matches!(error, Error::Base(soup_model::Error::Format { .. })),
                "{error}"
            );
            error.to_string()
        };
        let cuts = (0..200).chain((200..whole.len()).step_by(9_973));
        for length in cuts.chain([whole.len() - 1]) {
            let message = refuse(&whole[..length]);
            assert!(message.contains("truncated"), "{length}: {message}");
        }
        for place in (0..150).chain((150..whole.len()).step_by(9_973)) {
            let mut bytes = whole.clone();
            bytes[place] ^= 0x10;
            refuse(&bytes);
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert!(refuse(&longer).contains("damaged"));
        assert!(refuse(b"PK\x03\x04 some other file").contains("no checkpoint of soup"));
    }

    #[test]
    fn another_state_is_refused_as_another_kind() {
        #[derive(Debug, Deserialize)]
        struct Other {
            #[expect(dead_code, reason = "never read: the file does not have it")]
            temperature: f64,
        }
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = example(folder.path());
        let error = read::<Other>(&path).unwrap_err().to_string();
        assert!(error.contains("another kind of checkpoint"), "{error}");
    }
}
