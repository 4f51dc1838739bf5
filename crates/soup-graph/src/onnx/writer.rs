//! Values and operations, one after the other.

use prost::Message;

use super::{FORMAT, OPERATOR_SET, OnnxError, proto};

/// Name of the first dimension of every input and output: any number of images.
const BATCH: &str = "batch";

/// What an operation reads or gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value(String);

/// What a tensor holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 32-bit floats.
    Float,
    /// Bytes.
    Byte,
    /// 64-bit integers.
    Integer,
}

impl Element {
    /// `TensorProto.DataType`.
    pub(super) fn code(self) -> i32 {
        match self {
            Self::Float => 1,
            Self::Byte => 2,
            Self::Integer => 7,
        }
    }
}

/// A setting of an operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Attribute<'a> {
    /// A float.
    Float(f32),
    /// An integer.
    Integer(i64),
    /// Several integers.
    Integers(&'a [i64]),
    /// A word.
    Word(&'a str),
}

/// A model being written.
#[derive(Debug)]
pub struct Writer {
    graph: proto::Graph,
}

impl Writer {
    /// An empty model of this name.
    pub fn new(name: &str) -> Self {
        Self {
            graph: proto::Graph {
                name: name.to_owned(),
                ..proto::Graph::default()
            },
        }
    }

    /// An input of any number of images; `shape` is that of one.
    pub fn input(&mut self, name: &str, element: Element, shape: &[usize], doc: &str) -> Value {
        self.graph.input.push(info(name, element, shape, doc));
        Value(name.to_owned())
    }

    /// Names a value of floats as an output; `shape` is that of one image.
    pub fn output(&mut self, name: &str, value: &Value, shape: &[usize], doc: &str) {
        self.add_node(name, "Identity", &[value], &[]);
        self.graph
            .output
            .push(info(name, Element::Float, shape, doc));
    }

    /// A constant of floats. Names must differ.
    pub fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Value {
        let data = values.iter().flat_map(|value| value.to_le_bytes());
        self.constant(name, Element::Float, shape, data.collect())
    }

    /// A constant of integers, as lists of axes and places are.
    pub fn integers(&mut self, name: &str, values: &[i64]) -> Value {
        let data = values.iter().flat_map(|value| value.to_le_bytes());
        self.constant(name, Element::Integer, &[values.len()], data.collect())
    }

    fn constant(&mut self, name: &str, element: Element, shape: &[usize], data: Vec<u8>) -> Value {
        self.graph.initializer.push(proto::Tensor {
            dims: shape.iter().map(|&side| side as i64).collect(),
            data_type: element.code(),
            name: name.to_owned(),
            raw_data: data,
        });
        Value(name.to_owned())
    }

    /// An operation with one result, which carries the operation's name. Names must differ.
    pub fn add_node(
        &mut self,
        name: &str,
        operation: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute<'_>)],
    ) -> Value {
        self.graph.node.push(proto::Node {
            input: inputs.iter().map(|value| value.0.clone()).collect(),
            output: vec![name.to_owned()],
            name: name.to_owned(),
            op_type: operation.to_owned(),
            attribute: attributes.iter().map(attribute).collect(),
        });
        Value(name.to_owned())
    }

    /// An input that an operation may have and this one does not.
    pub fn absent() -> Value {
        Value(String::new())
    }

    /// The file, with notes for its readers.
    ///
    /// # Errors
    /// [`OnnxError::TooLarge`].
    pub fn finish(self, notes: &[(&str, &str)]) -> Result<Vec<u8>, OnnxError> {
        let notes = notes.iter().map(|&(key, value)| proto::Entry {
            key: key.to_owned(),
            value: value.to_owned(),
        });
        let model = proto::Model {
            ir_version: FORMAT,
            producer_name: "soup".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            doc_string: String::new(),
            graph: Some(self.graph),
            opset_import: vec![proto::OperatorSet {
                domain: String::new(),
                version: OPERATOR_SET,
            }],
            metadata_props: notes.collect(),
        };
        match model.encoded_len() {
            length if length > i32::MAX as usize => Err(OnnxError::TooLarge(length)),
            _ => Ok(model.encode_to_vec()),
        }
    }
}

fn attribute((name, value): &(&str, Attribute<'_>)) -> proto::Attribute {
    let mut attribute = proto::Attribute {
        name: (*name).to_owned(),
        ..proto::Attribute::default()
    };
    match *value {
        Attribute::Float(value) => (attribute.kind, attribute.f) = (1, Some(value)),
        Attribute::Integer(value) => (attribute.kind, attribute.i) = (2, Some(value)),
        Attribute::Word(word) => (attribute.kind, attribute.s) = (3, Some(word.into())),
        Attribute::Integers(values) => (attribute.kind, attribute.ints) = (7, values.to_vec()),
    }
    attribute
}

fn info(name: &str, element: Element, shape: &[usize], doc: &str) -> proto::ValueInfo {
    let batch = proto::Dimension {
        value: None,
        parameter: Some(BATCH.to_owned()),
    };
    let sides = shape.iter().map(|&side| proto::Dimension {
        value: Some(side as i64),
        parameter: None,
    });
    proto::ValueInfo {
        name: name.to_owned(),
        kind: Some(proto::Type {
            tensor: Some(proto::TensorType {
                element: element.code(),
                shape: Some(proto::Shape {
                    dim: std::iter::once(batch).chain(sides).collect(),
                }),
            }),
        }),
        doc_string: doc.to_owned(),
    }
}
