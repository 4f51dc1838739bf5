//! Where the engine rounds to bfloat16 in a training step, for the reference to do the same.
//!
//! Products and convolutions take bfloat16 operands and add up in `f32`; depthwise convolutions, batch norms, activations,
//! pools and sums calculate in `f32`. What a map or the gradient of a map is stored as is rounded; what is pending on a
//! map (a norm, an activation, a factor a channel) is applied by its readers and not rounded until they store or multiply.

use std::cell::Cell;

use soup_cpu::{Isa, Training};
use soup_engine::reference::{Operands, Rounding};
use soup_graph::{Activation, Graph, NodeId, Op, Padding, Shape};

/// The nearest bfloat16, ties to even.
pub fn bf16(value: f64) -> f64 {
    let bits = (value as f32).to_bits();
    let upper = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000;
    f64::from(f32::from_bits(upper))
}

fn round(values: &mut [f64]) {
    values.iter_mut().for_each(|value| *value = bf16(*value));
}

/// Half the distance of neighbouring bfloat16 numbers at this value, which is as far as rounding moves it.
fn half_step(value: f64) -> f64 {
    let exponent = f64::from((value.abs() as f32).max(f32::MIN_POSITIVE))
        .log2()
        .floor();
    (exponent - 8.0).exp2()
}

/// How far an engine in bfloat16 may be from a reference that rounds where it does. What is left between them is the order
/// of sums in `f32`, and that the engine takes exponentials to 1e-4 and reciprocals to 11 bits, a tenth of what rounding
/// moves: now and then that is enough for the neighbouring number, which the layers behind multiply. Measured (2026-11-30,
/// portable and AVX2) were three quarters of these at most; a reference that does not round is off by up to a fifth.
pub struct Bounds {
    /// Stored maps beyond rounding, part of their length: where all functions since the maps before are exact, and where not.
    pub maps: [f64; 2],
    /// Outputs of a training step, whose reference takes the engine's choices, and of a prediction.
    pub outputs: [f64; 2],
    /// Gradients of the parameters of up to five stored maps, and of more.
    pub gradients: [f64; 2],
}

const MEASURED: Bounds = Bounds {
    maps: [1e-4, 1.2e-3],
    outputs: [3e-4, 4e-3],
    gradients: [4e-3, 1e-2],
};

/// Of instruction sets on which nobody has measured yet: as much as bfloat16 itself moves.
const UNMEASURED: Bounds = Bounds {
    maps: [2.5e-1; 2],
    outputs: [2.5e-1; 2],
    gradients: [2.5e-1; 2],
};

pub fn bounds(isa: Isa) -> &'static Bounds {
    match isa {
        Isa::Portable | Isa::Avx2 => &MEASURED,
        _ => &UNMEASURED,
    }
}

/// The roundings of an engine that ran the graph forward.
pub struct Engine<'a> {
    graph: &'a Graph,
    isa: Isa,
    /// After its forward half; none in inference, where no map can be read.
    training: Option<&'a Training>,
    context: &'a str,
    /// How many maps were seen.
    maps: Cell<usize>,
}

impl<'a> Engine<'a> {
    pub fn new(
        graph: &'a Graph,
        isa: Isa,
        training: Option<&'a Training>,
        context: &'a str,
    ) -> Self {
        Self {
            graph,
            isa,
            training,
            context,
            maps: Cell::new(0),
        }
    }

    /// Whether exponentials or reciprocals stand between a node's value and the stored maps before it.
    fn is_approximate(&self, node: NodeId) -> bool {
        let is_kept = |id: NodeId| {
            self.training
                .is_some_and(|training| training.kept(id).is_some())
        };
        let exact = [Activation::Relu, Activation::Relu6, Activation::Hardswish];
        let exact = exact.map(Op::Activation);
        let is_smooth = |op: &Op| matches!(op, Op::Activation(_)) && !exact.contains(op);
        is_smooth(self.op(node))
            || (self.graph.node(node).inputs.iter())
                .any(|&input| !is_kept(input) && self.is_approximate(input))
    }

