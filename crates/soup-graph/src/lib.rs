//! A network as data.
//!
//! A [`Graph`] is a list of [`Node`]s (convolution, batch norm, activation, pooling, scale, add,
//! linear) with shapes and named [`Parameter`]s, built once by a [`Builder`] for one input size.
//! It does no arithmetic: engines plan and run it, rewrites transform it, exporters walk it.
//! Its values are in [`Weights`].
//!
//! Every graph passed one check, however it was made: nodes read nodes that stand before them, shapes follow from one
//! another by each operation's rules, parameters have the shapes that their operations need and stand end to end, names
//! are unique, and no count overflows. Nobody can change a graph, a parameter or the number of weights from outside, so
//! engines may rely on all of it.
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
//! let graph = net.finish(&[logits]).unwrap();
//! assert_eq!(graph.parameter("conv.weight").unwrap().shape(), [8, 1, 3, 3]);
//! ```

use std::collections::BTreeSet;

mod builder;
mod convolution;
mod description;
pub mod finite;
pub mod onnx;
mod op;
mod own;
pub mod pretrained;
pub mod rewrite;
pub mod safetensors;
mod shape;
mod symmetry;
#[cfg(test)]
mod tests;
mod weights;

pub use builder::{Builder, GraphError};
pub use convolution::{Convolution, Padding};
pub use description::Description;
pub use op::{Activation, Op};
pub use own::{NotHere, Own};
pub use shape::{ImageShape, Shape};
pub use symmetry::{Symmetry, TiedParameter};
pub use weights::{Initial, Parameter, Role, Weights};

/// Position of a node in [`Graph::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// Position of a parameter in [`Graph::parameters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParameterId(pub usize);

/// One operation, the nodes it reads and the shape it gives for one image.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Node {
    /// What is computed.
    pub op: Op,
    /// The nodes read, in the operation's order; all stand before this one.
    pub inputs: Vec<NodeId>,
    /// Shape of the output for one image.
    pub shape: Shape,
}

/// A network for one input size; the batch size is the engine's matter.
///
/// ```compile_fail
/// # fn change(mut graph: soup_graph::Graph, node: soup_graph::Node) {
/// graph.nodes.push(node);
/// # }
/// ```
///
/// ```compile_fail
/// # fn change(graph: &mut soup_graph::Graph) {
/// graph.parameters[0].offset = 1 << 40;
/// # }
/// ```
///
/// ```compile_fail
/// # fn change(graph: &mut soup_graph::Graph, node: soup_graph::Node) {
/// graph.nodes()[0] = node;
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    nodes: Vec<Node>,
    parameters: Vec<Parameter>,
    outputs: Vec<NodeId>,
    /// Running statistics and trained values.
    arena_len: [usize; 2],
}

/// Most layers: far above any real network.
const MOST_LAYERS: usize = 1 << 14;

fn check_layers(count: usize) -> Result<(), GraphError> {
    if count <= MOST_LAYERS {
        return Ok(());
    }
    Err(GraphError::Shape {
        name: "layers".to_owned(),
        problem: format!("{count} are more than {MOST_LAYERS}"),
    })
}

impl Graph {
    /// The one way to a graph. `layers` are what stands behind node 0, the input. Parameters are given their places.
    ///
    /// # Errors
    /// [`GraphError`] for everything that would not be the graph that this type promises.
    pub(crate) fn new(
        input: ImageShape,
        layers: Vec<(Op, Vec<NodeId>)>,
        mut parameters: Vec<Parameter>,
        outputs: Vec<NodeId>,
    ) -> Result<Self, GraphError> {
        let wrong = |name: String, problem: String| GraphError::Shape { name, problem };
        check_layers(layers.len())?;
        let mut arena_len = [0usize; 2];
        let mut names = BTreeSet::new();
        for parameter in &mut parameters {
            if !names.insert(parameter.name.clone()) {
                return Err(GraphError::DuplicateName(parameter.name.clone()));
            }
            let arena = &mut arena_len[usize::from(parameter.role.is_trainable())];
            parameter.offset = *arena;
            // Each is below MOST_VALUES, but there may be any number of them.
            *arena = match arena.checked_add(parameter.len()) {
                Some(length) if length <= shape::MOST_VALUES => length,
                _ => return Err(wrong(parameter.name.clone(), shape::too_many())),
            };
        }
        let mut nodes = vec![Node {
            op: Op::Input,
            inputs: Vec::new(),
            shape: shape::bounded(Shape::Map(input))
                .map_err(|problem| wrong("input".to_owned(), problem))?,
        }];
        for (op, inputs) in layers {
            let number = nodes.len();
            let name = || format!("layer {number}");
            if let Some(later) = inputs.iter().find(|from| from.0 >= number) {
                let problem = format!("it reads layer {}, which does not stand before it", later.0);
                return Err(wrong(name(), problem));
            }
            let shapes: Vec<Shape> = inputs.iter().map(|input| nodes[input.0].shape).collect();
            let shape = op.output(&shapes, &parameters);
            let shape = shape.map_err(|problem| wrong(name(), problem))?;
            nodes.push(Node { op, inputs, shape });
        }
        if outputs.is_empty() || outputs.iter().any(|id| id.0 >= nodes.len()) {
            let places: Vec<usize> = outputs.iter().map(|id| id.0).collect();
            return Err(wrong(
                "outputs".to_owned(),
                format!("{places:?} are not among the layers"),
            ));
        }
        Ok(Self {
            nodes,
            parameters,
            outputs,
            arena_len,
        })
    }

    /// The nodes in an order in which they can be run; node 0 is the input.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The named parameters, in the order in which they were added.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// What the network gives, e.g. the logits.
    pub fn outputs(&self) -> &[NodeId] {
        &self.outputs
    }

    /// The same network giving more: these nodes behind its outputs.
    ///
    /// # Errors
    /// [`GraphError`] where there is no such node.
    pub fn with_outputs(
        mut self,
        more: impl IntoIterator<Item = NodeId>,
    ) -> Result<Self, GraphError> {
        for id in more {
            if id.0 >= self.nodes.len() {
                return Err(GraphError::Shape {
                    name: "outputs".to_owned(),
                    problem: format!("[{}] are not among the layers", id.0),
                });
            }
            self.outputs.push(id);
        }
        Ok(self)
    }

    /// Changes how parameters start: all for which `initial` gives something.
    pub fn start(&mut self, initial: impl Fn(&Parameter) -> Option<Initial>) {
        for parameter in &mut self.parameters {
            if let Some(initial) = initial(parameter) {
                parameter.initial = initial;
            }
        }
    }

    /// Shape of the images that the network reads.
    pub fn input(&self) -> ImageShape {
        match self.nodes[0].shape {
            Shape::Map(shape) => shape,
            Shape::Vector(_) => unreachable!("node 0 is built as a map"),
        }
    }

    /// The node with this id.
    ///
    /// # Panics
    /// Where it is one of another graph.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The parameter with this name.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|p| p.name == name)
    }

    /// The parameter at this place.
    ///
    /// # Panics
    /// Where the place is one of another graph.
    pub fn at(&self, id: ParameterId) -> &Parameter {
        &self.parameters[id.0]
    }

    /// Number of trained values.
    pub fn trainable_len(&self) -> usize {
        self.arena_len[1]
    }

    /// Number of values that are kept but not trained (running statistics).
    pub fn buffer_len(&self) -> usize {
        self.arena_len[0]
    }

    /// Multiply-adds of one image in convolutions and linear layers.
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
