//! What a pickle of tensors is made of.

use super::storage::Element;

/// Place of a value in [`super::pickle::Pickle`]: values may be shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(pub u32);

/// A value. Nothing else can be in a pickle that is read.
#[derive(Debug)]
pub(super) enum Value<'a> {
    /// `None`, a float or bytes: of no meaning here.
    Nothing,
    Flag(bool),
    Integer(i64),
    /// An integer of more than 8 bytes, little-endian.
    Long(&'a [u8]),
    Text(&'a str),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dictionary(Vec<(Id, Id)>),
    Known(Known),
    Storage(Storage<'a>),
    Tensor(Box<View<'a>>),
}

/// The functions and types that a pickle may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Element),
}

impl Known {
    /// What PyTorch calls so.
    pub(super) fn find(module: &str, name: &str) -> Option<Self> {
        match (module, name) {
            ("collections", "OrderedDict") => Some(Self::OrderedDict),
            // The later one has more arguments behind those of the earlier.
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Some(Self::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Some(Self::RebuildParameter),
            ("torch" | "torch.storage", name) => Element::of_storage(name).map(Self::Storage),
            _ => None,
        }
    }
}

/// Values in memory, to which tensors point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Storage<'a> {
    pub element: Element,
    pub key: &'a str,
    /// In elements.
    pub length: usize,
}

/// A tensor: elements of a storage, by a first one and steps.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub storage: Storage<'a>,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}
