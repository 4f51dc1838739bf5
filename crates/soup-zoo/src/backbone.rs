//! What a family of backbones tells the registry.

use soup_graph::{Activation, Builder, Graph, GraphError, Initial, NodeId};

/// Epsilon of batch norms, PyTorch's default.
pub(crate) const EPSILON: f32 = 1e-5;
/// Momentum of every batch norm here, PyTorch's default.
pub(crate) const MOMENTUM: f32 = 0.1;

/// Settings that reach into a backbone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// The activation between layers.
    pub activation: Activation,
    /// Rate of the deepest dropped path.
    pub drop_path: f32,
}

/// The last layer of a backbone as timm has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Classifier {
    /// Its name.
    pub name: &'static str,
    /// How its weight starts for so many outputs; `None` is PyTorch's rule for weight and bias.
    /// Where it is given, the bias starts at 0.
    pub weight: Option<fn(usize) -> Initial>,
}

/// One variant of a family.
pub(crate) trait Backbone: std::fmt::Debug + Sync {
    /// The variant's name, timm's where timm has it.
    fn name(&self) -> &'static str;

    /// Side of the square images it was designed for.
    fn side(&self) -> usize;

    /// Its own activation.
    fn activation(&self) -> Activation;

    /// Its last layer.
    fn classifier(&self) -> Classifier;

    /// Adds everything from the image to the last feature map.
    fn features(&self, net: &mut Builder, options: Options) -> Result<NodeId, GraphError>;

    /// Changes how parameters start where the builder's rule is not the family's.
    fn set_initials(&self, graph: &mut Graph) {
        let _ = graph;
    }
}
