//! Building a graph node by node, shapes checked on the way.

use thiserror::Error;

use crate::{
    Activation, Convolution, Graph, ImageShape, Initial, Node, NodeId, Op, Parameter, ParameterId,
    Role, Shape,
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
    /// The network has no symmetric form.
    #[error("no p4 symmetry: {0}")]
    Symmetry(String),
}

/// Builds a [`Graph`].
#[derive(Debug)]
pub struct Builder {
    nodes: Vec<Node>,
    parameters: Vec<Parameter>,
    arena_len: [usize; 2],
}

impl Builder {
    /// A graph with one node, its input.
    pub fn new(input: ImageShape) -> Self {
        Self {
            nodes: vec![Node {
                op: Op::Input,
                inputs: Vec::new(),
                shape: Shape::Map(input),
            }],
            parameters: Vec::new(),
            arena_len: [0; 2],
        }
    }

    /// The picture.
    pub fn input(&self) -> NodeId {
        NodeId(0)
    }

    /// Shape of a node's output.
    pub fn shape(&self, node: NodeId) -> Shape {
        self.nodes[node.0].shape
    }

    /// Adds a parameter to the graph without a node.
    ///
    /// # Errors
    /// [`GraphError::DuplicateName`] where the name is taken.
    pub fn parameter(
        &mut self,
        name: String,
        shape: Vec<usize>,
        role: Role,
        initial: Initial,
    ) -> Result<ParameterId, GraphError> {
        if self.parameters.iter().any(|p| p.name == name) {
            return Err(GraphError::DuplicateName(name));
        }
        let arena = &mut self.arena_len[usize::from(role.is_trainable())];
        let parameter = Parameter {
            name,
            shape,
            role,
            initial,
            offset: *arena,
        };
        *arena += parameter.len();
        self.parameters.push(parameter);
        Ok(ParameterId(self.parameters.len() - 1))
    }

    /// Changes how a parameter starts.
    pub fn set_initial(&mut self, parameter: ParameterId, initial: Initial) {
        self.parameters[parameter.0].initial = initial;
    }

    fn push(&mut self, op: Op, inputs: &[NodeId], shape: Shape) -> NodeId {
        self.nodes.push(Node {
            op,
            inputs: inputs.to_vec(),
            shape,
        });
        NodeId(self.nodes.len() - 1)
    }

    fn map(&self, name: &str, node: NodeId) -> Result<ImageShape, GraphError> {
        match self.shape(node) {
            Shape::Map(shape) => Ok(shape),
            Shape::Vector(length) => Err(GraphError::Shape {
                name: name.to_owned(),
                problem: format!("needs a feature map, got a vector of {length}"),
            }),
        }
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
        let shape = self.map(name, input)?;
        let wrong = |problem: String| GraphError::Shape {
            name: name.to_owned(),
            problem,
        };
        let depthwise = spec.groups == shape.channels && spec.groups == spec.channels;
        if spec.groups != 1 && !depthwise {
            return Err(wrong(format!(
                "{} groups with {} input and {} output channels: only 1 and depthwise are supported",
                spec.groups, shape.channels, spec.channels
            )));
        }
        if spec.kernel == 0 || spec.stride == 0 || spec.channels == 0 {
            return Err(wrong(
                "kernel, stride and channels must be at least 1".to_owned(),
            ));
        }
        if spec.kernel > shape.height.min(shape.width) + 2 * spec.padding {
            return Err(wrong(format!(
                "a kernel of {} does not fit a map of {}x{} padded by {}",
                spec.kernel, shape.height, shape.width, spec.padding
            )));
        }
        let fan_out = spec.kernel * spec.kernel * spec.channels / spec.groups;
        let weight = self.parameter(
            format!("{name}.weight"),
            vec![
                spec.channels,
                shape.channels / spec.groups,
                spec.kernel,
                spec.kernel,
            ],
            Role::Weight,
            Initial::Normal((2.0 / fan_out as f32).sqrt()),
        )?;
        let bias = self.bias(name, spec.channels, spec.bias, Initial::Constant(0.0))?;
        let output = ImageShape {
            channels: spec.channels,
            height: spec.output_side(shape.height),
            width: spec.output_side(shape.width),
        };
        Ok(self.push(
            Op::Convolution { spec, weight, bias },
            &[input],
            Shape::Map(output),
        ))
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
        Ok(self.push(op, &[input], Shape::Map(shape)))
    }

    /// Element-wise function.
    pub fn activation(&mut self, input: NodeId, activation: Activation) -> NodeId {
        let shape = self.shape(input);
        self.push(Op::Activation(activation), &[input], shape)
    }

