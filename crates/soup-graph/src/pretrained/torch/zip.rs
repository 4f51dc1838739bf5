//! Files of `torch.save` since 1.6: a zip whose entries are stored as they are. `NAME/data.pkl` is the pickle,
//! `NAME/data/KEY` the bytes of a storage.

use std::collections::BTreeMap;
use std::io::Cursor;

use ::zip::{CompressionMethod, ZipArchive};

use super::super::{Tensors, WeightsError};
use super::pickle::Pickle;
use super::storage::Storages;
use super::{tensors, wrong};

/// Most entries: a storage each, of which the largest networks have some ten thousand.
const MOST_ENTRIES: usize = 1 << 17;

pub(in super::super) fn read<'a>(
    file: &'a str,
    bytes: &'a [u8],
) -> Result<Tensors<'a>, WeightsError> {
    let entries = entries(bytes).map_err(|problem| wrong(file, problem))?;
    let pickle = entries.iter().find_map(|(name, entry)| {
        let folder = name.strip_suffix("data.pkl")?;
        (folder.ends_with('/') || folder.is_empty()).then_some((folder, entry))
    });
    let Some((folder, pickle)) = pickle else {
        let inside = entries.keys().find(|name| {
            [".pth", ".pt", ".bin"]
                .iter()
                .any(|ending| name.ends_with(ending))
        });
        return Err(wrong(
            file,
            match inside {
                Some(name) => {
                    format!("it is a zip without data.pkl; unpack '{name}' and give that")
                }
                None => "it is a zip without data.pkl".to_owned(),
            },
        ));
    };
    if entries
        .get(&format!("{folder}byteorder"))
        .is_some_and(|order| **order != *b"little")
    {
        return Err(wrong(file, "its numbers are not little-endian"));
    }
    let pickle = Pickle::read(pickle).map_err(|problem| wrong(file, problem))?;
    let mut storages = Storages::default();
    for key in pickle.storages.keys() {
        if let Some(bytes) = entries.get(&format!("{folder}data/{key}")) {
            storages.0.insert(key, bytes);
        }
    }
    tensors(file, &pickle, &storages)
}

/// The entries by name, where they stand in the file.
fn entries(bytes: &[u8]) -> Result<BTreeMap<String, &[u8]>, String> {
    let damaged = |error: ::zip::result::ZipError| format!("its zip is damaged: {error}");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    if archive.len() > MOST_ENTRIES {
        return Err(format!("its zip has {} entries", archive.len()));
    }
    let mut entries = BTreeMap::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(damaged)?;
        let name = entry.name().map_err(damaged)?.into_owned();
        let stored = entry.compression() == CompressionMethod::Stored && !entry.encrypted();
        let place = || {
            let start = usize::try_from(entry.data_start()?).ok()?;
            let length = usize::try_from(entry.compressed_size()).ok()?;
            bytes.get(start..start.checked_add(length)?)
        };
        match place() {
            Some(content) if stored => entries.insert(name, content),
            // What packed a zip is no part of what torch.save writes; the error says what to do where that is a wheel.
            Some(_) => entries.insert(name, &[]),
            None => {
                return Err(format!(
                    "'{}' lies outside of the file",
                    name.escape_debug()
                ));
            }
        };
    }
    Ok(entries)
}
