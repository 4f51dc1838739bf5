//! From a graph to forward steps: which maps are stored, and what stays pending on them.
//!
//! A map is stored when a convolution, a sum, a max pool or a dropout makes it. Batch norm, activation and a
//! factor a channel after it are not computed but kept as a [`Lazy`] value: whoever reads the map
//! applies them on the way in. Where the pattern does not fit (a second activation, a factor read
//! twice, ...) the value is stored by a sum of one term, and the pattern starts anew.

use std::collections::{BTreeMap, BTreeSet};

use soup_graph::{Activation, Convolution, Graph, Node, NodeId, Op, ParameterId, Shape};
use thiserror::Error;

use super::backward::Backward;
use super::{Buffer, MapShape, Memory, Mode, Norm, NormPlan, Output, Plan, Step, Vector, View};
use crate::kernels::filters::LONGEST_SIDE;
use crate::kernels::view::NORM_ROWS;
use crate::simd::{Precision, padded};
use crate::steps::attention::{Attention, AttentionPool};
use crate::steps::convolution::{ConvolutionForward, Geometry};
use crate::steps::depthwise;
use crate::steps::elementwise::{DropPath, DropValues, MapStatistics, Runs, Sum};
use crate::steps::linear::{Elementwise, Linear, Rule};
use crate::steps::max_pool::{MaxPool, Window};
use crate::steps::norm::{BatchCoefficients, Parameters, RunningCoefficients};
use crate::steps::pictures::RoundPictures;
use crate::steps::pool::{AveragePool, LogSumExpPool, Sharpness};
use crate::steps::weights::{Layout, PackWeights, Packed};

/// Why a graph cannot be run.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PlanError {
    /// The batch must hold a picture.
    #[error("a batch of 0 pictures cannot be planned")]
    EmptyBatch,
    /// Only convolutions read the picture itself.
    #[error("{0} reads the picture; only a convolution can")]
    ReadsInput(String),
    /// `SOUP_CPU` names no instruction set, or one that this processor lacks.
    #[error("SOUP_CPU={0}: {1}")]
    InstructionSet(String, String),
    /// A pattern that this engine has no steps for.
    #[error("the CPU engine cannot run {0}")]
    Unsupported(String),
}

/// Position in [`Lowering::maps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MapId(pub usize);

/// Position in [`Lowering::norms`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NormId(pub usize);

/// Position in [`Lowering::vectors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct VectorId(pub usize);

/// A stored map with what is pending on it but the gate: gradients are gathered for one of these.
pub(super) type Key = (MapId, Option<NormId>, Option<Activation>);

/// The factor pending on a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// A vector of the graph; gradients go to it.
    Learned(VectorId),
    /// A factor drawn a picture.
    Drawn(Vector),
}

/// A stored map and what is pending on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lazy {
    pub map: MapId,
    pub norm: Option<NormId>,
    pub activation: Option<Activation>,
    pub gate: Option<Gate>,
}

impl Lazy {
    fn stored(map: MapId) -> Self {
        Self {
            map,
            norm: None,
            activation: None,
            gate: None,
        }
    }

    pub(super) fn key(&self) -> Key {
        (self.map, self.norm, self.activation)
    }
}

/// What a node gave.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Map(Lazy),
    Vector(VectorId),
}

/// A stored map.
#[derive(Clone, Copy, Debug)]
pub(super) struct Map {
    pub buffer: Buffer,
    pub shape: MapShape,
    /// Chunk statistics that the map's producer takes.
    statistics: Option<Buffer>,
}

/// A batch norm.
#[derive(Clone, Copy, Debug)]
pub(super) struct NormInfo {
    pub rows: Norm,
    pub parameters: Parameters,
}

/// A vector of the graph.
#[derive(Clone, Copy, Debug)]
pub(super) struct VectorInfo {
    pub place: Vector,
    pub length: usize,
}

/// What was done forward, to be undone backward.
#[derive(Debug)]
pub(super) enum Record {
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
        places: Buffer,
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
    /// Where the caller puts the batch.
    pictures: Buffer,
    values: Vec<Value>,
    /// How many nodes (and outputs) read each node.
    uses: Vec<usize>,
}