    /// How far gradients may be off, once the stored maps were compared.
    pub fn gradient_bound(&self) -> f64 {
        assert!(self.maps.get() > 1, "{}: no map was seen", self.context);
        bounds(self.isa).gradients[usize::from(self.maps.get() > 5)]
    }

    fn op(&self, node: NodeId) -> &Op {
        &self.graph.node(node).op
    }

    pub fn is_map(&self, node: NodeId) -> bool {
        matches!(self.graph.node(node).shape, Shape::Map(_))
    }

    fn readers(&self, node: NodeId) -> Vec<NodeId> {
        let nodes = self.graph.nodes().iter().enumerate();
        let readers = nodes.filter(|(_, reader)| reader.inputs.contains(&node));
        readers.map(|(index, _)| NodeId(index)).collect()
    }

    /// What was stored must be what is expected, rounded. Where that is so close to the middle of two numbers that the order
    /// of a sum decides, both are right: the engine's is what the reference goes on with, so that one such choice does not
    /// become many in the layers behind.
    fn is_stored(&self, node: NodeId, stored: Option<Vec<f32>>, values: &mut [f64]) -> bool {
        let Some(stored) = stored else { return false };
        assert_eq!(
            stored.len(),
            values.len(),
            "{}: node {}",
            self.context,
            node.0
        );
        let (mut beyond, mut whole) = (0.0, 1e-12);
        for (value, &stored) in values.iter_mut().zip(&stored) {
            let stored = f64::from(stored);
            let apart = (stored - *value).abs() - half_step(*value);
            assert!(!apart.is_nan(), "{}: node {}", self.context, node.0);
            beyond += apart.max(0.0).powi(2);
            whole += value.powi(2);
            *value = stored;
        }
        let off = (beyond / whole).sqrt();
        let most = bounds(self.isa).maps[usize::from(self.is_approximate(node))];
        assert!(
            off < most,
            "{}: the map of node {} is off by {off}",
            self.context,
            node.0
        );
        self.maps.set(self.maps.get() + 1);
        true
    }

    /// Whether a node's value is a batch norm's with at most an activation pending, and one convolution alone reads it: then
    /// its gradient is taken back through the activation where it is stored, which rounds it once more.
    fn is_premultiplied(&self, node: NodeId) -> bool {
        let norm = match self.op(node) {
            Op::Activation(_) => self.graph.node(node).inputs[0],
            _ => node,
        };
        let readers = self.readers(node);
        matches!(self.op(norm), Op::BatchNorm { .. })
            && !self.graph.outputs().contains(&node)
            && readers.len() == 1
            && matches!(self.op(readers[0]), Op::Convolution { .. })
    }

    /// Whether the activation that alone reads a node is stored with it: any in a prediction, the rectifier of a sum always.
    fn is_stored_with(&self, node: NodeId) -> bool {
        let [reader] = self.readers(node)[..] else {
            return false;
        };
        let with = match self.op(node) {
            Op::Convolution { .. } => self.training.is_none(),
            Op::Add => *self.op(reader) == Op::Activation(Activation::Relu),
            _ => false,
        };
        with && matches!(self.op(reader), Op::Activation(_))
            && !self.graph.outputs().contains(&node)
    }

    /// Whether a convolution's output is stored before an activation passes over it: not where the kernel holds both.
    fn is_stored_twice(&self, node: NodeId) -> bool {
        let readers = self.readers(node);
        let Op::Activation(activation) = self.op(readers[0]) else {
            return false;
        };
        let is_held = matches!(
            activation,
            Activation::Silu | Activation::Relu | Activation::Relu6
        );
        !is_held && !matches!(self.operands(node), Operands::Tiles(_))
    }

    fn attends_to_itself(&self, node: NodeId) -> bool {
        let inputs = &self.graph.node(node).inputs;
        inputs[0] == inputs[1]
    }

    fn is_copied(&self, node: NodeId) -> bool {
        self.training
            .is_some_and(|training| training.copied(node).is_some())
    }

