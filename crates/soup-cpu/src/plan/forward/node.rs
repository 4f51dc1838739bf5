//! From one node of the graph to its steps.

use soup_graph::Op;

use super::{Gate, Lowering, MapId, PlanError, Value};
use crate::{
    kernels::filters::LONGEST_SIDE,
    plan::Mode,
    steps::{attention::Attention, max_pool::Window, pool::Sharpness},
};

impl Lowering<'_> {
    pub(super) fn node(&mut self, index: usize) -> Result<Value, PlanError> {
        let node = &self.graph.nodes()[index];
        let input = |lowering: &Self, place: usize| lowering.values[node.inputs[place].0];
        let dense = node.inputs.first().map(|_| input(self, 0));
        if let (Some(Value::Map(lazy)), false) = (dense, matches!(node.op, Op::Convolution { .. }))
            && lazy.map == MapId(0)
        {
            return Err(PlanError::ReadsInput(format!("node {index}")));
        }
        Ok(match (&node.op, dense) {
            (Op::Convolution { spec, .. }, Some(Value::Map(_)))
                if spec.groups == 1 && spec.kernel > LONGEST_SIDE =>
            {
                return Err(PlanError::Unsupported(format!(
                    "node {index}: a kernel of side {} (at most {LONGEST_SIDE})",
                    spec.kernel
                )));
            }
            (Op::Convolution { spec, weight, bias }, Some(Value::Map(lazy))) => {
                Value::Map(self.convolution(node, spec, lazy, *weight, *bias))
            }
            (Op::BatchNorm { .. }, Some(Value::Map(lazy))) => {
                Value::Map(self.batch_norm(node, lazy))
            }
            (Op::Activation(activation), Some(Value::Map(lazy))) => {
                Value::Map(self.activation(node.inputs[0], lazy, *activation))
            }
            (Op::AveragePool, Some(Value::Map(lazy))) => {
                Value::Vector(self.average_pool(node, lazy))
            }
            (&Op::LogSumExpPool { sharpness }, Some(Value::Map(lazy))) => {
                Value::Vector(self.soft_pool(node, lazy, Sharpness::Fixed(sharpness)))
            }
            (&Op::PowerPool { power }, Some(Value::Map(lazy))) => {
                let sharpness = Sharpness::Learned(self.offset(power));
                Value::Vector(self.soft_pool(node, lazy, sharpness))
            }
            (
                &Op::AttentionPool {
                    temperature,
                    share,
                    mean,
                },
                Some(Value::Map(scores)),
            ) => {
                let Value::Map(values) = input(self, 1) else {
                    unreachable!("the builder checks that values are a map")
                };
                if values.map == MapId(0) {
                    return Err(PlanError::ReadsInput(format!("node {index}")));
                }
                let attention = Attention {
                    temperature,
                    share,
                    mean,
                };
                Value::Vector(self.attention_pool(node, scores, values, attention))
            }
            (
                Op::MaxPool {
                    kernel,
                    stride,
                    padding,
                },
                Some(Value::Map(lazy)),
            ) => {
                let window = Window {
                    kernel: *kernel,
                    stride: *stride,
                    padding: *padding,
                };
                Value::Map(self.max_pool(node, lazy, window))
            }
            (Op::Scale, Some(Value::Map(lazy))) => {
                let factors = match input(self, 1) {
                    Value::Vector(id) => id,
                    Value::Map(_) => unreachable!("the builder checks that factors are a vector"),
                };
                Value::Map(self.gated(index, lazy, Gate::Learned(factors)))
            }
            (Op::Dropout(_) | Op::DropPath(_), Some(value)) if self.mode == Mode::Inference => {
                value
            }
            (Op::DropPath(rate), Some(Value::Map(lazy))) => {
                Value::Map(self.drop_path(index, lazy, *rate))
            }
            (Op::Dropout(rate), Some(Value::Map(lazy))) => {
                Value::Map(self.drop_values(index, lazy, *rate))
            }
            (Op::Add, Some(Value::Map(_))) => Value::Map(self.map_sum(index)),
            (Op::Linear { weight, bias }, Some(Value::Vector(input))) => {
                Value::Vector(self.linear_layer(node, input, *weight, *bias))
            }
            (Op::Activation(activation), Some(Value::Vector(input))) => {
                Value::Vector(self.vector_activation(input, *activation))
            }
            (Op::Add, Some(Value::Vector(_))) => Value::Vector(self.vector_sum(node)),
            (Op::Dropout(rate), Some(Value::Vector(input))) => {
                Value::Vector(self.vector_dropout(index, input, *rate, false))
            }
            (Op::DropPath(rate), Some(Value::Vector(input))) => {
                Value::Vector(self.vector_dropout(index, input, *rate, true))
            }
            (Op::Input, _) => Value::Map(self.image()),
            (op, value) => {
                let of = match value {
                    Some(Value::Map(_)) => "of a map",
                    Some(Value::Vector(_)) => "of a vector",
                    None => "without an input",
                };
                let problem = format!("node {index}: {op:?} {of}");
                return Err(PlanError::Unsupported(problem));
            }
        })
    }
}
