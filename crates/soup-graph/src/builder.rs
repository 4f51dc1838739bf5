//! Building a graph node by node, shapes checked on the way.

use thiserror::Error;

use crate::{
    Activation, Convolution, Graph, ImageShape, Initial, NodeId, Op, Parameter, ParameterId, Role,
    Shape,
};

/// Why a node cannot be added.
#[derive(Debug, Error, PartialEq)]
pub enum GraphError {
    /// An operation got a shape that it cannot read.
    #[error("{name}: {problem}")]
    Shape {
        /// Name of the layer or of the operation.
        name: String,
        /// What is wrong with its input.
        problem: String,
    },
    /// Two parameters would have the same name.
    #[error("two parameters are called '{0}'")]
    DuplicateName(String),
    /// Values of another number than the graph's.
    #[error("{got} {kind} values do not fit a network of {expected}")]
    Length {
        /// "trained" or "running".
        kind: &'static str,
        /// Values of the graph.
        expected: usize,
        /// Values given.
        got: usize,
    },
    /// The network has no symmetric form.
    #[error("no p4 symmetry: {0}")]
    Symmetry(String),
}

/// Builds a [`Graph`]. Methods panic on a [`NodeId`] of another graph that stands behind the last node.
#[derive(Debug)]
pub struct Builder {
    input: ImageShape,
    layers: Vec<(Op, Vec<NodeId>)>,
    /// Of every node, the input's first.
    shapes: Vec<Shape>,
    parameters: Vec<Parameter>,
}

impl Builder {
    /// A graph with one node, its input.
    pub fn new(input: ImageShape) -> Self {
        Self {
            input,
            layers: Vec::new(),
            shapes: vec![Shape::Map(input)],
            parameters: Vec::new(),
        }
    }

    /// The image.
    pub fn input(&self) -> NodeId {
        NodeId(0)
    }

    /// Shape of a node's output.
    pub fn shape(&self, node: NodeId) -> Shape {
        self.shapes[node.0]
    }

    /// Adds a parameter to the graph without a node.
    fn parameter(
        &mut self,
        name: String,
        shape: Vec<usize>,
        role: Role,
        initial: Initial,
    ) -> Result<ParameterId, GraphError> {
        if self.parameters.iter().any(|p| p.name == name) {
            return Err(GraphError::DuplicateName(name));
        }
        let parameter = Parameter::new(name, shape, role, initial)?;
        self.parameters.push(parameter);
        Ok(ParameterId(self.parameters.len() - 1))
    }

    /// Adds a node; `name` is what an error calls it.
    fn push(&mut self, name: &str, op: Op, inputs: &[NodeId]) -> Result<NodeId, GraphError> {
        let shapes: Vec<Shape> = inputs.iter().map(|&input| self.shape(input)).collect();
        let shape = op.output(&shapes, &self.parameters);
        let shape = shape.map_err(|problem| wrong(name, problem))?;
        Ok(self.put(op, inputs, shape))
    }

    fn put(&mut self, op: Op, inputs: &[NodeId], shape: Shape) -> NodeId {
        self.layers.push((op, inputs.to_vec()));
        self.shapes.push(shape);
        NodeId(self.layers.len())
    }

    fn map(&self, name: &str, node: NodeId) -> Result<ImageShape, GraphError> {
        let shape = self.shape(node).map();
        shape.map_err(|problem| wrong(name, problem))
    }

    fn vector(&self, name: &str, node: NodeId) -> Result<usize, GraphError> {
        let length = self.shape(node).vector();
        length.map_err(|problem| wrong(name, problem))
    }

