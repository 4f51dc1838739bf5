//! Files of `torch.save` before 1.6: five pickles and the bytes of the storages, end to end.

use super::super::{Tensors, WeightsError};
use super::pickle::Pickle;
use super::storage::Storages;
use super::value::Value;
use super::{tensors, wrong};

/// The magic number, little-endian.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// The version of the format.
const PROTOCOL: i64 = 1001;

pub(in super::super) fn read<'a>(
    file: &'a str,
    bytes: &'a [u8],
) -> Result<Tensors<'a>, WeightsError> {
    let mut rest = bytes;
    let mut next = || -> Result<Pickle<'a>, WeightsError> {
        let pickle = Pickle::read(rest).map_err(|problem| wrong(file, problem))?;
        rest = &rest[pickle.length..];
        Ok(pickle)
    };
    let magic = next()?;
    if !matches!(magic.value(magic.root), Value::Long(found) if *found == MAGIC) {
        let problem = "it is a pickle of something else; write it with torch.save";
        return Err(wrong(file, problem));
    }
    let protocol = next()?;
    if !matches!(protocol.value(protocol.root), Value::Integer(PROTOCOL)) {
        return Err(wrong(file, "it has an unknown version"));
    }
    let (system, content, keys) = (next()?, next()?, next()?);
    if !is_little_endian(&system) {
        return Err(wrong(file, "its numbers are not said to be little-endian"));
    }
    let Value::List(keys_in_order) = keys.value(keys.root) else {
        return Err(wrong(file, "it does not list its storages"));
    };
    let mut storages = Storages::default();
    for id in keys_in_order {
        let Value::Text(key) = keys.value(*id) else {
            return Err(wrong(file, "the name of a storage is no text"));
        };
        let storage = content.storages.get(key);
        let bytes = storage.and_then(|storage| {
            let (length, after) = rest.split_first_chunk::<8>()?;
            let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
            let bytes = length.checked_mul(storage.element.size())?;
            let (bytes, after) = after.split_at_checked(bytes)?;
            rest = after;
            Some(bytes)
        });
        let bytes = bytes.ok_or_else(|| wrong(file, format!("storage '{key}' is cut short")))?;
        storages.0.insert(key, bytes);
    }
    tensors(file, &content, &storages)
}

fn is_little_endian(system: &Pickle<'_>) -> bool {
    let Value::Dictionary(entries) = system.value(system.root) else {
        return false;
    };
    entries.iter().any(|(key, value)| {
        matches!(system.value(*key), Value::Text("little_endian"))
            && matches!(system.value(*value), Value::Flag(true))
    })
}