/// What runs the plan. Only inference is cut by the number of threads: there no sum depends on how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// Values in a vector.
    pub lanes: usize,
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
    let widest = graph
        .nodes
        .iter()
        .map(|node| padded(node.shape.channels()))
        .max()
        .unwrap_or(0);
    let mut memory = Memory::default();
    let ones = memory.pinned(widest);
    let zeros = memory.pinned(widest);
    let identity = memory.pinned(NORM_ROWS * widest);
    let mut uses = vec![0; graph.nodes.len()];
    for id in graph.nodes.iter().flat_map(|node| &node.inputs) {
        uses[id.0] += 1;
    }
    for id in &graph.outputs {
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
        pictures: Buffer(0),
        values: Vec::new(),
        uses,
    };
    for index in 0..graph.nodes.len() {
        let value = lowering.node(index)?;
        lowering.values.push(value);
    }
    Ok(lowering.finish())
}

impl Lowering<'_> {
    fn finish(mut self) -> Plan {
        let outputs: Vec<Value> = self
            .graph
            .outputs
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
        let pack: Box<dyn Step> = Box::new(PackWeights::new(packed, self.machine.lanes));
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
        let scratch = self.steps.iter().map(|step| step.scratch()).max();
        Plan {
            batch: self.batch,
            input: self.pictures,
            outputs: plan_outputs,
            norms,
            forward,
            loading,
            scratch: scratch.unwrap_or(0),
            steps: self.steps,
            memory: self.memory,
            ones: self.ones,
            identity: self.identity,
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
        self.graph.parameters[id.0].offset
    }

    /// Room for a map, or for the gradient of one.
    pub(super) fn map_buffer(&mut self, shape: &MapShape) -> Buffer {
        let words = self.precision.words(self.batch * shape.len());
        self.memory.buffer(words)
    }

    /// A new stored map.
    fn map(&mut self, shape: MapShape) -> MapId {
        let buffer = self.map_buffer(&shape);
        self.maps.push(Map {
            buffer,
            shape,
            statistics: None,
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
        let node = &self.graph.nodes[index];
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
                let input = self.ungated(lazy);
                self.read(&input, true);
                let map = self.maps[input.map.0];
                if let (Mode::Inference, Some(buffer)) = (self.mode, map.statistics)
                    && input == Lazy::stored(input.map)
                {
                    // The convolution before has taken the means while it wrote the map.
                    let place = Vector {
                        buffer,
                        stride: 2 * map.shape.stride,
                    };
                    let length = node.shape.len();
                    self.vectors.push(VectorInfo { place, length });
                    return Ok(Value::Vector(VectorId(self.vectors.len() - 1)));
                }
                let output = self.vector(node.shape.len());
                self.steps.push(Box::new(AveragePool {
                    view: self.view(&input),
                    to: self.vectors[output.0].place,
                }));
                self.records.push(Record::AveragePool { input, output });
                Value::Vector(output)
            }
            (Op::LogSumExpPool { .. } | Op::PowerPool { .. }, Some(Value::Map(lazy))) => {
                let sharpness = match node.op {
                    Op::LogSumExpPool { sharpness } => Sharpness::Fixed(sharpness),
                    Op::PowerPool { power } => Sharpness::Learned(self.offset(power)),
                    _ => unreachable!("of the two above"),
                };
                let input = self.ungated(lazy);
                self.read(&input, false);
                let output = self.vector(node.shape.len());
                self.steps.push(Box::new(LogSumExpPool {
                    view: self.view(&input),
                    sharpness,
                    to: self.vectors[output.0].place,
                }));
                self.records.push(Record::LogSumExpPool {
                    input,
                    sharpness,
                    output,
                });
                Value::Vector(output)
            }
            (
                &Op::AttentionPool {
                    temperature,
                    share,
                    mean,
                },
                Some(Value::Map(scores)),
            ) => {
                let values = match input(self, 1) {
                    Value::Map(lazy) => lazy,
                    Value::Vector(_) => unreachable!("the builder checks that values are a map"),
                };
                if values.map == MapId(0) {
                    return Err(PlanError::ReadsInput(format!("node {index}")));
                }
                let attention = Attention {
                    temperature,
                    share,
                    mean,
                };
                let scores = self.ungated(scores);
                let values = match node.inputs[0] == node.inputs[1] {
                    true => scores,
                    false => self.ungated(values),
                };
                self.read(&scores, false);
                self.read(&values, false);
                let output = self.vector(node.shape.len());
                self.steps.push(Box::new(AttentionPool {
                    attention,
                    scores: self.view(&scores),
                    values: self.view(&values),
                    to: self.vectors[output.0].place,
                }));
                self.records.push(Record::AttentionPool {
                    scores,
                    values,
                    attention,
                    output,
                });
                Value::Vector(output)
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
                let lazy = self.alone(node.inputs[0], lazy);
                let gated = Lazy {
                    gate: Some(Gate::Learned(factors)),
                    ..lazy
                };
                Value::Map(self.once(index, gated))
            }
            (Op::DropPath(rate), Some(Value::Map(lazy))) => {
                if self.mode == Mode::Inference {
                    return Ok(Value::Map(lazy));
                }
                let factors = self.temporary(node.shape.channels());
                self.steps.push(Box::new(DropPath {
                    rate: *rate,
                    node: index,
                    factors,
                }));
                let lazy = self.alone(node.inputs[0], lazy);
                let gated = Lazy {
                    gate: Some(Gate::Drawn(factors)),
                    ..lazy
                };
                Value::Map(self.once(index, gated))
            }
            (Op::Dropout(rate), Some(Value::Map(lazy))) => {
                if self.mode == Mode::Inference {
                    return Ok(Value::Map(lazy));
                }
                Value::Map(self.drop_values(index, lazy, *rate))
            }
            (Op::Add, Some(Value::Map(_))) => {
                let terms = node
                    .inputs
                    .iter()
                    .filter_map(|id| match self.values[id.0] {
                        Value::Map(lazy) => Some(lazy),
                        Value::Vector(_) => None,
                    })
                    .collect();
                let relu = self.only_activation(index) == Some(Activation::Relu);
                if relu {
                    self.activated.insert(NodeId(index));
                }
                Value::Map(Lazy::stored(self.sum(terms, relu)))
            }
            (Op::Linear { weight, bias }, Some(Value::Vector(input))) => {
                let output = self.vector(node.shape.len());
                let (weight, bias) = (self.offset(*weight), bias.map(|bias| self.offset(bias)));
                self.steps
                    .push(Box::new(self.linear(input, output, weight, bias)));
                self.records.push(Record::Linear {
                    input,
                    output,
                    weight,
                    bias,
                });
                Value::Vector(output)
            }
            (Op::Activation(activation), Some(Value::Vector(input))) => {
                let output = self.vector(node.shape.len());
                self.elementwise(Rule::Activation(*activation), input, None, output);
                self.records.push(Record::VectorActivation {
                    input,
                    output,
                    activation: *activation,
                });
                Value::Vector(output)
            }
            (Op::Add, Some(Value::Vector(first))) => {
                let inputs: Vec<VectorId> = node
                    .inputs
                    .iter()
                    .filter_map(|id| match self.values[id.0] {
                        Value::Vector(id) => Some(id),
                        Value::Map(_) => None,
                    })
                    .collect();
                let output = self.vector(node.shape.len());
                let mut sum = first;
                for &term in &inputs[1..] {
                    self.elementwise(Rule::Add, sum, Some(term), output);
                    sum = output;
                }
                self.records.push(Record::VectorAdd { inputs, output });
                Value::Vector(output)
            }
            (Op::Dropout(rate) | Op::DropPath(rate), Some(Value::Vector(input))) => {
                if self.mode == Mode::Inference {
                    return Ok(Value::Vector(input));
                }
                let output = self.vector(node.shape.len());
                let rule = Rule::Dropout {
                    rate: *rate,
                    node: index,
                    whole: matches!(node.op, Op::DropPath(_)),
                };
                self.elementwise(rule, input, None, output);
                self.records.push(Record::Dropout {
                    input,
                    output,
                    rule,
                });
                Value::Vector(output)
            }
            (Op::Input, _) => {
                let shape = self.graph.input();
                // The picture keeps its one or three channels (in whole words): padding them would be all
                // zeros.
                let stride = shape.channels.next_multiple_of(self.precision.per_word());
                let shape = MapShape {
                    height: shape.height,
                    width: shape.width,
                    channels: shape.channels,
                    stride,
                };
                let map = self.map(shape);
                let to = self.maps[map.0].buffer;
                self.pictures = match self.precision {
                    Precision::F32 => to,
                    Precision::Bf16 => {
                        let values = self.batch * shape.pixels() * shape.channels;
                        let from = self.memory.buffer(values);
                        self.steps.push(Box::new(RoundPictures { from, shape, to }));
                        from
                    }
                };
                self.memory.pin(self.pictures);
                Value::Map(Lazy::stored(map))
            }
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

    /// The activation that alone reads a node.
    fn only_activation(&self, index: usize) -> Option<Activation> {
        let mut readers = self.graph.nodes.iter();
        let reader = readers.find(|reader| reader.inputs.contains(&NodeId(index)))?;
        match reader.op {
            Op::Activation(activation) if self.uses[index] == 1 => Some(activation),
            _ => None,
        }
    }

    /// The activation that a convolution's output is stored through: in inference the one that alone reads it.
    fn stored_activation(&mut self) -> Option<Activation> {
        let index = self.values.len();
        if self.mode == Mode::Training {
            return None;
        }
        let activation = self.only_activation(index)?;
        self.activated.insert(NodeId(index));
        Some(activation)
    }

    fn convolution(
        &mut self,
        node: &Node,
        spec: &Convolution,
        input: Lazy,
        weight: ParameterId,
        bias: Option<ParameterId>,
    ) -> Lazy {
        self.read(&input, false);
        let view = self.view(&input);
        let shape = stored_shape(node);
        let output = self.map(shape);
        let geometry = Geometry {
            kernel: spec.kernel,
            stride: spec.stride,
            padding: spec.padding,
            input: view.shape,
            output: shape,
            precision: self.precision,
        };
        let depthwise = spec.groups > 1;
        let layout = if depthwise {
            Layout::Depthwise
        } else {
            geometry.layouts()[0]
        };
        let packed = self.pack(&geometry, weight, layout);
        let packed_bias = bias.map(|bias| self.pack(&geometry, bias, Layout::Bias));
        let activation = self.stored_activation();
        let Machine { lanes, threads } = self.machine;
        if depthwise {
            let statistics = match self.mode {
                Mode::Training => self.statistics(output, &[shape.pixels()]),
                Mode::Inference => self.means(output),
            };
            self.steps.push(Box::new(depthwise::Forward {
                plane: geometry.plane(),
                view,
                channels: shape.stride,
                block: match self.mode {
                    Mode::Training => depthwise::BLOCK,
                    Mode::Inference => depthwise::Forward::block(shape.stride, self.batch, threads),
                },
                activation,
                weights: packed,
                bias: packed_bias.unwrap_or(self.zeros.buffer),
                output: self.maps[output.0].buffer,
                statistics,
            }));
            self.records.push(Record::Depthwise {
                input,
                output,
                geometry,
                packed,
                weight,
                bias,
            });
        } else {
            let chunks = geometry.forward_chunks();
            let statistics = self.statistics(output, &chunks.pixels());
            self.steps.push(Box::new(ConvolutionForward {
                geometry,
                chunks,
                view,
                weights: packed,
                bias: packed_bias,
                activation,
                parts: match self.mode {
                    Mode::Training => 1,
                    Mode::Inference => {
                        ConvolutionForward::parts(&geometry, self.batch, threads, lanes)
                    }
                },
                output: self.maps[output.0].buffer,
                statistics,
            }));
            self.records.push(Record::Convolution {
                input,
                output,
                geometry,
                weight,
                bias,
            });
        }
        Lazy::stored(output)
    }

    /// A buffer for packed weights, filled at the start of every run.
    pub(super) fn pack(
        &mut self,
        geometry: &Geometry,
        parameter: ParameterId,
        layout: Layout,
    ) -> Buffer {
        let mut entry = Packed {
            offset: self.offset(parameter),
            inputs: geometry.input.channels,
            outputs: geometry.output.channels,
            stored_inputs: geometry.input.stride,
            stored_outputs: geometry.output.stride,
            kernel: geometry.kernel,
            layout,
            precision: geometry.precision,
            to: Buffer(0),
        };
        entry.to = self.memory.buffer(entry.len());
        self.packed.push(entry);
        entry.to
    }

    /// Room for the chunk statistics of a map, where a batch norm of the graph may ask for them.
    fn statistics(&mut self, map: MapId, pixels: &[usize]) -> Option<Buffer> {
        if self.mode == Mode::Inference || !self.is_normalised() {
            return None;
        }
        let stride = self.maps[map.0].shape.stride;
        let buffer = self.memory.buffer(self.batch * pixels.len() * 2 * stride);
        self.maps[map.0].statistics = Some(buffer);
        Some(buffer)
    }

    /// Room for the means of a map that an average pool reads as it is stored.
    fn means(&mut self, map: MapId) -> Option<Buffer> {
        let node = NodeId(self.values.len());
        // Its activation, where that is stored with it, is the node that the pool reads.
        let is_read = |id: NodeId| {
            let mut nodes = self.graph.nodes.iter();
            nodes.any(|node| node.op == Op::AveragePool && node.inputs == [id])
        };
        let nodes = self.graph.nodes.iter().enumerate();
        let pooled = is_read(node)
            || self.activated.contains(&node)
                && nodes
                    .filter(|(_, reader)| reader.inputs == [node])
                    .any(|(reader, _)| is_read(NodeId(reader)));
        pooled.then(|| {
            let stride = self.maps[map.0].shape.stride;
            let buffer = self.memory.buffer(self.batch * 2 * stride);
            self.maps[map.0].statistics = Some(buffer);
            buffer
        })
    }

    /// Whether the node that is being lowered is read by a batch norm.
    fn is_normalised(&self) -> bool {
        self.is_read_by_norm(NodeId(self.values.len()))
    }

    /// Whether a batch norm reads this node.
    fn is_read_by_norm(&self, id: NodeId) -> bool {
        self.graph
            .nodes
            .iter()
            .any(|node| matches!(node.op, Op::BatchNorm { .. }) && node.inputs == [id])
    }

    /// Whether a batch norm reads the sum that is being lowered: itself, through the rectifier that is
    /// stored with it, or because the batch norm asked for it.
    fn sum_is_normalised(&self, relu: bool) -> bool {
        let id = NodeId(self.values.len());
        let asks = self
            .graph
            .nodes
            .get(id.0)
            .is_some_and(|node| matches!(node.op, Op::BatchNorm { .. }));
        let through_rectifier = relu
            && self
                .graph
                .nodes
                .iter()
                .enumerate()
                .any(|(reader, node)| node.inputs == [id] && self.is_read_by_norm(NodeId(reader)));
        asks || through_rectifier || self.is_normalised()
    }

    fn batch_norm(&mut self, node: &Node, lazy: Lazy) -> Lazy {
        let Op::BatchNorm {
            epsilon,
            weight,
            bias,
            mean,
            variance,
            momentum,
        } = node.op
        else {
            unreachable!("called for batch norms");
        };
        let lazy = if lazy == Lazy::stored(lazy.map) {
            lazy
        } else {
            Lazy::stored(self.sum(vec![lazy], false))
        };
        let map = self.maps[lazy.map.0];
        let stride = map.shape.stride;
        let rows = Norm {
            buffer: self.memory.pinned(NORM_ROWS * stride),
            stride,
        };
        let parameters = Parameters {
            channels: map.shape.channels,
            epsilon,
            momentum,
            weight: self.offset(weight),
            bias: self.offset(bias),
            mean: self.offset(mean),
            variance: self.offset(variance),
        };
        if self.mode == Mode::Inference {
            self.loading.push(Box::new(RunningCoefficients {
                norm: rows,
                parameters,
            }));
        } else {
            let (statistics, pixels) = self.taken_statistics(lazy.map);
            self.steps.push(Box::new(BatchCoefficients {
                norm: rows,
                parameters,
                statistics,
                pixels,
            }));
        }
        self.norms.push(NormInfo { rows, parameters });
        Lazy {
            norm: Some(NormId(self.norms.len() - 1)),
            ..lazy
        }
    }

    /// The chunk statistics of a map: its producer's, or a pass of their own.
    fn taken_statistics(&mut self, id: MapId) -> (Buffer, Vec<usize>) {
        let map = self.maps[id.0];
        let producer = self.records.iter().find_map(|record| match record {
            Record::Convolution {
                output, geometry, ..
            } if *output == id => Some(geometry.forward_chunks().pixels()),
            Record::Depthwise { output, .. } if *output == id => Some(vec![map.shape.pixels()]),
            Record::Sum { output, .. } if *output == id => Some(Runs::new(&map.shape).lengths()),
            _ => None,
        });
        if let (Some(buffer), Some(pixels)) = (map.statistics, producer) {
            return (buffer, pixels);
        }
        let runs = Runs::new(&map.shape);
        let statistics = self
            .memory
            .buffer(self.batch * runs.per_picture * 2 * map.shape.stride);
        self.steps.push(Box::new(MapStatistics {
            map: map.buffer,
            shape: map.shape,
            runs,
            statistics,
        }));
        (statistics, runs.lengths())
    }

    fn activation(&mut self, input: NodeId, lazy: Lazy, activation: Activation) -> Lazy {
        if self.activated.contains(&input) {
            return lazy;
        }
        let lazy = if lazy.activation.is_some() || lazy.gate.is_some() {
            Lazy::stored(self.sum(vec![lazy], false))
        } else {
            lazy
        };
        Lazy {
            activation: Some(activation),
            ..lazy
        }
    }

    /// The same value without a factor pending.
    fn ungated(&mut self, lazy: Lazy) -> Lazy {
        if lazy.gate.is_some() {
            Lazy::stored(self.sum(vec![lazy], false))
        } else {
            lazy
        }
    }

    /// A value that a factor can be put on: ungated, and not read densely by any other node.
    fn alone(&mut self, node: NodeId, lazy: Lazy) -> Lazy {
        let dense_readers = self
            .graph
            .nodes
            .iter()
            .filter(|reader| reader.op != Op::AveragePool && reader.inputs.contains(&node))
            .count();
        if lazy.gate.is_some() || dense_readers > 1 {
            Lazy::stored(self.sum(vec![lazy], false))
        } else {
            lazy
        }
    }

    /// A gated value that one node reads; stored where more do.
    fn once(&mut self, index: usize, lazy: Lazy) -> Lazy {
        if self.uses[index] > 1 {
            Lazy::stored(self.sum(vec![lazy], false))
        } else {
            lazy
        }
    }

    fn sum(&mut self, terms: Vec<Lazy>, relu: bool) -> MapId {
        for term in &terms {
            self.read(term, false);
        }
        let views: Vec<View> = terms.iter().map(|term| self.view(term)).collect();
        let shape = views[0].shape;
        let output = self.map(shape);
        let runs = Runs::new(&shape);
        let statistics = if self.mode == Mode::Training && self.sum_is_normalised(relu) {
            let stride = shape.stride;
            let buffer = self
                .memory
                .buffer(self.batch * runs.per_picture * 2 * stride);
            self.maps[output.0].statistics = Some(buffer);
            Some(buffer)
        } else {
            None
        };
        self.steps.push(Box::new(Sum {
            terms: views,
            relu,
            shape,
            output: self.maps[output.0].buffer,
            runs,
            statistics,
        }));
        self.records.push(Record::Sum {
            terms,
            relu,
            output,
        });
        output
    }

    fn max_pool(&mut self, node: &Node, input: Lazy, window: Window) -> Lazy {
        let input = self.ungated(input);
        self.read(&input, false);
        let shape = stored_shape(node);
        let output = self.map(shape);
        let places = self.memory.buffer(self.batch * shape.len());
        self.steps.push(Box::new(MaxPool {
            view: self.view(&input),
            window,
            shape,
            output: self.maps[output.0].buffer,
            places,
        }));
        self.records.push(Record::MaxPool {
            input,
            places,
            output,
        });
        Lazy::stored(output)
    }

    /// Dropout of a map in training: the dropped map is stored.
    fn drop_values(&mut self, node: usize, input: Lazy, rate: f32) -> Lazy {
        self.read(&input, false);
        let view = self.view(&input);
        let output = self.map(view.shape);
        self.steps.push(Box::new(DropValues {
            view: Some(view),
            rate,
            node,
            shape: view.shape,
            to: self.maps[output.0].buffer,
        }));
        self.records.push(Record::DropValues {
            input,
            output,
            rate,
            node,
        });
        Lazy::stored(output)
    }

    pub(super) fn linear(
        &self,
        input: VectorId,
        output: VectorId,
        weight: usize,
        bias: Option<usize>,
    ) -> Linear {
        let (from, to) = (self.vectors[input.0], self.vectors[output.0]);
        Linear {
            input: from.place,
            inputs: from.length,
            output: to.place,
            outputs: to.length,
            weight,
            bias,
        }
    }

    fn elementwise(&mut self, rule: Rule, a: VectorId, b: Option<VectorId>, to: VectorId) {
        let to = self.vectors[to.0];
        self.steps.push(Box::new(Elementwise {
            rule,
            a: self.vectors[a.0].place,
            b: b.map(|b| self.vectors[b.0].place),
            to: to.place,
            length: to.length,
            accumulate: false,
        }));
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
