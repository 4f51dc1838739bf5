//! A network as data.
//!
//! A [`Graph`] is a list of [`Node`]s (convolution, batch norm, activation, pooling, scale, add,
//! linear) with shapes and named [`Parameter`]s, built once by a [`Builder`] for one input size.
//! It does no arithmetic: engines plan and run it, rewrites transform it, exporters walk it.
//! The numbers live beside it in [`Weights`].
//!
//! ```
//! use soup_graph::{Activation, Builder, Convolution, ImageShape};
//!
//! let mut net = Builder::new(ImageShape { channels: 1, height: 32, width: 32 });
//! let x = net.input();
//! let x = net.convolution("conv", x, Convolution::square(8, 3).stride(2)).unwrap();
//! let x = net.batch_norm("bn", x, 1e-5, 0.1).unwrap();
//! let x = net.activation(x, Activation::Silu);
//! let x = net.average_pool(x).unwrap();
//! let logits = net.linear("classifier", x, 26, true).unwrap();
//! let graph = net.finish(&[logits]);
//! assert_eq!(graph.parameter("conv.weight").unwrap().shape, [8, 1, 3, 3]);
//! ```

mod builder;
mod description;
pub mod onnx;
mod op;
pub mod rewrite;
pub mod safetensors;
mod symmetry;
mod weights;

pub use builder::{Builder, GraphError};
pub use description::Description;
pub use op::{Activation, Convolution, ImageShape, Op, Shape};
pub use symmetry::{Symmetry, Turning};
pub use weights::{Initial, Parameter, Role, Weights};

/// Position of a node in [`Graph::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// Position of a parameter in [`Graph::parameters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParameterId(pub usize);

/// One operation, the nodes it reads and the shape it gives for one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What is computed.
    pub op: Op,
    /// The nodes read, in the operation's order; all stand before this one.
    pub inputs: Vec<NodeId>,
    /// Shape of the output for one picture.
    pub shape: Shape,
}

/// A network for one input size; the batch size is the engine's matter.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// The nodes in an order in which they can be run; node 0 is the input.
    pub nodes: Vec<Node>,
    /// The named parameters, in the order in which they were added.
    pub parameters: Vec<Parameter>,
    /// What the network gives, e.g. the logits.
    pub outputs: Vec<NodeId>,
}

impl Graph {
    /// Shape of the pictures that the network reads.
    pub fn input(&self) -> ImageShape {
        match self.nodes[0].shape {
            Shape::Map(shape) => shape,
            Shape::Vector(_) => unreachable!("node 0 is built as a map"),
        }
    }

    /// The node with this id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The parameter with this name.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|p| p.name == name)
    }

    /// Number of trained values.
    pub fn trainable_len(&self) -> usize {
        self.arena_len(true)
    }

    /// Number of values that are kept but not trained (running statistics).
    pub fn buffer_len(&self) -> usize {
        self.arena_len(false)
    }

    fn arena_len(&self, trainable: bool) -> usize {
        self.parameters
            .iter()
            .filter(|p| p.role.is_trainable() == trainable)
            .map(Parameter::len)
            .sum()
    }

    /// Multiply-adds of one picture in convolutions and linear layers.
    pub fn multiply_adds(&self) -> u64 {
        self.nodes
            .iter()
            .map(|node| match &node.op {
                Op::Convolution { spec, .. } => {
                    let input = self.node(node.inputs[0]).shape.channels();
                    (node.shape.len() * spec.kernel * spec.kernel * (input / spec.groups)) as u64
                }
                Op::Linear { .. } => {
                    (node.shape.len() * self.node(node.inputs[0]).shape.len()) as u64
                }
                _ => 0,
            })
            .sum()
    }
}
