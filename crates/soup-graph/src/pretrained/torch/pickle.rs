//! A machine for pickles of tensors (<https://docs.python.org/3/library/pickletools.html>).
//!
//! A pickle is a program for a machine with a stack, and Python's machine calls any function that it names. This one calls
//! none: it knows the few names that PyTorch writes for dictionaries and tensors ([`Known`]), makes plain values of them,
//! and refuses everything else by name.

use std::collections::BTreeMap;

use super::value::{Id, Known, Storage, Value, View};

/// Most values of one pickle: a checkpoint of ten thousand tensors with two moments each has a third of it.
const MOST_VALUES: usize = 1 << 20;
/// More sides than any weight has.
const MOST_SIDES: usize = 8;

/// What a pickle holds.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    /// What it gives.
    pub root: Id,
    /// Bytes that it takes.
    pub length: usize,
    /// The storages that its tensors point to, by their keys.
    pub storages: BTreeMap<&'a str, Storage<'a>>,
}

impl<'a> Pickle<'a> {
    /// Reads the pickle that the bytes begin with.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut machine = Machine {
            bytes,
            at: 0,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: BTreeMap::new(),
            storages: BTreeMap::new(),
        };
        loop {
            let at = machine.at;
            let done = machine.step();
            if let Some(root) =
                done.map_err(|problem| format!("{problem} (byte {at} of the pickle)"))?
            {
                return Ok(Self {
                    values: machine.values,
                    root,
                    length: machine.at,
                    storages: machine.storages,
                });
            }
        }
    }

    pub(super) fn value(&self, id: Id) -> &Value<'a> {
        &self.values[id.0 as usize]
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Everything that was made; what is on the stack, in the memo and in containers are places in here.
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: BTreeMap<u32, Id>,
    storages: BTreeMap<&'a str, Storage<'a>>,
}