    /// Convolution named `name` (parameters `name.weight`, `name.bias`), started by timm's rule:
    /// normal with variance `2 / fan_out`, `fan_out = rows * columns * out / groups`.
    ///
    /// # Errors
    /// Where the input is no map, groups are neither 1 nor depthwise, or the kernel is larger than the
    /// padded map.
    pub fn convolution(
        &mut self,
        name: &str,
        input: NodeId,
        spec: Convolution,
    ) -> Result<NodeId, GraphError> {
        let inputs = self.map(name, input)?.channels;
        let weight = self.parameter(
            format!("{name}.weight"),
            spec.filters(inputs),
            Role::Weight,
            spec.initial(),
        )?;
        let bias = self.bias(name, spec.channels, spec.bias, Initial::Constant(0.0))?;
        self.push(name, Op::Convolution { spec, weight, bias }, &[input])
    }

    fn bias(
        &mut self,
        name: &str,
        length: usize,
        wanted: bool,
        initial: Initial,
    ) -> Result<Option<ParameterId>, GraphError> {
        if !wanted {
            return Ok(None);
        }
        self.parameter(format!("{name}.bias"), vec![length], Role::Bias, initial)
            .map(Some)
    }

    /// Batch norm named `name` (`weight`, `bias`, `running_mean`, `running_var`).
    ///
    /// # Errors
    /// Where the input is no map.
    pub fn batch_norm(
        &mut self,
        name: &str,
        input: NodeId,
        epsilon: f32,
        momentum: f32,
    ) -> Result<NodeId, GraphError> {
        let shape = self.map(name, input)?;
        let mut add = |suffix: &str, role, value| {
            self.parameter(
                format!("{name}.{suffix}"),
                vec![shape.channels],
                role,
                Initial::Constant(value),
            )
        };
        let op = Op::BatchNorm {
            epsilon,
            momentum,
            weight: add("weight", Role::NormWeight, 1.0)?,
            bias: add("bias", Role::NormBias, 0.0)?,
            mean: add("running_mean", Role::RunningMean, 0.0)?,
            variance: add("running_var", Role::RunningVariance, 1.0)?,
        };
        self.push(name, op, &[input])
    }

    /// Element-wise function.
    pub fn activation(&mut self, input: NodeId, activation: Activation) -> NodeId {
        self.put(Op::Activation(activation), &[input], self.shape(input))
    }

    /// Mean over rows and columns.
    ///
    /// # Errors
    /// Where the input is no map.
    pub fn average_pool(&mut self, input: NodeId) -> Result<NodeId, GraphError> {
        self.push("average pool", Op::AveragePool, &[input])
    }

    /// Smooth maximum over rows and columns.
    ///
    /// # Errors
    /// Where the input is no map.
    pub fn log_sum_exp_pool(
        &mut self,
        input: NodeId,
        sharpness: f32,
    ) -> Result<NodeId, GraphError> {
        let op = Op::LogSumExpPool { sharpness };
        self.push("log-sum-exp pool", op, &[input])
    }

    /// Smooth maximum over rows and columns whose sharpness is learned from `start`: parameter
    /// `name.power`, which does not decay.
    ///
    /// # Errors
    /// Where the input is no map.
    pub fn power_pool(
        &mut self,
        name: &str,
        input: NodeId,
        start: f32,
    ) -> Result<NodeId, GraphError> {
        let start = Initial::Constant(start);
        let power = self.parameter(format!("{name}.power"), vec![1], Role::Bias, start)?;
        self.push("power pool", Op::PowerPool { power }, &[input])
    }

    /// Attention over rows and columns: `mean * mean(values) + share * sum(softmax(temperature *
    /// scores) values)` of each channel.
    ///
    /// # Errors
    /// Where an input is no map or the two differ in shape.
    pub fn attention_pool(
        &mut self,
        scores: NodeId,
        values: NodeId,
        temperature: f32,
        share: f32,
        mean: f32,
    ) -> Result<NodeId, GraphError> {
        let op = Op::AttentionPool {
            temperature,
            share,
            mean,
        };
        self.push("attention pool", op, &[scores, values])
    }

