//! From a graph to forward steps: which maps are stored, and what stays pending on them.
//!
//! A map is stored when a convolution, a sum, a max pool or a dropout makes it. Batch norm, activation and a
//! factor a channel after it are not computed but kept as a [`Lazy`] value: whoever reads the map
//! applies them on the way in. Where the pattern does not fit (a second activation, a factor read
//! twice, ...) the value is stored by a sum of one term, and the pattern starts anew.

use std::collections::{BTreeMap, BTreeSet};

use soup_graph::{Graph, Node, NodeId, Op, ParameterId, Shape};
use thiserror::Error;

mod convolution;
mod maps;
mod norm;
mod pending;
mod values;
mod vectors;

use soup_engine::memory::{BatchTooLarge, room_for};
pub(super) use values::{
    Gate, Key, Lazy, Map, MapId, NormId, NormInfo, Record, Value, VectorId, VectorInfo,
};

use super::{
    Buffer, MapShape, Memory, Mode, Norm, NormPlan, Output, Plan, Step, Vector, View,
    backward::Backward,
};
use crate::{
    kernels::{filters::LONGEST_SIDE, view::NORM_ROWS},
    simd::{Isa, Precision, padded},
    steps::{
        attention::Attention,
        max_pool::Window,
        pool::Sharpness,
        weights::{PackWeights, Packed},
    },
};

/// Why a graph cannot be run.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PlanError {
    /// The batch must hold an image.
    #[error("a batch of 0 images cannot be planned")]
    EmptyBatch,
    /// Only convolutions read the image itself.
    #[error("{0} reads the image; only a convolution can")]
    ReadsInput(String),
    /// `SOUP_CPU` names no instruction set, or one that this processor lacks.
    #[error("SOUP_CPU={0}: {1}")]
    InstructionSet(String, String),
    /// The memory of the plan is more than there is.
    #[error(transparent)]
    Memory(#[from] BatchTooLarge),
    /// A pattern that this engine has no steps for.
    #[error("the CPU engine cannot run {0}")]
    Unsupported(String),
}