    /// Mean over rows and columns.
    ///
    /// # Errors
    /// Where the input is no map.
    pub fn average_pool(&mut self, input: NodeId) -> Result<NodeId, GraphError> {
        let shape = self.map("average pool", input)?;
        Ok(self.push(Op::AveragePool, &[input], Shape::Vector(shape.channels)))
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
        let shape = self.map("log-sum-exp pool", input)?;
        Ok(self.push(
            Op::LogSumExpPool { sharpness },
            &[input],
            Shape::Vector(shape.channels),
        ))
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
        let shape = self.map("power pool", input)?;
        let start = Initial::Constant(start);
        let power = self.parameter(format!("{name}.power"), vec![1], Role::Bias, start)?;
        let op = Op::PowerPool { power };
        Ok(self.push(op, &[input], Shape::Vector(shape.channels)))
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
        let name = "attention pool";
        let (by, shape) = (self.map(name, scores)?, self.map(name, values)?);
        if by != shape {
            return Err(GraphError::Shape {
                name: name.to_owned(),
                problem: format!("scores of {by:?} do not fit values of {shape:?}"),
            });
        }
        let op = Op::AttentionPool {
            temperature,
            share,
            mean,
        };
        Ok(self.push(op, &[scores, values], Shape::Vector(shape.channels)))
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
        let shape = self.map("max pool", input)?;
        if kernel > shape.height.min(shape.width) + 2 * padding || 2 * padding > kernel {
            return Err(GraphError::Shape {
                name: "max pool".to_owned(),
                problem: format!(
                    "a window of {kernel} padded by {padding} does not fit {}x{}",
                    shape.height, shape.width
                ),
            });
        }
        let side = |side: usize| (side + 2 * padding - kernel) / stride + 1;
        let output = ImageShape {
            channels: shape.channels,
            height: side(shape.height),
            width: side(shape.width),
        };
        Ok(self.push(
            Op::MaxPool {
                kernel,
                stride,
                padding,
            },
            &[input],
            Shape::Map(output),
        ))
    }

    /// A map times one factor a channel.
    ///
    /// # Errors
    /// Where the vector's length is not the map's number of channels.
    pub fn scale(&mut self, map: NodeId, factors: NodeId) -> Result<NodeId, GraphError> {
        let shape = self.map("scale", map)?;
        if self.shape(factors) != Shape::Vector(shape.channels) {
            return Err(GraphError::Shape {
                name: "scale".to_owned(),
                problem: format!(
                    "{} channels need as many factors, got {:?}",
                    shape.channels,
                    self.shape(factors)
                ),
            });
        }
        Ok(self.push(Op::Scale, &[map, factors], Shape::Map(shape)))
    }

    /// Sum of nodes of one shape.
    ///
    /// # Errors
    /// Where there are fewer than two or their shapes differ.
    pub fn add(&mut self, terms: &[NodeId]) -> Result<NodeId, GraphError> {
        let shapes: Vec<Shape> = terms.iter().map(|&term| self.shape(term)).collect();
        if shapes.len() < 2 || shapes.iter().any(|shape| *shape != shapes[0]) {
            return Err(GraphError::Shape {
                name: "add".to_owned(),
                problem: format!("needs two or more terms of one shape, got {shapes:?}"),
            });
        }
        Ok(self.push(Op::Add, terms, shapes[0]))
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
        self.dense(name, input, vec![outputs, inputs], bias)
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
        let node = self.dense(name, input, vec![outputs, inputs, 1, 1], bias)?;
        if let Op::Linear { weight, bias } = self.nodes[node.0].op {
            self.set_initial(weight, Initial::Normal((2.0 / outputs as f32).sqrt()));
            if let Some(bias) = bias {
                self.set_initial(bias, Initial::Constant(0.0));
            }
        }
        Ok(node)
    }

    fn vector(&self, name: &str, node: NodeId) -> Result<usize, GraphError> {
        match self.shape(node) {
            Shape::Vector(length) => Ok(length),
            Shape::Map(shape) => Err(GraphError::Shape {
                name: name.to_owned(),
                problem: format!("needs a vector, got a map of {shape:?}"),
            }),
        }
    }

    fn dense(
        &mut self,
        name: &str,
        input: NodeId,
        shape: Vec<usize>,
        bias: bool,
    ) -> Result<NodeId, GraphError> {
        let (outputs, inputs) = (shape[0], shape[1]);
        let bound = Initial::Uniform(1.0 / (inputs as f32).sqrt());
        let weight = self.parameter(format!("{name}.weight"), shape, Role::Weight, bound)?;
        let bias = self.bias(name, outputs, bias, bound)?;
        Ok(self.push(
            Op::Linear { weight, bias },
            &[input],
            Shape::Vector(outputs),
        ))
    }

    /// Dropout of values; a rate of 0 adds no node.
    pub fn dropout(&mut self, input: NodeId, rate: f32) -> NodeId {
        self.drop(input, rate, Op::Dropout(rate))
    }

    /// Dropout of a whole branch a picture (stochastic depth); a rate of 0 adds no node.
    pub fn drop_path(&mut self, input: NodeId, rate: f32) -> NodeId {
        self.drop(input, rate, Op::DropPath(rate))
    }

    fn drop(&mut self, input: NodeId, rate: f32, op: Op) -> NodeId {
        if rate == 0.0 {
            return input;
        }
        let shape = self.shape(input);
        self.push(op, &[input], shape)
    }

    /// The finished graph.
    pub fn finish(self, outputs: &[NodeId]) -> Graph {
        Graph {
            nodes: self.nodes,
            parameters: self.parameters,
            outputs: outputs.to_vec(),
        }
    }
}