impl<'a> Machine<'a> {
    /// One operation; the result where it was the last one.
    fn step(&mut self) -> Result<Option<Id>, String> {
        let [operation] = self.array()?;
        match operation {
            // The protocol; those up to 5 differ only in operations that are told apart here.
            0x80 => self.take(1).map(|_| ())?,
            // A frame: how many bytes follow.
            0x95 => self.take(8).map(|_| ())?,
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => self.pop().map(|_| ())?,
            b'N' => self.push(Value::Nothing)?,
            0x88 => self.push(Value::Flag(true))?,
            0x89 => self.push(Value::Flag(false))?,
            b'K' => {
                let [value] = self.array()?;
                self.push(Value::Integer(value.into()))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                self.push(Value::Integer(value.into()))?;
            }
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.push(Value::Integer(value.into()))?;
            }
            0x8a => {
                let [length] = self.array()?;
                let value = integer(self.take(length.into())?);
                self.push(value)?;
            }
            b'G' => {
                self.take(8)?;
                self.push(Value::Nothing)?;
            }
            b'X' => self.text::<4>()?,
            0x8c => self.text::<1>()?,
            0x8d => self.text::<8>()?,
            // Texts of Python 2.
            b'U' => self.text::<1>()?,
            b'T' => self.text::<4>()?,
            b')' => self.push(Value::Tuple(Vec::new()))?,
            b']' => self.push(Value::List(Vec::new()))?,
            b'}' => self.push(Value::Dictionary(Vec::new()))?,
            b't' => {
                let items = self.above_mark()?;
                self.push(Value::Tuple(items))?;
            }
            0x85..=0x87 => {
                let items = self.top(usize::from(operation - 0x84))?;
                self.push(Value::Tuple(items))?;
            }
            b'a' => {
                let items = self.top(1)?;
                self.append(items)?;
            }
            b'e' => {
                let items = self.above_mark()?;
                self.append(items)?;
            }
            b's' => {
                let items = self.top(2)?;
                self.set(&items)?;
            }
            b'u' => {
                let items = self.above_mark()?;
                self.set(&items)?;
            }
            b'q' => {
                let [place] = self.array()?;
                self.remember(place.into())?;
            }
            b'r' => {
                let place = u32::from_le_bytes(self.array()?);
                self.remember(place)?;
            }
            0x94 => {
                let place = self.memo.len() as u32;
                self.remember(place)?;
            }
            b'h' => {
                let [place] = self.array()?;
                self.recall(place.into())?;
            }
            b'j' => {
                let place = u32::from_le_bytes(self.array()?);
                self.recall(place)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.known(module, name)?;
            }
            0x93 => {
                let items = self.top(2)?;
                let (Value::Text(module), Value::Text(name)) =
                    (self.value(items[0]), self.value(items[1]))
                else {
                    return Err("a name is no text".to_owned());
                };
                let (module, name) = (*module, *name);
                self.known(module, name)?;
            }
            b'R' => self.call()?,
            b'Q' => self.storage()?,
            b'b' => self.build()?,
            other => return Err(format!("operation 0x{other:02x} makes no tensor")),
        }
        Ok(None)
    }

    fn value(&self, id: Id) -> &Value<'a> {
        &self.values[id.0 as usize]
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..length).ok_or("it ends too early")?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| "it ends too early".to_owned())
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n');
        let line = self.take(length.ok_or("a name does not end")?)?;
        self.at += 1;
        std::str::from_utf8(line).map_err(|_| "a name is no text".to_owned())
    }

    /// A text behind its length in so many bytes.
    fn text<const N: usize>(&mut self) -> Result<(), String> {
        let mut length = [0; 8];
        length[..N].copy_from_slice(&self.array::<N>()?);
        let length = usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX);
        let text = std::str::from_utf8(self.take(length)?);
        self.push(Value::Text(
            text.map_err(|_| "a text is no UTF-8".to_owned())?,
        ))
    }

    fn push(&mut self, value: Value<'a>) -> Result<(), String> {
        if self.values.len() == MOST_VALUES {
            return Err(format!("it has more than {MOST_VALUES} values"));
        }
        self.stack.push(Id(self.values.len() as u32));
        self.values.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, String> {
        self.top(1).map(|items| items[0])
    }

    /// Takes so many values off the stack.
    fn top(&mut self, count: usize) -> Result<Vec<Id>, String> {
        let least = self.marks.last().copied().unwrap_or(0);
        let from = self.stack.len().checked_sub(count);
        let from = from.filter(|from| *from >= least);
        let from = from.ok_or("it takes what is not there")?;
        Ok(self.stack.split_off(from))
    }

    fn above_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or("it takes what is not there")?;
        Ok(self.stack.split_off(mark))
    }

    /// The container on top of the stack.
    fn container(&mut self) -> Result<&mut Value<'a>, String> {
        let id = self.stack.last().ok_or("it takes what is not there")?;
        Ok(&mut self.values[id.0 as usize])
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), String> {
        match self.container()? {
            Value::List(list) => list.extend(items),
            _ => return Err("it appends to what is no list".to_owned()),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<(), String> {
        let (pairs, []) = items.as_chunks::<2>() else {
            return Err("a key has no value".to_owned());
        };
        match self.container()? {
            Value::Dictionary(entries) => {
                entries.extend(pairs.iter().map(|&[key, value]| (key, value)));
                Ok(())
            }
            _ => Err("it sets a key of what is no dictionary".to_owned()),
        }
    }

    fn remember(&mut self, place: u32) -> Result<(), String> {
        let id = self.stack.last().ok_or("it takes what is not there")?;
        self.memo.insert(place, *id);
        Ok(())
    }

    fn recall(&mut self, place: u32) -> Result<(), String> {
        let id = self.memo.get(&place).ok_or("it takes what is not there")?;
        self.stack.push(*id);
        Ok(())
    }

    fn known(&mut self, module: &'a str, name: &'a str) -> Result<(), String> {
        let known = Known::find(module, name).ok_or_else(|| {
            format!(
                "it names '{}.{}', which is neither a tensor nor a dictionary, so it is not read; \
                 save the state_dict alone: torch.save(model.state_dict(), path)",
                module.escape_debug(),
                name.escape_debug()
            )
        })?;
        self.push(Value::Known(known))
    }

    /// A function and the tuple of its arguments.
    fn call(&mut self) -> Result<(), String> {
        let items = self.top(2)?;
        let (Value::Known(known), Value::Tuple(arguments)) =
            (self.value(items[0]), self.value(items[1]))
        else {
            return Err("it calls what is no function".to_owned());
        };
        match (known, arguments.as_slice()) {
            (Known::OrderedDict, []) => self.push(Value::Dictionary(Vec::new())),
            (Known::RebuildTensor, [storage, offset, shape, strides, ..]) => {
                let view = self.view([*storage, *offset, *shape, *strides])?;
                self.push(Value::Tensor(Box::new(view)))
            }
            (Known::RebuildParameter, [tensor, ..])
                if matches!(self.value(*tensor), Value::Tensor(_)) =>
            {
                let tensor = *tensor;
                self.stack.push(tensor);
                Ok(())
            }
            (known, arguments) => Err(format!(
                "{known:?} cannot be called with {} arguments",
                arguments.len()
            )),
        }
    }

    fn view(&self, [storage, offset, shape, strides]: [Id; 4]) -> Result<View<'a>, String> {
        let Value::Storage(storage) = self.value(storage) else {
            return Err("a tensor has no storage".to_owned());
        };
        let (shape, strides) = (self.sides(shape)?, self.sides(strides)?);
        if shape.len() != strides.len() {
            return Err(format!("shape {shape:?} does not fit strides {strides:?}"));
        }
        Ok(View {
            storage: *storage,
            offset: self.count(offset)?,
            shape,
            strides,
        })
    }

    fn sides(&self, id: Id) -> Result<Vec<usize>, String> {
        match self.value(id) {
            Value::Tuple(sides) if sides.len() <= MOST_SIDES => {
                sides.iter().map(|side| self.count(*side)).collect()
            }
            Value::Tuple(sides) => Err(format!("a tensor has {} sides", sides.len())),
            _ => Err("the shape of a tensor is no tuple".to_owned()),
        }
    }

    fn count(&self, id: Id) -> Result<usize, String> {
        match self.value(id) {
            Value::Integer(value) => {
                usize::try_from(*value).map_err(|_| format!("{value} is no count of values"))
            }
            _ => Err("a count of values is no integer".to_owned()),
        }
    }

    /// `('storage', type, key, device, elements)`, before 1.6 with a view of it that nothing has any more.
    fn storage(&mut self) -> Result<(), String> {
        let id = self.pop()?;
        let Value::Tuple(items) = self.value(id) else {
            return Err("a storage is no tuple".to_owned());
        };
        let [word, element, key, _device, length, rest @ ..] = items.as_slice() else {
            return Err(format!("a storage has {} parts", items.len()));
        };
        let plain = rest
            .iter()
            .all(|id| matches!(self.value(*id), Value::Nothing));
        let (Value::Text("storage"), Value::Known(Known::Storage(element)), Value::Text(key), true) = (
            self.value(*word),
            self.value(*element),
            self.value(*key),
            plain,
        ) else {
            return Err("a storage is of no known kind".to_owned());
        };
        let storage = Storage {
            element: *element,
            key,
            length: self.count(*length)?,
        };
        let first = *self.storages.entry(storage.key).or_insert(storage);
        if first != storage {
            return Err(format!("storage '{}' is of two kinds", storage.key));
        }
        self.push(Value::Storage(storage))
    }

    /// Attributes of an object: those of a dictionary (`_metadata`) mean nothing here.
    fn build(&mut self) -> Result<(), String> {
        self.pop()?;
        match self.container()? {
            Value::Dictionary(_) => Ok(()),
            _ => Err("it sets attributes of what is no dictionary".to_owned()),
        }
    }
}

/// A little-endian integer of any length.
fn integer(bytes: &[u8]) -> Value<'_> {
    if bytes.len() > 8 {
        return Value::Long(bytes);
    }
    let negative = bytes.last().is_some_and(|last| *last >= 0x80);
    let mut whole = [if negative { 0xff } else { 0 }; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    Value::Integer(i64::from_le_bytes(whole))
}
