//! From forward records to backward steps, last record first.
//!
//! What is known of a value's gradient is kept as [`Pending`] until the backward step of the value's
//! map. Only that step takes it through activation and batch norm, while it reads it.

mod convolution;
mod pending;

use std::collections::BTreeMap;

use self::pending::Pending;
use super::forward::{Key, Lazy, Lowering, MapId, Record, Value, VectorId};
use super::{Buffer, Gradient, Vector};
use crate::kernels::gather::Sums;
use crate::steps::attention::AttentionPoolBackward;
use crate::steps::dropout::DropValues;
use crate::steps::elementwise::GradientSums;
use crate::steps::linear::{Elementwise, LinearBackward, Rule};
use crate::steps::max_pool::MaxPoolBackward;
use crate::steps::pool::LogSumExpPoolBackward;

/// The backward half on its way.
#[derive(Debug)]
pub(super) struct Backward<'l, 'g> {
    plan: &'l mut Lowering<'g>,
    pending: BTreeMap<Key, Pending>,
    /// How many pending values share a buffer; one that is shared is not written.
    shares: BTreeMap<Buffer, usize>,
    vectors: BTreeMap<VectorId, Vector>,
}

impl<'l, 'g> Backward<'l, 'g> {
    /// Adds the backward steps; returns where the gradients of the outputs are put.
    pub(super) fn emit(plan: &'l mut Lowering<'g>, outputs: &[Value]) -> Vec<Buffer> {
        let mut this = Self {
            plan,
            pending: BTreeMap::new(),
            shares: BTreeMap::new(),
            vectors: BTreeMap::new(),
        };
        let gradients = outputs
            .iter()
            .map(|output| {
                let buffer = match output {
                    Value::Vector(id) => this.vector(*id).0.buffer,
                    Value::Map(lazy) => {
                        let map = this.plan.maps[lazy.map.0];
                        let buffer = this.plan.map_buffer(&map.shape);
                        this.contribute(lazy, buffer);
                        // The caller's gradient is kept: nothing is added in place.
                        this.share(buffer);
                        buffer
                    }
                };
                this.plan.memory.pin(buffer);
                buffer
            })
            .collect();
        let records = std::mem::take(&mut this.plan.records);
        for record in records.iter().rev() {
            this.record(record);
        }
        gradients
    }

    /// Where a vector's gradient is, and whether something is there already.
    fn vector(&mut self, id: VectorId) -> (Vector, bool) {
        if let Some(&vector) = self.vectors.get(&id) {
            return (vector, true);
        }
        let length = self.plan.vectors[id.0].length;
        let vector = self.plan.temporary(length);
        self.vectors.insert(id, vector);
        (vector, false)
    }

