//! What stays pending on a map: an activation, a factor a channel.

use soup_graph::{Activation, NodeId, Op};

use super::{Gate, Lazy, Lowering};
use crate::steps::dropout::DropPath;

impl Lowering<'_> {
    pub(super) fn activation(&mut self, input: NodeId, lazy: Lazy, activation: Activation) -> Lazy {
        if self.activated.contains(&input) {
            return lazy;
        }
        let lazy = if lazy.activation.is_some() || lazy.gate.is_some() {
            self.copy(lazy)
        } else {
            lazy
        };
        Lazy {
            activation: Some(activation),
            ..lazy
        }
    }

    /// The activation that alone reads a node.
    pub(super) fn only_activation(&self, index: usize) -> Option<Activation> {
        let mut readers = self.graph.nodes().iter();
        let reader = readers.find(|reader| reader.inputs.contains(&NodeId(index)))?;
        match reader.op {
            Op::Activation(activation) if self.uses[index] == 1 => Some(activation),
            _ => None,
        }
    }

    /// The same value without a factor pending.
    pub(super) fn ungated(&mut self, lazy: Lazy) -> Lazy {
        if lazy.gate.is_some() {
            self.copy(lazy)
        } else {
            lazy
        }
    }

    /// A value that a factor can be put on: ungated, and not read densely by any other node.
    pub(super) fn alone(&mut self, node: NodeId, lazy: Lazy) -> Lazy {
        let dense_readers = self
            .graph
            .nodes()
            .iter()
            .filter(|reader| reader.op != Op::AveragePool && reader.inputs.contains(&node))
            .count();
        if lazy.gate.is_some() || dense_readers > 1 {
            self.copy(lazy)
        } else {
            lazy
        }
    }

    /// A gated value that one node reads; stored where more do.
    pub(super) fn once(&mut self, index: usize, lazy: Lazy) -> Lazy {
        if self.uses[index] > 1 {
            Lazy::stored(self.sum(vec![lazy], false))
        } else {
            lazy
        }
    }

    /// A value with a factor a channel pending.
    pub(super) fn gated(&mut self, index: usize, lazy: Lazy, gate: Gate) -> Lazy {
        let lazy = self.alone(self.graph.nodes()[index].inputs[0], lazy);
        let gated = Lazy {
            gate: Some(gate),
            ..lazy
        };
        self.once(index, gated)
    }

    /// Drops the branch of an image in training: a factor that is drawn.
    pub(super) fn drop_path(&mut self, index: usize, lazy: Lazy, rate: f32) -> Lazy {
        let factors = self.temporary(self.graph.nodes()[index].shape.channels());
        self.steps.push(Box::new(DropPath {
            rate,
            node: index,
            factors,
        }));
        self.gated(index, lazy, Gate::Drawn(factors))
    }
}
