//! From a graph to forward steps: which maps are stored, and what stays pending on them.
//!
//! A map is stored when a convolution, a sum, a max pool or a dropout makes it. Batch norm, activation and a
//! factor a channel after it are not computed but kept as a [`Lazy`] value: the readers of the map
//! apply them. Where the pattern does not fit (a second activation, a factor read
//! twice, ...) the value is stored by a sum of one term. The pattern starts again from there.

use std::collections::{BTreeMap, BTreeSet};

use soup_graph::{Graph, Node, NodeId, ParameterId, Shape};

mod convolution;
mod error;
mod maps;
mod node;
mod norm;
mod pending;
mod values;
mod vectors;

pub use error::PlanError;
use error::check_size;
pub(super) use values::{
    Gate, Key, Lazy, Map, MapId, NormId, NormInfo, Record, Value, VectorId, VectorInfo,
};

use super::{
    Buffer, MapShape, Memory, Mode, Norm, NormPlan, Output, Plan, Step, Vector, View,
    backward::Backward,
};
use crate::{
    kernels::view::NORM_ROWS,
    simd::{Isa, Precision, padded},
    steps::weights::{PackWeights, Packed},
};

/// A graph on its way to a plan.
#[derive(Debug)]
pub(super) struct Lowering<'g> {
    pub graph: &'g Graph,
    pub batch: usize,
    pub mode: Mode,
    pub precision: Precision,
    pub machine: Machine,
    /// Nodes whose values are stored as the activation that alone reads them makes them.
    activated: BTreeSet<NodeId>,
    pub memory: Memory,
    pub steps: Vec<Box<dyn Step>>,
    /// Steps that depend on the weights alone.
    loading: Vec<Box<dyn Step>>,
    pub records: Vec<Record>,
    pub maps: Vec<Map>,
    pub norms: Vec<NormInfo>,
    pub vectors: Vec<VectorInfo>,
    pub packed: Vec<Packed>,
    /// Readers of each key: dense ones (convolutions, sums) and pools.
    pub readers: BTreeMap<Key, (usize, usize)>,
    pub ones: Vector,
    pub zeros: Vector,
    pub identity: Norm,
    /// Maps that were stored for one reader alone, by that node.
    copies: BTreeMap<usize, MapId>,
    /// Where the caller puts the batch.
    images: Buffer,
    values: Vec<Value>,
    /// How many nodes (and outputs) read each node.
    uses: Vec<usize>,
}

/// What runs the plan. Only inference is cut by the number of threads: there no sum depends on how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    pub isa: Isa,
    pub threads: usize,
}

/// Plans a graph.
pub(crate) fn lower(
    graph: &Graph,
    batch: usize,
    mode: Mode,
    precision: Precision,
    machine: Machine,
) -> Result<Plan, PlanError> {
    if batch == 0 {
        return Err(PlanError::EmptyBatch);
    }
    check_size(graph, batch)?;
    let widest = graph
        .nodes()
        .iter()
        .map(|node| padded(node.shape.channels()))
        .max()
        .unwrap_or(0);
    let mut memory = Memory::default();
    let ones = memory.pinned(widest);
    let zeros = memory.pinned(widest);
    let identity = memory.pinned(NORM_ROWS * widest);
    let mut uses = vec![0; graph.nodes().len()];
    for id in graph.nodes().iter().flat_map(|node| &node.inputs) {
        uses[id.0] += 1;
    }
    for id in graph.outputs() {
        uses[id.0] += 1;
    }
    let mut lowering = Lowering {
        graph,
        batch,
        mode,
        precision,
        machine,
        activated: BTreeSet::new(),
        memory,
        steps: Vec::new(),
        loading: Vec::new(),
        records: Vec::new(),
        maps: Vec::new(),
        norms: Vec::new(),
        vectors: Vec::new(),
        packed: Vec::new(),
        readers: BTreeMap::new(),
        ones: Vector {
            buffer: ones,
            stride: 0,
        },
        zeros: Vector {
            buffer: zeros,
            stride: 0,
        },
        identity: Norm {
            buffer: identity,
            stride: widest,
        },
        copies: BTreeMap::new(),
        images: Buffer(0),
        values: Vec::new(),
        uses,
    };
    for index in 0..graph.nodes().len() {
        let value = lowering.node(index)?;
        lowering.values.push(value);
    }
    Ok(lowering.finish())
}

