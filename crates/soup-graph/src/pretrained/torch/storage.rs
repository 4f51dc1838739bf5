//! Storages and the tensors that are cut out of them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::super::tensors::{Kind, Tensor};
use super::value::{Storage, View};
use crate::shape::values_within;

/// What a storage holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    F64,
    F32,
    F16,
    Bf16,
    /// Integers and flags, of so many bytes.
    Other(&'static str, usize),
}

impl Element {
    /// By the name of a storage's type.
    pub(super) fn of_storage(name: &str) -> Option<Self> {
        Some(match name {
            "DoubleStorage" => Self::F64,
            "FloatStorage" => Self::F32,
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::Bf16,
            "LongStorage" => Self::Other("I64", 8),
            "IntStorage" => Self::Other("I32", 4),
            "ShortStorage" => Self::Other("I16", 2),
            "CharStorage" => Self::Other("I8", 1),
            "ByteStorage" => Self::Other("U8", 1),
            "BoolStorage" => Self::Other("BOOL", 1),
            _ => return None,
        })
    }

    pub(super) fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Other(_, size) => size,
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::F64 => Kind::F64,
            Self::F32 => Kind::F32,
            Self::F16 => Kind::F16,
            Self::Bf16 => Kind::Bf16,
            Self::Other(name, _) => Kind::Other(Cow::Borrowed(name)),
        }
    }
}

/// The bytes of storages by their keys.
#[derive(Debug, Default)]
pub(super) struct Storages<'a>(pub BTreeMap<&'a str, &'a [u8]>);

impl<'a> Storages<'a> {
    /// The tensor that a view shows. A problem is what follows its name.
    pub(super) fn tensor(&self, view: &View<'a>) -> Result<Tensor<'a>, String> {
        let View {
            storage,
            offset,
            shape,
            strides,
        } = view;
        let values = self.values(storage)?;
        let outside = || {
            format!(
                "of shape {shape:?} and strides {strides:?} from {offset} on reaches beyond its {} values",
                storage.length
            )
        };
        // A view that shows values several times could be larger than any memory.
        let count = values_within(shape.iter().copied()).filter(|count| *count <= storage.length);
        let count = count.ok_or_else(outside)?;
        let size = storage.element.size();
        let bytes = if count == 0 {
            Cow::Borrowed(&[][..])
        } else {
            let last = shape
                .iter()
                .zip(strides)
                .try_fold(*offset, |last, (side, stride)| {
                    (side - 1)
                        .checked_mul(*stride)
                        .and_then(|reach| last.checked_add(reach))
                });
            last.filter(|last| *last < storage.length)
                .ok_or_else(outside)?;
            if is_end_to_end(shape, strides) {
                // `offset + count - 1` is the last one.
                Cow::Borrowed(&values[offset * size..(offset + count) * size])
            } else {
                Cow::Owned(gathered(values, size, view, count))
            }
        };
        Ok(Tensor {
            shape: shape.clone(),
            kind: storage.element.kind(),
            bytes,
        })
    }

    /// The bytes of a storage, exactly as many as it says.
    fn values(&self, storage: &Storage<'a>) -> Result<&'a [u8], String> {
        let needed = storage.length.checked_mul(storage.element.size());
        match self.0.get(storage.key) {
            None => Err(format!(
                "has its values in '{}', which is missing",
                storage.key
            )),
            Some(bytes) if needed != Some(bytes.len()) => Err(format!(
                "has {} bytes in '{}' where {} values are to be",
                bytes.len(),
                storage.key,
                storage.length
            )),
            Some(bytes) => Ok(bytes),
        }
    }
}

/// Whether values stand in the order of the shape without gaps.
fn is_end_to_end(shape: &[usize], strides: &[usize]) -> bool {
    let mut step = 1;
    shape.iter().zip(strides).rev().all(|(&side, &stride)| {
        let fits = side == 1 || stride == step;
        // Bounded: the product of the sides is.
        step *= side;
        fits
    })
}

/// The values of a view whose last one is within the storage, end to end.
fn gathered(values: &[u8], size: usize, view: &View<'_>, count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count * size);
    let mut place = vec![0usize; view.shape.len()];
    for _ in 0..count {
        let steps = place.iter().zip(&view.strides);
        let at: usize = view.offset + steps.map(|(at, stride)| at * stride).sum::<usize>();
        bytes.extend_from_slice(&values[at * size..(at + 1) * size]);
        for (at, side) in place.iter_mut().zip(&view.shape).rev() {
            *at += 1;
            if *at < *side {
                break;
            }
            *at = 0;
        }
    }
    bytes
}