    fn record(&mut self, record: &Record) {
        match record {
            Record::Convolution {
                input,
                output,
                geometry,
                weight,
                bias,
            } => self.convolution(input, *output, geometry, *weight, *bias),
            Record::Depthwise {
                input,
                output,
                geometry,
                packed,
                weight,
                bias,
            } => self.depthwise(input, *output, geometry, *packed, *weight, *bias),
            Record::Sum {
                terms,
                relu,
                output,
            } => self.sum(terms, *relu, *output),
            Record::MaxPool {
                input,
                argmax,
                output,
            } => {
                let Some(gradient) = self.plain(*output) else {
                    return;
                };
                let shape = self.plan.maps[output.0].shape;
                let source = self.plan.maps[input.map.0].shape;
                let to = self.plan.map_buffer(&source);
                self.plan.steps.push(Box::new(MaxPoolBackward {
                    input: source,
                    shape,
                    gradient,
                    argmax: *argmax,
                    to,
                }));
                self.release(gradient);
                self.contribute(input, to);
            }
            Record::AveragePool { input, output } => {
                let Some(&gradient) = self.vectors.get(output) else {
                    return;
                };
                let shape = self.plan.maps[input.map.0].shape;
                let pending = self.entry(input);
                let (to, accumulate) = match pending.pooled {
                    Some(vector) => (vector, true),
                    None => (self.plan.temporary(shape.channels), false),
                };
                self.plan.steps.push(Box::new(Elementwise {
                    rule: Rule::Scale(1.0 / shape.pixels() as f32),
                    a: gradient,
                    b: None,
                    to,
                    length: shape.channels,
                    accumulate,
                }));
                self.entry(input).pooled = Some(to);
            }
            Record::LogSumExpPool {
                input,
                sharpness,
                output,
            } => {
                let Some(&gradient) = self.vectors.get(output) else {
                    return;
                };
                let shape = self.plan.maps[input.map.0].shape;
                let to = self.plan.map_buffer(&shape);
                let sharpness_gradients = self.plan.temporary(1);
                self.plan.steps.push(Box::new(LogSumExpPoolBackward {
                    view: self.plan.view(input),
                    sharpness: *sharpness,
                    gradient,
                    to,
                    sharpness_gradients,
                }));
                self.contribute(input, to);
            }
            Record::AttentionPool {
                scores,
                values,
                attention,
                output,
            } => {
                let Some(&gradient) = self.vectors.get(output) else {
                    return;
                };
                let shape = self.plan.maps[values.map.0].shape;
                let to_values = self.plan.map_buffer(&shape);
                let same = scores.key() == values.key();
                let to_scores = match same {
                    true => to_values,
                    false => {
                        let shape = self.plan.maps[scores.map.0].shape;
                        self.plan.map_buffer(&shape)
                    }
                };
                self.plan.steps.push(Box::new(AttentionPoolBackward {
                    attention: *attention,
                    scores: self.plan.view(scores),
                    values: self.plan.view(values),
                    gradient,
                    to_scores,
                    to_values,
                }));
                self.contribute(values, to_values);
                if !same {
                    self.contribute(scores, to_scores);
                }
            }
            Record::Linear {
                input,
                output,
                weight,
                bias,
            } => {
                let Some(&gradient) = self.vectors.get(output) else {
                    return;
                };
                let to = self.vector(*input);
                self.plan.steps.push(Box::new(LinearBackward {
                    layer: self.plan.linear(*input, *output, *weight, *bias),
                    gradient,
                    to: Some(to),
                }));
            }
            Record::VectorActivation {
                input,
                output,
                activation,
            } => {
                let value = self.plan.vectors[input.0].place;
                self.elementwise(
                    Rule::ActivationGradient(*activation),
                    value,
                    true,
                    *input,
                    *output,
                );
            }
            Record::VectorAdd { inputs, output } => {
                for input in inputs {
                    let Some(&gradient) = self.vectors.get(output) else {
                        return;
                    };
                    self.elementwise(Rule::Scale(1.0), gradient, false, *input, *output);
                }
            }
            Record::Dropout {
                input,
                output,
                rule,
            } => {
                let Some(&gradient) = self.vectors.get(output) else {
                    return;
                };
                self.elementwise(*rule, gradient, false, *input, *output);
            }
            Record::DropValues {
                input,
                output,
                rate,
                node,
            } => {
                let Some(gradient) = self.plain(*output) else {
                    return;
                };
                let gradient = self.own(gradient, *output);
                self.plan.steps.push(Box::new(DropValues {
                    view: None,
                    rate: *rate,
                    node: *node,
                    shape: self.plan.maps[output.0].shape,
                    to: gradient,
                }));
                self.contribute(input, gradient);
                self.release(gradient);
            }
        }
    }

    fn elementwise(
        &mut self,
        rule: Rule,
        a: Vector,
        with_gradient: bool,
        input: VectorId,
        output: VectorId,
    ) {
        let Some(&gradient) = self.vectors.get(&output) else {
            return;
        };
        let (to, accumulate) = self.vector(input);
        let length = self.plan.vectors[input.0].length;
        self.plan.steps.push(Box::new(Elementwise {
            rule,
            a,
            b: with_gradient.then_some(gradient),
            to,
            length,
            accumulate,
        }));
    }

    fn sum(&mut self, terms: &[Lazy], relu: bool, output: MapId) {
        let Some(mut gradient) = self.plain(output) else {
            return;
        };
        let mut mask = None;
        if relu {
            gradient = self.own(gradient, output);
            mask = Some(self.plan.maps[output.0].buffer);
        }
        let sums: Vec<_> = terms
            .iter()
            .map(|term| self.gradient_alone(term, gradient))
            .collect();
        let gathered: Vec<_> = sums
            .iter()
            .map(|sums| sums.as_ref().map(GradientSums::gathered))
            .collect();
        let sums: Vec<_> = sums.into_iter().flatten().collect();
        if relu || !sums.is_empty() {
            self.combine(None, gradient, false, (mask, sums), output);
        }
        for (term, gathered) in terms.iter().zip(gathered) {
            self.contribute(term, gradient);
            if gathered.is_some() {
                self.entry(term).sums = gathered;
            }
        }
        self.release(gradient);
    }

    /// What a term's batch norm needs of its gradient, where nothing else adds to that.
    fn gradient_alone(&mut self, term: &Lazy, dense: Buffer) -> Option<GradientSums> {
        let alone = self.plan.readers.get(&term.key()) == Some(&(1, 0));
        (alone && term.norm.is_some() && term.gate.is_none()).then(|| {
            let gradient = Gradient {
                view: self.plan.view(term),
                dense,
                pooled: self.plan.zeros,
                premultiplied: false,
            };
            self.sums_of(gradient, Sums::Norm)
        })
    }
}
