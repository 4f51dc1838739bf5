//! A graph under work.

use crate::{Convolution, Graph, Initial, Node, NodeId, Op, Parameter, ParameterId, Role, Weights};

/// A graph whose nodes may be replaced and whose parameters hold their own values. Nodes and
/// parameters are only added or left unused; [`Draft::finish`] drops what nothing needs.
pub(super) struct Draft {
    pub nodes: Vec<Node>,
    pub parameters: Vec<Parameter>,
    pub values: Vec<Vec<f32>>,
    pub outputs: Vec<NodeId>,
}

impl Draft {
    pub fn new(graph: &Graph, weights: &Weights) -> Self {
        let values = graph.parameters.iter().map(|p| weights.of(p).to_vec());
        Self {
            nodes: graph.nodes.clone(),
            parameters: graph.parameters.clone(),
            values: values.collect(),
            outputs: graph.outputs.clone(),
        }
    }

    pub fn op(&self, node: NodeId) -> &Op {
        &self.nodes[node.0].op
    }

    /// The node's first input.
    pub fn input(&self, node: NodeId) -> NodeId {
        self.nodes[node.0].inputs[0]
    }

    /// How often each node is read, being an output included. Nodes that lead nowhere do not count
    /// as readers.
    pub fn readers(&self) -> Vec<usize> {
        let mut readers = vec![0; self.nodes.len()];
        for output in &self.outputs {
            readers[output.0] += 1;
        }
        for (index, node) in self.nodes.iter().enumerate().rev() {
            if readers[index] > 0 {
                for input in &node.inputs {
                    readers[input.0] += 1;
                }
            }
        }
        readers
    }

    /// Lets all readers of one node read another.
    pub fn redirect(&mut self, from: NodeId, to: NodeId) {
        let inputs = self.nodes.iter_mut().flat_map(|node| &mut node.inputs);
        for id in inputs.chain(&mut self.outputs).filter(|id| **id == from) {
            *id = to;
        }
    }

    pub fn values(&self, parameter: ParameterId) -> Vec<f64> {
        let values = self.values[parameter.0].iter();
        values.copied().map(f64::from).collect()
    }

    /// The name of the layer that owns a weight.
    pub fn layer(&self, weight: ParameterId) -> &str {
        let name = self.parameters[weight.0].name.as_str();
        name.strip_suffix(".weight").unwrap_or(name)
    }

    /// Puts a convolution with bias in the place of a node.
    pub fn replace_by_convolution(
        &mut self,
        node: NodeId,
        input: NodeId,
        spec: Convolution,
        layer: &str,
        weight: &[f64],
        bias: &[f64],
    ) {
        let inputs = weight.len() / (spec.channels * spec.kernel * spec.kernel);
        let shape = vec![spec.channels, inputs, spec.kernel, spec.kernel];
        let fan_out = spec.kernel * spec.kernel * spec.channels / spec.groups;
        let normal = Initial::Normal((2.0 / fan_out as f32).sqrt());
        let weight = self.add(
            format!("{layer}.weight"),
            shape,
            Role::Weight,
            normal,
            weight,
        );
        let shape = vec![spec.channels];
        let zero = Initial::Constant(0.0);
        let bias = self.add(format!("{layer}.bias"), shape, Role::Bias, zero, bias);
        let node = &mut self.nodes[node.0];
        node.inputs = vec![input];
        node.op = Op::Convolution {
            spec: spec.with_bias(),
            weight,
            bias: Some(bias),
        };
    }

    fn add(
        &mut self,
        name: String,
        shape: Vec<usize>,
        role: Role,
        initial: Initial,
        values: &[f64],
    ) -> ParameterId {
        self.parameters.push(Parameter {
            name,
            shape,
            role,
            initial,
            offset: 0,
        });
        self.values.push(values.iter().map(|&x| x as f32).collect());
        ParameterId(self.parameters.len() - 1)
    }

    /// The graph of the nodes that lead to the outputs (and the input), its parameters in the order
    /// in which nodes use them.
    pub fn finish(self) -> (Graph, Weights) {
        let readers = self.readers();
        let mut places = vec![NodeId(0); self.nodes.len()];
        let mut graph = Graph {
            nodes: Vec::new(),
            parameters: Vec::new(),
            outputs: Vec::new(),
        };
        let mut weights = Weights {
            trainable: Vec::new(),
            buffers: Vec::new(),
        };
        for (index, mut node) in self.nodes.into_iter().enumerate() {
            if index > 0 && readers[index] == 0 {
                continue;
            }
            places[index] = NodeId(graph.nodes.len());
            for input in &mut node.inputs {
                *input = places[input.0];
            }
            for id in parameters_mut(&mut node.op) {
                let mut parameter = self.parameters[id.0].clone();
                let arena = match parameter.role.is_trainable() {
                    true => &mut weights.trainable,
                    false => &mut weights.buffers,
                };
                parameter.offset = arena.len();
                arena.extend(&self.values[id.0]);
                *id = ParameterId(graph.parameters.len());
                graph.parameters.push(parameter);
            }
            graph.nodes.push(node);
        }
        graph.outputs = self.outputs.iter().map(|id| places[id.0]).collect();
        (graph, weights)
    }
}

/// The parameters that an operation reads.
fn parameters_mut(op: &mut Op) -> Vec<&mut ParameterId> {
    match op {
        Op::Convolution { weight, bias, .. } | Op::Linear { weight, bias } => {
            std::iter::once(weight).chain(bias).collect()
        }
        Op::BatchNorm {
            weight,
            bias,
            mean,
            variance,
            ..
        } => vec![weight, bias, mean, variance],
        Op::PowerPool { power } => vec![power],
        Op::Input
        | Op::Activation(_)
        | Op::AveragePool
        | Op::LogSumExpPool { .. }
        | Op::AttentionPool { .. }
        | Op::MaxPool { .. }
        | Op::Scale
        | Op::Add
        | Op::Dropout(_)
        | Op::DropPath(_) => Vec::new(),
    }
}
