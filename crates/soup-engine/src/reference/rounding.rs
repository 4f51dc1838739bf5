//! Where an engine of less precision rounds, so that the reference can do the same.

use soup_graph::NodeId;

/// How a convolution multiplies.
#[derive(Clone, Copy, Debug)]
pub enum Operands {
    /// Values and weights as they are.
    Plain,
    /// Values, weights and gradients rounded.
    Rounded(fn(f64) -> f64),
    /// Values and gradients rounded, and again what becomes of them and of the weights in Winograd's tiles of 2x2 outputs,
    /// whose products are the operands then.
    Tiles(fn(f64) -> f64),
}

impl Operands {
    pub(super) fn round(self, values: &mut [f64]) {
        if let Self::Rounded(round) | Self::Tiles(round) = self {
            values.iter_mut().for_each(|value| *value = round(*value));
        }
    }
}

/// Rounds values and gradients on their way through a graph. What a method does not change stays as exact as `f64` is.
pub trait Rounding {
    /// The value of a node as all its readers find it.
    fn kept(&self, _node: NodeId, _value: &mut [f64]) {}
    /// What a node reads of its input of this number.
    fn read(&self, _node: NodeId, _input: usize, _value: &mut [f64]) {}
    /// How a convolution multiplies, forward and backward.
    fn operands(&self, _node: NodeId) -> Operands {
        Operands::Plain
    }
    /// The gradient of a node's value, complete, before the node is undone.
    fn given(&self, _node: NodeId, _gradient: &mut [f64]) {}
    /// The gradient of a batch norm's output once its sums are taken.
    fn summed(&self, _node: NodeId, _gradient: &mut [f64]) {}
    /// What a node gives to the gradient of its input of this number.
    fn to_input(&self, _node: NodeId, _input: usize, _gradient: &mut [f64]) {}
    /// The gradient of a node's input of this number, after the node's part was added to it.
    fn added(&self, _node: NodeId, _input: usize, _gradient: &mut [f64]) {}
    /// Whether what this node gives to the gradients of its inputs is added to what all others gave, at the end.
    fn stays_apart(&self, _node: NodeId) -> bool {
        false
    }
}

/// Rounds nothing.
pub(super) struct Exact;

impl Rounding for Exact {}
