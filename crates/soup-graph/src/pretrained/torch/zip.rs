//! Files of `torch.save` since 1.6: a zip whose entries are stored as they are. `NAME/data.pkl` is the pickle,
//! `NAME/data/KEY` the bytes of a storage.

use std::collections::BTreeMap;

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

/// The entries by name, where they stand in the file. Read here and not by the crate `zip`, whose reader refuses some of
/// what torch.save writes. What is packed is left empty: it is no part of such a file, but its name helps to say so.
fn entries(bytes: &[u8]) -> Result<BTreeMap<String, &[u8]>, String> {
    directory(bytes).ok_or_else(|| "its zip is damaged".to_owned())
}

fn directory(bytes: &[u8]) -> Option<BTreeMap<String, &[u8]>> {
    // The end record stands last, before a comment of at most 65535 bytes.
    let from = bytes.len().checked_sub(22)?;
    let least = from.saturating_sub(usize::from(u16::MAX));
    let end = (least..=from)
        .rev()
        .find(|&at| number(bytes, at, 4) == Some(0x0605_4b50))?;
    let (mut count, mut at) = (number(bytes, end + 10, 2)?, number(bytes, end + 16, 4)?);
    // Larger archives have another end record, to which a locator right before this one points.
    if let Some(locator) = end.checked_sub(20)
        && number(bytes, locator, 4)? == 0x0706_4b50
    {
        let end = number(bytes, locator + 8, 8)?;
        (number(bytes, end, 4)? == 0x0606_4b50).then_some(())?;
        count = number(bytes, end.checked_add(32)?, 8)?;
        at = number(bytes, end.checked_add(48)?, 8)?;
    }
    (count <= MOST_ENTRIES).then_some(())?;
    let mut entries = BTreeMap::new();
    for _ in 0..count {
        (number(bytes, at, 4)? == 0x0201_4b50).then_some(())?;
        let short = |offset: usize, size: usize| number(bytes, at.checked_add(offset)?, size);
        let (flags, method) = (short(8, 2)?, short(10, 2)?);
        let (mut length, mut local) = (short(20, 4)?, short(42, 4)?);
        let whole = short(24, 4)?;
        let name_end = at.checked_add(46)?.checked_add(short(28, 2)?)?;
        let extra_end = name_end.checked_add(short(30, 2)?)?;
        let name = std::str::from_utf8(bytes.get(at + 46..name_end)?).ok()?;
        // Numbers of 8 bytes for those that do not fit 4, in this order.
        let mut extra = name_end;
        while extra < extra_end {
            let (kind, size) = (number(bytes, extra, 2)?, number(bytes, extra + 2, 2)?);
            let mut value = extra + 4;
            if kind == 1 {
                let mut next = || {
                    value += 8;
                    number(bytes, value - 8, 8)
                };
                if whole == u32::MAX as usize {
                    next()?;
                }
                if length == u32::MAX as usize {
                    length = next()?;
                }
                if local == u32::MAX as usize {
                    local = next()?;
                }
            }
            extra = extra.checked_add(4)?.checked_add(size)?;
        }
        // The entry's own header has its own extra field, which aligns the data.
        (number(bytes, local, 4)? == 0x0403_4b50).then_some(())?;
        let start = local.checked_add(30)?;
        let start = start.checked_add(number(bytes, local + 26, 2)?)?;
        let start = start.checked_add(number(bytes, local + 28, 2)?)?;
        let content = bytes.get(start..start.checked_add(length)?)?;
        let plain = method == 0 && flags & 1 == 0;
        entries.insert(name.to_owned(), if plain { content } else { &[] });
        at = extra_end.checked_add(short(32, 2)?)?;
    }
    Some(entries)
}

/// A little-endian number of so many bytes.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(size)?)?;
    let value = (bytes.iter().rev()).fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    usize::try_from(value).ok()
}
