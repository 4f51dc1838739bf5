//! The initialisers of an ONNX file: constants under the names that its writer gave them.
//!
//! The message is walked field by field and values stay where they are, so that a file takes no more memory than it has.

use std::borrow::Cow;

use super::WeightsError;
use super::tensors::{Kind, Tensor};
use crate::shape::values_within;

/// `ModelProto.graph`, `GraphProto.initializer`.
const GRAPH: u64 = 7;
const INITIALISER: u64 = 5;
/// More sides than any weight has.
const MOST_SIDES: usize = 8;

pub(super) fn initialisers<'a>(
    file: &str,
    bytes: &'a [u8],
) -> Result<Vec<(String, Tensor<'a>)>, WeightsError> {
    let wrong = |problem: String| WeightsError::Onnx {
        file: file.to_owned(),
        problem,
    };
    let mut tensors = Vec::new();
    for field in Fields(bytes) {
        let (GRAPH, Field::Bytes(graph)) = field.map_err(wrong)? else {
            continue;
        };
        for field in Fields(graph) {
            if let (INITIALISER, Field::Bytes(tensor)) = field.map_err(wrong)? {
                tensors.push(initialiser(tensor).map_err(wrong)?);
            }
        }
    }
    match tensors.is_empty() {
        true => Err(wrong("it holds no initialisers".to_owned())),
        false => Ok(tensors),
    }
}

/// `TensorProto`.
fn initialiser(bytes: &[u8]) -> Result<(String, Tensor<'_>), String> {
    let (mut shape, mut kind, mut name) = (Vec::new(), 0, "");
    let (mut raw, mut typed): (Option<&[u8]>, Option<&[u8]>) = (None, None);
    let mut elsewhere = false;
    let mut side = |side: u64| {
        if shape.len() == MOST_SIDES {
            return Err(format!("a tensor has more than {MOST_SIDES} sides"));
        }
        shape.push(usize::try_from(side).map_err(|_| "a side is too long".to_owned())?);
        Ok(())
    };
    for field in Fields(bytes) {
        match field? {
            (1, Field::Number(value)) => side(value)?,
            (1, Field::Bytes(mut packed)) => {
                while !packed.is_empty() {
                    side(number(&mut packed)?)?;
                }
            }
            (2, Field::Number(value)) => kind = value,
            // Packed floats or doubles.
            (4 | 10, Field::Bytes(values)) => typed = Some(values),
            (8, Field::Bytes(text)) => {
                name = std::str::from_utf8(text).map_err(|_| "a name is no text".to_owned())?;
            }
            (9, Field::Bytes(values)) => raw = Some(values),
            (14, Field::Number(value)) => elsewhere = value == 1,
            _ => {}
        }
    }
    if name.is_empty() {
        return Err("an initialiser has no name".to_owned());
    }
    if elsewhere {
        return Err(format!(
            "the values of '{name}' stand in another file; save the model with its data inside"
        ));
    }
    // `TensorProto.DataType`.
    let (kind, size) = match kind {
        1 => (Kind::F32, 4),
        10 => (Kind::F16, 2),
        11 => (Kind::F64, 8),
        16 => (Kind::Bf16, 2),
        other => (Kind::Other(Cow::Owned(format!("ONNX type {other}"))), 0),
    };
    let bytes = raw.or(typed).unwrap_or_default();
    let needed = values_within(shape.iter().copied()).and_then(|count| count.checked_mul(size));
    if size > 0 && needed != Some(bytes.len()) {
        return Err(format!(
            "'{name}' of shape {shape:?} has {} bytes",
            bytes.len()
        ));
    }
    let tensor = Tensor {
        shape,
        kind,
        bytes: Cow::Borrowed(bytes),
    };
    Ok((name.to_owned(), tensor))
}

/// The value of a field; fixed ones of 4 and 8 bytes are of no use here.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// The fields of a protobuf message, by number.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Field<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<(u64, Field<'a>), String> {
        let tag = number(&mut self.0)?;
        let field = match tag & 7 {
            0 => Field::Number(number(&mut self.0)?),
            1 => self.take(8).map(|_| Field::Fixed)?,
            2 => {
                let length = number(&mut self.0)?;
                Field::Bytes(self.take(usize::try_from(length).unwrap_or(usize::MAX))?)
            }
            5 => self.take(4).map(|_| Field::Fixed)?,
            _ => return Err("a field has no known kind".to_owned()),
        };
        Ok((tag >> 3, field))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let taken = self.0.split_at_checked(length);
        let (taken, rest) = taken.ok_or_else(|| "it ends within a field".to_owned())?;
        self.0 = rest;
        Ok(taken)
    }
}

/// A number of 7 bits a byte, the least first.
fn number(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let Some((&byte, rest)) = bytes.split_first() else {
            return Err("it ends within a number".to_owned());
        };
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        value |= bits.checked_shl(shift).unwrap_or(0);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err("a number does not end".to_owned())
}