impl Lowering<'_> {
    fn finish(mut self) -> Plan {
        let outputs: Vec<Value> = self
            .graph
            .outputs()
            .iter()
            .map(|id| self.values[id.0])
            .collect();
        let outputs: Vec<Value> = outputs
            .into_iter()
            .map(|value| self.stored(value))
            .collect();
        let loading = self.loading.len() + 1;
        let forward = self.steps.len() + loading;
        let mut plan_outputs: Vec<Output> =
            outputs.iter().map(|&value| self.output(value)).collect();
        for output in &plan_outputs {
            self.memory.pin(output.value);
        }
        if self.mode == Mode::Training {
            let gradients = Backward::emit(&mut self, &outputs);
            for (output, gradient) in plan_outputs.iter_mut().zip(gradients) {
                output.gradient = Some(gradient);
            }
        }
        let packed = std::mem::take(&mut self.packed);
        if self.mode == Mode::Inference {
            // They stay from run to run.
            for entry in &packed {
                self.memory.pin(entry.to);
            }
        }
        let pack: Box<dyn Step> = Box::new(PackWeights::new(packed, self.machine.isa.lanes()));
        let loading_steps = std::mem::take(&mut self.loading);
        self.steps
            .splice(0..0, std::iter::once(pack).chain(loading_steps));
        let norms = self
            .norms
            .iter()
            .map(|norm| NormPlan {
                rows: norm.rows,
                channels: norm.parameters.channels,
                momentum: norm.parameters.momentum,
                mean: norm.parameters.mean,
                variance: norm.parameters.variance,
            })
            .collect();
        self.memory.lay_out(&self.steps);
        let kept = |(index, value): (usize, &Value)| match value {
            Value::Map(lazy) if *lazy == Lazy::stored(lazy.map) => {
                let is_own = !self.activated.contains(&NodeId(index));
                is_own.then(|| self.output(*value))
            }
            _ => None,
        };
        let kept = self.values.iter().enumerate().map(kept).collect();
        let copy = |(&node, &map)| (node, self.output(Value::Map(Lazy::stored(map))));
        let copies = self.copies.iter().map(copy).collect();
        let scratch = self.steps.iter().map(|step| step.scratch()).max();
        Plan {
            batch: self.batch,
            input: self.images,
            outputs: plan_outputs,
            norms,
            forward,
            loading,
            scratch: scratch.unwrap_or(0),
            steps: self.steps,
            memory: self.memory,
            ones: self.ones,
            zeros: self.zeros,
            identity: self.identity,
            kept,
            copies,
            #[cfg(test)]
            maps: (self.maps.iter())
                .map(|map| (map.buffer, map.shape, map.halo))
                .collect(),
        }
    }

    /// An output as it can be read from memory: a map with something pending is stored first.
    fn stored(&mut self, value: Value) -> Value {
        match value {
            Value::Map(lazy) => {
                let lazy = if lazy == Lazy::stored(lazy.map) {
                    lazy
                } else {
                    Lazy::stored(self.sum(vec![lazy], false))
                };
                self.read(&lazy, false);
                Value::Map(lazy)
            }
            Value::Vector(_) => value,
        }
    }

    fn output(&self, value: Value) -> Output {
        match value {
            Value::Vector(id) => {
                let VectorInfo { place, length } = self.vectors[id.0];
                Output {
                    value: place.buffer,
                    gradient: None,
                    is_map: false,
                    rows: self.batch,
                    length,
                    stride: place.stride,
                }
            }
            Value::Map(lazy) => {
                let Map { buffer, shape, .. } = self.maps[lazy.map.0];
                Output {
                    value: buffer,
                    gradient: None,
                    is_map: true,
                    rows: self.batch * shape.pixels(),
                    length: shape.channels,
                    stride: shape.stride,
                }
            }
        }
    }

    pub(super) fn offset(&self, id: ParameterId) -> usize {
        self.graph.at(id).range().start
    }

    /// Room for a map, or for the gradient of one.
    pub(super) fn map_buffer(&mut self, shape: &MapShape) -> Buffer {
        let words = self.precision.words(self.batch * shape.len());
        self.memory.buffer(words)
    }

    /// A new stored map.
    fn map(&mut self, shape: MapShape) -> MapId {
        let buffer = self.map_buffer(&shape);
        self.map_in(buffer, shape, 0)
    }

    /// A new map stored there.
    fn map_in(&mut self, buffer: Buffer, shape: MapShape, halo: usize) -> MapId {
        self.maps.push(Map {
            buffer,
            shape,
            statistics: None,
            halo,
        });
        MapId(self.maps.len() - 1)
    }

    /// A new vector of the graph.
    fn vector(&mut self, length: usize) -> VectorId {
        let place = self.temporary(length);
        self.vectors.push(VectorInfo { place, length });
        VectorId(self.vectors.len() - 1)
    }

    /// A new vector without a place in the graph.
    pub(super) fn temporary(&mut self, length: usize) -> Vector {
        let stride = padded(length);
        Vector {
            buffer: self.memory.buffer(self.batch * stride),
            stride,
        }
    }

    pub(super) fn gate(&self, gate: Option<Gate>) -> Vector {
        match gate {
            None => self.ones,
            Some(Gate::Learned(id)) => self.vectors[id.0].place,
            Some(Gate::Drawn(vector)) => vector,
        }
    }

    /// How a step reads a value.
    pub(super) fn view(&self, lazy: &Lazy) -> View {
        let map = self.maps[lazy.map.0];
        View {
            map: map.buffer,
            shape: map.shape,
            norm: lazy
                .norm
                .map_or(self.identity, |norm| self.norms[norm.0].rows),
            activation: lazy.activation,
            gate: self.gate(lazy.gate),
            plain: *lazy == Lazy::stored(lazy.map),
        }
    }

    fn read(&mut self, lazy: &Lazy, pool: bool) {
        let readers = self.readers.entry(lazy.key()).or_default();
        if pool {
            readers.1 += 1;
        } else {
            readers.0 += 1;
        }
    }
}

/// Shape in which a node's map is stored.
fn stored_shape(node: &Node) -> MapShape {
    match node.shape {
        Shape::Map(shape) => MapShape {
            height: shape.height,
            width: shape.width,
            channels: shape.channels,
            stride: padded(shape.channels),
        },
        Shape::Vector(_) => unreachable!("called for maps"),
    }
}