    /// Largest value in a window.
    ///
    /// # Errors
    /// Where the input is no map or smaller than the window.
    pub fn max_pool(
        &mut self,
        input: NodeId,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> Result<NodeId, GraphError> {
        let op = Op::MaxPool {
            kernel,
            stride,
            padding,
        };
        self.push("max pool", op, &[input])
    }

    /// A map times one factor a channel.
    ///
    /// # Errors
    /// Where the vector's length is not the map's number of channels.
    pub fn scale(&mut self, map: NodeId, factors: NodeId) -> Result<NodeId, GraphError> {
        self.push("scale", Op::Scale, &[map, factors])
    }

    /// Sum of nodes of one shape.
    ///
    /// # Errors
    /// Where there are fewer than two or their shapes differ.
    pub fn add(&mut self, terms: &[NodeId]) -> Result<NodeId, GraphError> {
        self.push("add", Op::Add, terms)
    }

    /// Linear layer named `name` on a vector, started as PyTorch's: uniform within
    /// `1 / sqrt(inputs)`.
    ///
    /// # Errors
    /// Where the input is no vector.
    pub fn linear(
        &mut self,
        name: &str,
        input: NodeId,
        outputs: usize,
        bias: bool,
    ) -> Result<NodeId, GraphError> {
        let inputs = self.vector(name, input)?;
        let bound = Initial::Uniform(1.0 / (inputs as f32).sqrt());
        self.dense(
            name,
            input,
            vec![outputs, inputs],
            bias.then_some(bound),
            bound,
        )
    }

    /// A 1x1 convolution on a vector (as timm's squeeze-excite has it): a linear layer whose weight
    /// is shaped `[out, in, 1, 1]`, started as [`Builder::convolution`].
    ///
    /// # Errors
    /// Where the input is no vector.
    pub fn pointwise(
        &mut self,
        name: &str,
        input: NodeId,
        outputs: usize,
        bias: bool,
    ) -> Result<NodeId, GraphError> {
        let inputs = self.vector(name, input)?;
        let normal = Initial::Normal((2.0 / outputs as f32).sqrt());
        let bias = bias.then_some(Initial::Constant(0.0));
        self.dense(name, input, vec![outputs, inputs, 1, 1], bias, normal)
    }

    fn dense(
        &mut self,
        name: &str,
        input: NodeId,
        shape: Vec<usize>,
        bias: Option<Initial>,
        weight: Initial,
    ) -> Result<NodeId, GraphError> {
        let outputs = shape[0];
        let weight = self.parameter(format!("{name}.weight"), shape, Role::Weight, weight)?;
        let initial = bias.unwrap_or(Initial::Constant(0.0));
        let bias = self.bias(name, outputs, bias.is_some(), initial)?;
        self.push(name, Op::Linear { weight, bias }, &[input])
    }

    /// Dropout of values; a rate of 0 adds no node.
    pub fn dropout(&mut self, input: NodeId, rate: f32) -> NodeId {
        self.drop(input, rate, Op::Dropout(rate))
    }

    /// Dropout of a whole branch an image (stochastic depth); a rate of 0 adds no node.
    pub fn drop_path(&mut self, input: NodeId, rate: f32) -> NodeId {
        self.drop(input, rate, Op::DropPath(rate))
    }

    fn drop(&mut self, input: NodeId, rate: f32, op: Op) -> NodeId {
        if rate == 0.0 {
            return input;
        }
        self.put(op, &[input], self.shape(input))
    }

    /// The finished graph.
    ///
    /// # Errors
    /// [`GraphError`] where there is no output or one is no node of it, or a rate of dropping is out of range.
    pub fn finish(self, outputs: &[NodeId]) -> Result<Graph, GraphError> {
        Graph::new(self.input, self.layers, self.parameters, outputs.to_vec())
    }
}

fn wrong(name: &str, problem: String) -> GraphError {
    GraphError::Shape {
        name: name.to_owned(),
        problem,
    }
}
