//! Parameters and their values.

use half::f16;
use soup_random::{Purpose, Stream};

use crate::{
    Graph, GraphError,
    shape::{too_many, values_within},
};

/// What a parameter is to its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Filters of a convolution or matrix of a linear layer.
    Weight,
    /// Bias of a convolution or of a linear layer.
    Bias,
    /// Scale of a batch norm.
    NormWeight,
    /// Shift of a batch norm.
    NormBias,
    /// Running mean of a batch norm; not trained.
    RunningMean,
    /// Running variance of a batch norm; not trained.
    RunningVariance,
}

impl Role {
    /// Whether gradients reach it.
    pub fn is_trainable(self) -> bool {
        !matches!(self, Self::RunningMean | Self::RunningVariance)
    }

    /// Whether weight decay applies by timm's rule: to matrices and filters only.
    pub fn decays(self) -> bool {
        self == Self::Weight
    }
}

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// The same value everywhere.
    Constant(f32),
    /// Normal with this standard deviation and mean 0.
    Normal(f32),
    /// A matrix with this value on its diagonal and 0 elsewhere.
    Diagonal(f32),
    /// Normal about a mean other than 0.
    NormalAbout {
        /// The mean.
        mean: f32,
        /// The standard deviation.
        deviation: f32,
    },
    /// Uniform between minus and plus this bound.
    Uniform(f32),
}

/// A named tensor of the network. Its values stand in one of the two arenas of [`Weights`].
///
/// ```compile_fail
/// # fn change(parameter: &mut soup_graph::Parameter) {
/// parameter.shape = vec![1 << 40];
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub(crate) name: String,
    shape: Vec<usize>,
    pub(crate) role: Role,
    pub(crate) initial: Initial,
    /// First value in its arena; [`Graph::new`] gives it.
    pub(crate) offset: usize,
}

impl Parameter {
    /// One that belongs to no graph yet.
    ///
    /// # Errors
    /// [`GraphError::Shape`] where it would have no values, or too many to count.
    pub(crate) fn new(
        name: String,
        shape: Vec<usize>,
        role: Role,
        initial: Initial,
    ) -> Result<Self, GraphError> {
        match values_within(shape.iter().copied()) {
            Some(1..) => Ok(Self {
                name,
                shape,
                role,
                initial,
                offset: 0,
            }),
            count => Err(GraphError::Shape {
                name,
                problem: format!(
                    "shape {shape:?} has {}",
                    count.map_or_else(too_many, |_| "no values".to_owned())
                ),
            }),
        }
    }

    /// Gives one side another length.
    pub(crate) fn reshape(&mut self, side: usize, length: usize) -> Result<(), GraphError> {
        let mut shape = self.shape.clone();
        shape[side] = length;
        *self = Self::new(
            std::mem::take(&mut self.name),
            shape,
            self.role,
            self.initial,
        )?;
        Ok(())
    }

    /// Full name, as timm's `state_dict` has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Shape in PyTorch's order.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// What it is to its operation; decides the arena.
    pub fn role(&self) -> Role {
        self.role
    }

    /// How it starts.
    pub fn initial(&self) -> Initial {
        self.initial
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where its values stand in its arena.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len()
    }
}

/// The values of a graph's parameters: trained ones and running statistics, each end to end in the
/// order of [`Graph::parameters`]. Values may be changed, their number cannot.
///
/// ```compile_fail
/// # fn change(weights: &mut soup_graph::Weights) {
/// weights.trainable = Vec::new();
/// # }
/// ```
///
/// ```compile_fail
/// # fn change(weights: &mut soup_graph::Weights) {
/// weights.buffers_mut().clear();
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    trainable: Vec<f32>,
    buffers: Vec<f32>,
}

impl Weights {
    /// These values for a graph.
    ///
    /// # Errors
    /// [`GraphError::Length`] where they are not as many as the graph's.
    pub fn new(graph: &Graph, trainable: Vec<f32>, buffers: Vec<f32>) -> Result<Self, GraphError> {
        let weights = Self { trainable, buffers };
        weights.check(graph.trainable_len(), graph.buffer_len())?;
        Ok(weights)
    }

    /// Refuses weights of other lengths than these. Call it before reading them by a graph's offsets.
    ///
    /// # Errors
    /// [`GraphError::Length`].
    pub fn check(&self, trainable: usize, buffers: usize) -> Result<(), GraphError> {
        let fit = |kind, expected, got| match expected == got {
            true => Ok(()),
            false => Err(GraphError::Length {
                kind,
                expected,
                got,
            }),
        };
        fit("trained", trainable, self.trainable.len())?;
        fit("running", buffers, self.buffers.len())
    }

