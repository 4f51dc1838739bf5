//! Between a graph and its plan: stored maps, what is pending on them, and the records for the backward pass.

use soup_graph::{Activation, ParameterId};

use crate::plan::{Buffer, MapShape, Norm, Vector};
use crate::steps::attention::Attention;
use crate::steps::convolution::Geometry;
use crate::steps::linear::Rule;
use crate::steps::norm::Parameters;
use crate::steps::pool::Sharpness;

/// Position in [`super::Lowering::maps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::plan) struct MapId(pub usize);

/// Position in [`super::Lowering::norms`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::plan) struct NormId(pub usize);

/// Position in [`super::Lowering::vectors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::plan) struct VectorId(pub usize);

/// A stored map with what is pending on it but the gate: gradients are gathered for one of these.
pub(in crate::plan) type Key = (MapId, Option<NormId>, Option<Activation>);

/// The factor pending on a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plan) enum Gate {
    /// A vector of the graph; gradients go to it.
    Learned(VectorId),
    /// A factor drawn an image.
    Drawn(Vector),
}

/// A stored map and what is pending on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plan) struct Lazy {
    pub map: MapId,
    pub norm: Option<NormId>,
    pub activation: Option<Activation>,
    pub gate: Option<Gate>,
}

impl Lazy {
    pub(super) fn stored(map: MapId) -> Self {
        Self {
            map,
            norm: None,
            activation: None,
            gate: None,
        }
    }

    pub(in crate::plan) fn key(&self) -> Key {
        (self.map, self.norm, self.activation)
    }
}

/// The value of a node.
#[derive(Clone, Copy, Debug)]
pub(in crate::plan) enum Value {
    Map(Lazy),
    Vector(VectorId),
}

/// A stored map.
#[derive(Clone, Copy, Debug)]
pub(in crate::plan) struct Map {
    pub buffer: Buffer,
    pub shape: MapShape,
    /// Chunk statistics that the map's producer takes.
    pub(super) statistics: Option<Buffer>,
    /// Width of the halo: pixels of zeros stored around the map. Only convolutions read and write a map that has one.
    pub(super) halo: usize,
}

/// A batch norm.
#[derive(Clone, Copy, Debug)]
pub(in crate::plan) struct NormInfo {
    pub rows: Norm,
    pub parameters: Parameters,
}

/// A vector of the graph.
#[derive(Clone, Copy, Debug)]
pub(in crate::plan) struct VectorInfo {
    pub place: Vector,
    pub length: usize,
}

/// An operation of the forward pass, recorded for the backward pass (an entry of autograd's tape).
#[derive(Debug)]
pub(in crate::plan) enum Record {
    Convolution {
        input: Lazy,
        output: MapId,
        geometry: Geometry,
        weight: ParameterId,
        bias: Option<ParameterId>,
    },
    Depthwise {
        input: Lazy,
        output: MapId,
        geometry: Geometry,
        packed: Buffer,
        weight: ParameterId,
        bias: Option<ParameterId>,
    },
    Sum {
        terms: Vec<Lazy>,
        relu: bool,
        output: MapId,
    },
    MaxPool {
        input: Lazy,
        argmax: Buffer,
        output: MapId,
    },
    AveragePool {
        input: Lazy,
        output: VectorId,
    },
    LogSumExpPool {
        input: Lazy,
        sharpness: Sharpness,
        output: VectorId,
    },
    AttentionPool {
        scores: Lazy,
        values: Lazy,
        attention: Attention,
        output: VectorId,
    },
    Linear {
        input: VectorId,
        output: VectorId,
        weight: usize,
        bias: Option<usize>,
    },
    VectorActivation {
        input: VectorId,
        output: VectorId,
        activation: Activation,
    },
    VectorAdd {
        inputs: Vec<VectorId>,
        output: VectorId,
    },
    Dropout {
        input: VectorId,
        output: VectorId,
        rule: Rule,
    },
    DropValues {
        input: Lazy,
        output: MapId,
        rate: f32,
        node: usize,
    },
}