/// Refuses what needs more memory than there is before it is planned, and what could not be counted in words: no
/// product of sizes in a plan is more than [`FACTOR`] times the values of the batch and of the parameters.
fn check_size(graph: &Graph, batch: usize) -> Result<(), PlanError> {
    /// Winograd's tiles and padded channels make the most of a value.
    const FACTOR: u128 = 1 << 12;
    let length = |node: &Node| node.shape.len() as u128;
    let parameters = graph.trainable_len() + graph.buffer_len();
    let values = graph.nodes().iter().map(length).sum::<u128>();
    let all = values
        .saturating_mul(batch as u128)
        .saturating_add(parameters as u128);
    let images = graph.input().len() as u128 * batch as u128;
    let least = images * size_of::<f32>() as u128;
    let least = u64::try_from(least).unwrap_or(u64::MAX);
    let needs = match all.checked_mul(FACTOR) {
        Some(all) if all < isize::MAX as u128 => least,
        _ => u64::MAX,
    };
    room_for(needs).map_err(|shortage| BatchTooLarge { batch, shortage }.into())
}

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

    fn node(&mut self, index: usize) -> Result<Value, PlanError> {
        let node = &self.graph.nodes()[index];
        let input = |lowering: &Self, place: usize| lowering.values[node.inputs[place].0];
        let dense = node.inputs.first().map(|_| input(self, 0));
        if let (Some(Value::Map(lazy)), false) = (dense, matches!(node.op, Op::Convolution { .. }))
            && lazy.map == MapId(0)
        {
            return Err(PlanError::ReadsInput(format!("node {index}")));
        }
        Ok(match (&node.op, dense) {
            (Op::Convolution { spec, .. }, Some(Value::Map(_)))
                if spec.groups == 1 && spec.kernel > LONGEST_SIDE =>
            {
                return Err(PlanError::Unsupported(format!(
                    "node {index}: a kernel of side {} (at most {LONGEST_SIDE})",
                    spec.kernel
                )));
            }
            (Op::Convolution { spec, weight, bias }, Some(Value::Map(lazy))) => {
                Value::Map(self.convolution(node, spec, lazy, *weight, *bias))
            }
            (Op::BatchNorm { .. }, Some(Value::Map(lazy))) => {
                Value::Map(self.batch_norm(node, lazy))
            }
            (Op::Activation(activation), Some(Value::Map(lazy))) => {
                Value::Map(self.activation(node.inputs[0], lazy, *activation))
            }
            (Op::AveragePool, Some(Value::Map(lazy))) => {
                Value::Vector(self.average_pool(node, lazy))
            }
            (&Op::LogSumExpPool { sharpness }, Some(Value::Map(lazy))) => {
                Value::Vector(self.soft_pool(node, lazy, Sharpness::Fixed(sharpness)))
            }
            (&Op::PowerPool { power }, Some(Value::Map(lazy))) => {
                let sharpness = Sharpness::Learned(self.offset(power));
                Value::Vector(self.soft_pool(node, lazy, sharpness))
            }
            (
                &Op::AttentionPool {
                    temperature,
                    share,
                    mean,
                },
                Some(Value::Map(scores)),
            ) => {
                let Value::Map(values) = input(self, 1) else {
                    unreachable!("the builder checks that values are a map")
                };
                if values.map == MapId(0) {
                    return Err(PlanError::ReadsInput(format!("node {index}")));
                }
                let attention = Attention {
                    temperature,
                    share,
                    mean,
                };
                Value::Vector(self.attention_pool(node, scores, values, attention))
            }
            (
                Op::MaxPool {
                    kernel,
                    stride,
                    padding,
                },
                Some(Value::Map(lazy)),
            ) => {
                let window = Window {
                    kernel: *kernel,
                    stride: *stride,
                    padding: *padding,
                };
                Value::Map(self.max_pool(node, lazy, window))
            }
            (Op::Scale, Some(Value::Map(lazy))) => {
                let factors = match input(self, 1) {
                    Value::Vector(id) => id,
                    Value::Map(_) => unreachable!("the builder checks that factors are a vector"),
                };
                Value::Map(self.gated(index, lazy, Gate::Learned(factors)))
            }
            (Op::Dropout(_) | Op::DropPath(_), Some(value)) if self.mode == Mode::Inference => {
                value
            }
            (Op::DropPath(rate), Some(Value::Map(lazy))) => {
                Value::Map(self.drop_path(index, lazy, *rate))
            }
            (Op::Dropout(rate), Some(Value::Map(lazy))) => {
                Value::Map(self.drop_values(index, lazy, *rate))
            }
            (Op::Add, Some(Value::Map(_))) => Value::Map(self.map_sum(index)),
            (Op::Linear { weight, bias }, Some(Value::Vector(input))) => {
                Value::Vector(self.linear_layer(node, input, *weight, *bias))
            }
            (Op::Activation(activation), Some(Value::Vector(input))) => {
                Value::Vector(self.vector_activation(input, *activation))
            }
            (Op::Add, Some(Value::Vector(_))) => Value::Vector(self.vector_sum(node)),
            (Op::Dropout(rate), Some(Value::Vector(input))) => {
                Value::Vector(self.vector_dropout(index, input, *rate, false))
            }
            (Op::DropPath(rate), Some(Value::Vector(input))) => {
                Value::Vector(self.vector_dropout(index, input, *rate, true))
            }
            (Op::Input, _) => Value::Map(self.image()),
            (op, value) => {
                let of = match value {
                    Some(Value::Map(_)) => "of a map",
                    Some(Value::Vector(_)) => "of a vector",
                    None => "without an input",
                };
                let problem = format!("node {index}: {op:?} {of}");
                return Err(PlanError::Unsupported(problem));
            }
        })
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