    /// Values that gradients reach.
    pub fn trainable(&self) -> &[f32] {
        &self.trainable
    }

    /// Values that gradients reach, to be written.
    pub fn trainable_mut(&mut self) -> &mut [f32] {
        &mut self.trainable
    }

    /// Moves every value towards that of `other` by `weight`, from 0 (which leaves them) to 1 (a copy).
    ///
    /// # Panics
    /// If the two belong to different networks.
    pub fn lerp(&mut self, other: &Self, weight: f32) {
        if weight == 0.0 {
            return;
        }
        lerp(&mut self.trainable, &other.trainable, weight);
        lerp(&mut self.buffers, &other.buffers, weight);
    }

    /// Running statistics.
    pub fn buffers(&self) -> &[f32] {
        &self.buffers
    }

    /// Running statistics, to be written.
    pub fn buffers_mut(&mut self) -> &mut [f32] {
        &mut self.buffers
    }

    /// Rounds every value to half precision (IEEE 754 binary16), in which files may then hold it.
    ///
    /// # Errors
    /// The first value beyond the range of half precision, which ends at 65504; the values before it are rounded.
    pub fn round_to_half(&mut self) -> Result<(), f32> {
        for value in self.trainable.iter_mut().chain(&mut self.buffers) {
            let rounded = half(*value);
            if rounded.is_finite() != value.is_finite() {
                return Err(*value);
            }
            *value = rounded;
        }
        Ok(())
    }

    /// Whether half precision holds every value as it is.
    pub fn fit_half(&self) -> bool {
        let mut values = self.trainable.iter().chain(&self.buffers);
        values.all(|&value| half(value) == value)
    }

    /// All zeros.
    pub fn zeros(graph: &Graph) -> Self {
        Self {
            trainable: vec![0.0; graph.trainable_len()],
            buffers: vec![0.0; graph.buffer_len()],
        }
    }

    /// Fresh weights: every parameter by its [`Initial`], drawn from `seed`.
    pub fn initial(graph: &Graph, seed: u64) -> Self {
        let mut weights = Self::zeros(graph);
        for (index, parameter) in graph.parameters().iter().enumerate() {
            let mut stream = Stream::new(seed, Purpose::Init, 0, index as u64);
            let columns: usize = parameter.shape.iter().skip(1).product();
            for (place, value) in weights.of_mut(parameter).iter_mut().enumerate() {
                *value = match parameter.initial {
                    Initial::Constant(value) => value,
                    Initial::Normal(deviation) => deviation * stream.normal(),
                    Initial::Diagonal(value) if place / columns == place % columns => value,
                    Initial::Diagonal(_) => 0.0,
                    Initial::NormalAbout { mean, deviation } => mean + deviation * stream.normal(),
                    Initial::Uniform(bound) => stream.range(-bound, bound),
                };
            }
        }
        weights
    }

    /// Values of one parameter.
    ///
    /// # Panics
    /// Where the parameter is one of a larger graph.
    pub fn of(&self, parameter: &Parameter) -> &[f32] {
        let arena = if parameter.role.is_trainable() {
            &self.trainable
        } else {
            &self.buffers
        };
        &arena[parameter.range()]
    }

    /// Values of one parameter, to be written.
    ///
    /// # Panics
    /// Where the parameter is one of a larger graph.
    pub fn of_mut(&mut self, parameter: &Parameter) -> &mut [f32] {
        let arena = if parameter.role.is_trainable() {
            &mut self.trainable
        } else {
            &mut self.buffers
        };
        &mut arena[parameter.range()]
    }
}

/// The nearest value of half precision.
fn half(value: f32) -> f32 {
    f16::from_f32(value).to_f32()
}

/// `torch.lerp`: from one value towards another `values` by `weight`, starting from the end that is nearer.
fn lerp(from: &mut [f32], values: &[f32], weight: f32) {
    assert_eq!(from.len(), values.len(), "weights of the same network");
    if weight < 0.5 {
        for (from, &value) in from.iter_mut().zip(values) {
            *from += weight * (value - *from);
        }
    } else {
        let keep = 1.0 - weight;
        for (from, &value) in from.iter_mut().zip(values) {
            *from = value - keep * (value - *from);
        }
    }
}
