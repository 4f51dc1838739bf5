//! Operations on vectors.

use soup_graph::{Activation, Node, ParameterId};

use super::{Lowering, Record, Value, VectorId};
use crate::steps::linear::{Elementwise, Linear, Rule};

impl Lowering<'_> {
    pub(super) fn linear_layer(
        &mut self,
        node: &Node,
        input: VectorId,
        weight: ParameterId,
        bias: Option<ParameterId>,
    ) -> VectorId {
        let output = self.vector(node.shape.len());
        let (weight, bias) = (self.offset(weight), bias.map(|bias| self.offset(bias)));
        self.steps
            .push(Box::new(self.linear(input, output, weight, bias)));
        self.records.push(Record::Linear {
            input,
            output,
            weight,
            bias,
        });
        output
    }

    pub(in crate::plan) fn linear(
        &self,
        input: VectorId,
        output: VectorId,
        weight: usize,
        bias: Option<usize>,
    ) -> Linear {
        let (from, to) = (self.vectors[input.0], self.vectors[output.0]);
        Linear {
            input: from.place,
            inputs: from.length,
            output: to.place,
            outputs: to.length,
            weight,
            bias,
        }
    }

    pub(super) fn elementwise(
        &mut self,
        rule: Rule,
        a: VectorId,
        b: Option<VectorId>,
        to: VectorId,
    ) {
        let to = self.vectors[to.0];
        self.steps.push(Box::new(Elementwise {
            rule,
            a: self.vectors[a.0].place,
            b: b.map(|b| self.vectors[b.0].place),
            to: to.place,
            length: to.length,
            accumulate: false,
        }));
    }

    pub(super) fn vector_activation(
        &mut self,
        input: VectorId,
        activation: Activation,
    ) -> VectorId {
        let output = self.vector(self.vectors[input.0].length);
        self.elementwise(Rule::Activation(activation), input, None, output);
        self.records.push(Record::VectorActivation {
            input,
            output,
            activation,
        });
        output
    }

    pub(super) fn vector_sum(&mut self, node: &Node) -> VectorId {
        let inputs: Vec<VectorId> = node
            .inputs
            .iter()
            .filter_map(|id| match self.values[id.0] {
                Value::Vector(id) => Some(id),
                Value::Map(_) => None,
            })
            .collect();
        let output = self.vector(node.shape.len());
        let mut sum = inputs[0];
        for &term in &inputs[1..] {
            self.elementwise(Rule::Add, sum, Some(term), output);
            sum = output;
        }
        self.records.push(Record::VectorAdd { inputs, output });
        output
    }

    /// Dropout of values, or of an image's whole vector, in training.
    pub(super) fn vector_dropout(
        &mut self,
        index: usize,
        input: VectorId,
        rate: f32,
        whole: bool,
    ) -> VectorId {
        let output = self.vector(self.vectors[input.0].length);
        let rule = Rule::Dropout {
            rate,
            node: index,
            whole,
        };
        self.elementwise(rule, input, None, output);
        self.records.push(Record::Dropout {
            input,
            output,
            rule,
        });
        output
    }
}