    fn is_depthwise(&self, node: NodeId) -> bool {
        matches!(self.op(node), Op::Convolution { spec, .. } if spec.groups > 1)
    }
}

impl Rounding for Engine<'_> {
    fn kept(&self, node: NodeId, values: &mut [f64]) {
        let stored = self.training.and_then(|training| training.kept(node));
        if self.is_stored(node, stored, values) || !self.is_map(node) {
            return;
        }
        let is_stored = match self.op(node) {
            Op::Activation(_) => self.is_stored_with(self.graph.node(node).inputs[0]),
            Op::Convolution { .. } => !self.is_stored_with(node) || self.is_stored_twice(node),
            Op::Add => !self.is_stored_with(node),
            Op::Input | Op::MaxPool { .. } => true,
            // Dropped values are always kept in training, and predictions drop none.
            _ => false,
        };
        if is_stored {
            round(values);
        }
    }

    fn read(&self, node: NodeId, input: usize, values: &mut [f64]) {
        let copied = self.training.and_then(|training| training.copied(node));
        if input == 0 {
            self.is_stored(node, copied, values);
        }
    }

    fn operands(&self, node: NodeId) -> Operands {
        let Op::Convolution { spec, .. } = self.op(node) else {
            return Operands::Plain;
        };
        let stored = |node: NodeId| self.graph.node(node).shape.channels().next_multiple_of(16);
        let channels = stored(self.graph.node(node).inputs[0]).min(stored(node));
        if spec.groups > 1 {
            Operands::Plain
        } else if (spec.kernel, spec.stride, spec.padding) == (3, 1, Padding::Each(1))
            && channels >= 32
            && self.isa != Isa::Amx
        {
            Operands::Tiles(bf16)
        } else {
            Operands::Rounded(bf16)
        }
    }

    fn given(&self, node: NodeId, gradient: &mut [f64]) {
        // A depthwise convolution takes the gradient of its output as it is made from what is pending on the map.
        let kept = self.training.and_then(|training| training.kept(node));
        if kept.is_some() && !self.is_depthwise(node) {
            round(gradient);
        }
    }

    fn summed(&self, node: NodeId, gradient: &mut [f64]) {
        let last = match self.readers(node)[..] {
            [one] if matches!(self.op(one), Op::Activation(_)) => one,
            _ => node,
        };
        if self.is_premultiplied(last) {
            round(gradient);
        }
    }

    fn to_input(&self, node: NodeId, input: usize, gradient: &mut [f64]) {
        let is_stored = match self.op(node) {
            Op::MaxPool { .. }
            | Op::Dropout(_)
            | Op::LogSumExpPool { .. }
            | Op::PowerPool { .. } => true,
            // Of a map that attends to itself what its values get is stored, what its scores get is added to that.
            Op::AttentionPool { .. } => input == 1 || !self.attends_to_itself(node),
            _ => self.is_copied(node),
        };
        if is_stored && self.is_map(self.graph.node(node).inputs[input]) {
            round(gradient);
        }
    }

    fn added(&self, node: NodeId, input: usize, gradient: &mut [f64]) {
        let to = self.graph.node(node).inputs[input];
        let is_stored = match self.op(node) {
            // Multiplied by the activation's derivative before it is stored.
            Op::Convolution { .. } if self.is_depthwise(node) => !self.is_premultiplied(to),
            Op::AttentionPool { .. } => input == 1 || !self.attends_to_itself(node),
            _ => !self.stays_apart(node),
        };
        if is_stored && self.is_map(to) {
            round(gradient);
        }
    }

    /// What is pending on a map, and what an average pool gives all pixels alike, is added when the gradient goes on.
    fn stays_apart(&self, node: NodeId) -> bool {
        let is_pending = match self.op(node) {
            Op::BatchNorm { .. } | Op::Activation(_) | Op::Scale | Op::DropPath(_) => true,
            op => *op == Op::AveragePool,
        };
        is_pending && !self.is_copied(node)
    }
}
