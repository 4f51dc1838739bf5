//! A graph under work.

use super::RewriteError;
use crate::{
    Convolution, Graph, ImageShape, Initial, NodeId, Op, Parameter, ParameterId, Role, Weights,
};

/// An operation and what it reads; its shape follows when the graph is finished.
#[derive(Clone)]
pub(super) struct Layer {
    pub op: Op,
    pub inputs: Vec<NodeId>,
}

/// A graph whose nodes may be replaced and whose parameters hold their own values. Nodes and
/// parameters are only added or left unused; [`Draft::finish`] drops what nothing needs and checks the rest.
pub(super) struct Draft {
    pub input: ImageShape,
    /// Node 0, the input, among them.
    pub nodes: Vec<Layer>,
    pub parameters: Vec<Parameter>,
    pub values: Vec<Vec<f32>>,
    pub outputs: Vec<NodeId>,
}

impl Draft {
    /// # Errors
    /// [`RewriteError::Graph`] where the weights are not the graph's.
    pub fn new(graph: &Graph, weights: &Weights) -> Result<Self, RewriteError> {
        weights.check(graph.trainable_len(), graph.buffer_len())?;
        let values = graph.parameters().iter().map(|p| weights.of(p).to_vec());
        let nodes = graph.nodes().iter().map(|node| Layer {
            op: node.op.clone(),
            inputs: node.inputs.clone(),
        });
        Ok(Self {
            input: graph.input(),
            nodes: nodes.collect(),
            parameters: graph.parameters().to_vec(),
            values: values.collect(),
            outputs: graph.outputs().to_vec(),
        })
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
        let name = self.parameters[weight.0].name();
        name.strip_suffix(".weight").unwrap_or(name)
    }

    /// Puts a convolution with bias in the place of a node.
    ///
    /// # Errors
    /// [`RewriteError::Graph`] where there are no filters, or too many.
    pub fn replace_by_convolution(
        &mut self,
        node: NodeId,
        input: NodeId,
        spec: Convolution,
        layer: &str,
        weight: &[f64],
        bias: &[f64],
    ) -> Result<(), RewriteError> {
        let inputs = weight.len() / (spec.channels * spec.kernel * spec.kernel);
        let shape = spec.filters(inputs * spec.groups);
        let name = format!("{layer}.weight");
        let weight = self.add(
            Parameter::new(name, shape, Role::Weight, spec.initial())?,
            weight,
        );
        let (name, shape) = (format!("{layer}.bias"), vec![spec.channels]);
        let zero = Initial::Constant(0.0);
        let bias = self.add(Parameter::new(name, shape, Role::Bias, zero)?, bias);
        self.nodes[node.0] = Layer {
            inputs: vec![input],
            op: Op::Convolution {
                spec: spec.with_bias(),
                weight,
                bias: Some(bias),
            },
        };
        Ok(())
    }

    fn add(&mut self, parameter: Parameter, values: &[f64]) -> ParameterId {
        self.parameters.push(parameter);
        self.values.push(values.iter().map(|&x| x as f32).collect());
        ParameterId(self.parameters.len() - 1)
    }

    /// The graph of the nodes that lead to the outputs (and the input), its parameters in the order
    /// in which nodes use them.
    ///
    /// # Errors
    /// [`RewriteError::Graph`] where the rewritten list is no graph: two layers came to have one name.
    pub fn finish(self) -> Result<(Graph, Weights), RewriteError> {
        let readers = self.readers();
        let mut places = vec![NodeId(0); self.nodes.len()];
        let (mut layers, mut parameters) = (Vec::new(), Vec::new());
        let (mut trainable, mut buffers) = (Vec::new(), Vec::new());
        for (index, mut node) in self.nodes.into_iter().enumerate().skip(1) {
            if readers[index] == 0 {
                continue;
            }
            for input in &mut node.inputs {
                *input = places[input.0];
            }
            for id in node.op.parameters_mut() {
                let parameter = self.parameters[id.0].clone();
                match parameter.role().is_trainable() {
                    true => trainable.extend(&self.values[id.0]),
                    false => buffers.extend(&self.values[id.0]),
                }
                *id = ParameterId(parameters.len());
                parameters.push(parameter);
            }
            layers.push((node.op, node.inputs));
            places[index] = NodeId(layers.len());
        }
        let outputs = self.outputs.iter().map(|id| places[id.0]).collect();
        let graph = Graph::new(self.input, layers, parameters, outputs)?;
        let weights = Weights::new(&graph, trainable, buffers)?;
        Ok((graph, weights))
    }
}
