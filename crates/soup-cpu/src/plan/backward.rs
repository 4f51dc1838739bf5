//! From forward records to backward steps, last record first.
//!
//! What is known of a value's gradient is kept as [`Pending`] until the step that made the value's
//! map is undone; only then is it taken through activation and batch norm, while that step reads it.

use std::collections::BTreeMap;

use soup_graph::ParameterId;

use super::forward::{Gate, Key, Lazy, Lowering, MapId, NormId, Record, Value, VectorId};
use super::{Buffer, Gradient, Vector};
use crate::kernels::gather::{SUM_ROWS, Sums};
use crate::kernels::winograd::Tile;
use crate::steps::attention::AttentionPoolBackward;
use crate::steps::convolution::{ConvolutionBackward, Data, Gathered, Geometry, Product};
use crate::steps::depthwise;
use crate::steps::elementwise::{Combine, DropValues, GradientSums, Resolve, Runs};
use crate::steps::linear::{Elementwise, LinearBackward, Rule};
use crate::steps::max_pool::MaxPoolBackward;
use crate::steps::norm::{GateGradient, GatheredSums, NormGradient};
use crate::steps::pool::LogSumExpPoolBackward;
use crate::steps::weights::ReduceWeights;

/// What is known of the gradient of a value.
#[derive(Clone, Copy, Debug)]
struct Pending {
    /// The value, with the gate that `dense` is to be multiplied by.
    lazy: Lazy,
    dense: Option<Buffer>,
    pooled: Option<Vector>,
    premultiplied: bool,
    sums: Option<GatheredSums>,
}

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
                        // What the caller gives is kept for him: nothing is added in place.
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
                places,
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
                    places: *places,
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
                let slopes = self.plan.temporary(1);
                self.plan.steps.push(Box::new(LogSumExpPoolBackward {
                    view: self.plan.view(input),
                    sharpness: *sharpness,
                    gradient,
                    to,
                    slopes,
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

    fn entry(&mut self, lazy: &Lazy) -> &mut Pending {
        self.pending.entry(lazy.key()).or_insert(Pending {
            lazy: Lazy {
                gate: None,
                ..*lazy
            },
            dense: None,
            pooled: None,
            premultiplied: false,
            sums: None,
        })
    }

    fn share(&mut self, buffer: Buffer) {
        *self.shares.entry(buffer).or_default() += 1;
    }

    fn release(&mut self, buffer: Buffer) {
        if let Some(shares) = self.shares.get_mut(&buffer) {
            *shares = shares.saturating_sub(1);
        }
    }

    /// A buffer with the same content that may be written.
    fn own(&mut self, buffer: Buffer, map: MapId) -> Buffer {
        if self.shares.get(&buffer).is_none_or(|&shares| shares <= 1) {
            return buffer;
        }
        let copy = self.plan.memory.buffer(self.plan.memory.len(buffer));
        self.combine(Some(buffer), copy, false, (None, Vec::new()), map);
        self.release(buffer);
        self.share(copy);
        copy
    }

    fn combine(
        &mut self,
        from: Option<Buffer>,
        to: Buffer,
        add: bool,
        (mask, sums): (Option<Buffer>, Vec<GradientSums>),
        map: MapId,
    ) {
        let shape = self.plan.maps[map.0].shape;
        self.plan.steps.push(Box::new(Combine {
            from,
            to,
            add,
            mask,
            sums,
            shape,
            runs: Runs::new(&shape),
        }));
    }

    /// Where the gradient of a value that is read by a convolution goes, and whether it is added.
    fn target(&mut self, lazy: &Lazy) -> Data {
        let pending = *self.entry(lazy);
        if let Some(dense) = pending.dense {
            // The plan puts a gate only on values that nothing else reads densely, so what is there is
            // ungated, or gated by a sum's term that must be taken out first.
            let dense = self.ungate(lazy, dense);
            let buffer = self.own(dense, lazy.map);
            self.entry(lazy).dense = Some(buffer);
            return Data {
                buffer,
                accumulate: true,
            };
        }
        let shape = self.plan.maps[lazy.map.0].shape;
        let buffer = self.plan.map_buffer(&shape);
        self.share(buffer);
        let pending = self.entry(lazy);
        pending.dense = Some(buffer);
        pending.lazy.gate = lazy.gate;
        Data {
            buffer,
            accumulate: false,
        }
    }

    /// Multiplies a pending gate into the dense gradient.
    fn ungate(&mut self, lazy: &Lazy, dense: Buffer) -> Buffer {
        let pending = *self.entry(lazy);
        if pending.lazy.gate.is_none() {
            return dense;
        }
        let values = self.plan.memory.len(dense);
        let to = self.plan.memory.buffer(values);
        let gate = self.plan.gate(pending.lazy.gate);
        let stored = Lazy {
            norm: None,
            activation: None,
            ..pending.lazy
        };
        let gradient = Gradient {
            view: super::View {
                gate,
                ..self.plan.view(&stored)
            },
            dense,
            pooled: self.plan.zeros,
            premultiplied: false,
        };
        self.resolve(gradient, to, false);
        self.release(dense);
        self.share(to);
        self.entry(lazy).lazy.gate = None;
        to
    }

    fn resolve(&mut self, gradient: Gradient, to: Buffer, accumulate: bool) {
        let runs = Runs::new(&gradient.view.shape);
        self.plan.steps.push(Box::new(Resolve {
            gradient,
            runs,
            to,
            accumulate,
        }));
    }

    /// Adds a dense gradient that lies in a buffer to a value's.
    fn contribute(&mut self, lazy: &Lazy, dense: Buffer) {
        let pending = *self.entry(lazy);
        if let Some(Gate::Learned(vector)) = lazy.gate {
            self.gate_gradient(lazy, dense, vector);
        }
        match pending.dense {
            None => {
                self.share(dense);
                let pending = self.entry(lazy);
                pending.dense = Some(dense);
                pending.lazy.gate = lazy.gate;
            }
            Some(there) => {
                let there = self.ungate(lazy, there);
                let there = self.own(there, lazy.map);
                let stored = Lazy {
                    norm: None,
                    activation: None,
                    ..*lazy
                };
                let gradient = Gradient {
                    view: self.plan.view(&stored),
                    dense,
                    pooled: self.plan.zeros,
                    premultiplied: false,
                };
                self.resolve(gradient, there, true);
                self.entry(lazy).dense = Some(there);
            }
        }
    }

    /// Gradient of a learned gate whose value's gradient lies in a buffer.
    fn gate_gradient(&mut self, lazy: &Lazy, dense: Buffer, vector: VectorId) {
        let gradient = Gradient {
            view: self.plan.view(lazy),
            dense,
            pooled: self.plan.zeros,
            premultiplied: false,
        };
        let gathered = self.gradient_sums(gradient, Sums::Gated);
        self.finish_gate(gathered, vector);
    }

    fn finish_gate(&mut self, gathered: GatheredSums, vector: VectorId) {
        let (to, accumulate) = self.vector(vector);
        self.plan.steps.push(Box::new(GateGradient {
            gathered,
            to,
            accumulate,
        }));
    }

    fn gradient_sums(&mut self, gradient: Gradient, sums: Sums) -> GatheredSums {
        let step = self.sums_of(gradient, sums);
        let gathered = step.gathered();
        self.plan.steps.push(Box::new(step));
        gathered
    }

    fn sums_of(&mut self, gradient: Gradient, sums: Sums) -> GradientSums {
        let runs = Runs::new(&gradient.view.shape);
        GradientSums {
            gradient,
            sums,
            runs,
            to: self.sums_buffer(gradient.view.shape.stride, runs.per_picture),
        }
    }

    fn sums_buffer(&mut self, stride: usize, per_picture: usize) -> Buffer {
        let chunks = self.plan.batch * per_picture;
        self.plan.memory.buffer(chunks * SUM_ROWS * stride)
    }

    /// The pending gradient of one value, with the coefficients of its batch norm computed.
    fn gradient(&mut self, pending: &Pending) -> Gradient {
        let mut view = self.plan.view(&pending.lazy);
        let pooled = pending.pooled.unwrap_or(self.plan.zeros);
        let dense = pending.dense.unwrap_or_else(|| {
            view.gate = self.plan.zeros;
            view.map
        });
        let gradient = Gradient {
            view,
            dense,
            pooled,
            premultiplied: pending.premultiplied,
        };
        if let Some(norm) = pending.lazy.norm {
            self.norm_gradient(norm, &gradient, pending.sums);
        }
        gradient
    }

    fn norm_gradient(&mut self, norm: NormId, gradient: &Gradient, sums: Option<GatheredSums>) {
        let gathered = match sums {
            Some(gathered) => gathered,
            None => self.gradient_sums(*gradient, Sums::Norm),
        };
        let info = self.plan.norms[norm.0];
        self.plan.steps.push(Box::new(NormGradient {
            norm: info.rows,
            parameters: info.parameters,
            gathered,
            gate: gradient.view.gate,
            pooled: gradient.pooled,
            pixels: gradient.view.shape.pixels(),
        }));
    }

    fn take(&mut self, map: MapId) -> Vec<Pending> {
        let keys: Vec<Key> = self
            .pending
            .keys()
            .copied()
            .filter(|key| key.0 == map)
            .collect();
        keys.iter()
            .filter_map(|key| self.pending.remove(key))
            .collect()
    }

    /// The gradient of a map that a convolution made.
    fn of_map(&mut self, map: MapId) -> Option<Gradient> {
        let pending = self.take(map);
        match pending.as_slice() {
            [] => None,
            [one] => Some(self.gradient(one)),
            many => {
                let dense = self.merge(map, many);
                Some(self.plain_gradient(map, dense))
            }
        }
    }

    fn plain_gradient(&self, map: MapId, dense: Buffer) -> Gradient {
        let stored = Lazy {
            map,
            norm: None,
            activation: None,
            gate: None,
        };
        Gradient {
            view: self.plan.view(&stored),
            dense,
            pooled: self.plan.zeros,
            premultiplied: false,
        }
    }

    /// The gradient of a map as a plain dense one.
    fn plain(&mut self, map: MapId) -> Option<Buffer> {
        let pending = self.take(map);
        (!pending.is_empty()).then(|| self.merge(map, &pending))
    }

    fn merge(&mut self, map: MapId, pending: &[Pending]) -> Buffer {
        let mut sum = None;
        for one in pending {
            let is_plain = one.lazy.norm.is_none()
                && one.lazy.activation.is_none()
                && one.lazy.gate.is_none()
                && one.pooled.is_none();
            match (one.dense, sum) {
                (Some(dense), None) if is_plain => sum = Some(dense),
                _ => {
                    let gradient = self.gradient(one);
                    let (to, accumulate) = match sum {
                        Some(there) => (self.own(there, map), true),
                        None => {
                            let shape = self.plan.maps[map.0].shape;
                            let to = self.plan.map_buffer(&shape);
                            self.share(to);
                            (to, false)
                        }
                    };
                    self.resolve(gradient, to, accumulate);
                    one.dense.into_iter().for_each(|dense| self.release(dense));
                    sum = Some(to);
                }
            }
        }
        sum.unwrap_or(Buffer(0))
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

    /// Whether the sums of a value's batch norm can be gathered while its gradient is written: where
    /// nothing else reads the value, or what does comes in after (a gate's pool).
    fn sums_while_writing(&self, lazy: &Lazy, data: &Data) -> Option<Sums> {
        let readers = self.plan.readers.get(&lazy.key()).copied();
        match lazy.gate {
            _ if data.accumulate => None,
            Some(Gate::Learned(_)) => Some(Sums::Gated),
            None if lazy.norm.is_some() && readers == Some((1, 0)) => Some(Sums::Norm),
            _ => None,
        }
    }

    fn convolution(
        &mut self,
        input: &Lazy,
        output: MapId,
        geometry: &Geometry,
        weight: ParameterId,
        bias: Option<ParameterId>,
    ) {
        let Some(gradient) = self.of_map(output) else {
            return;
        };
        let chunks = ConvolutionBackward::chunks(geometry);
        // The picture needs no gradient.
        let data = (input.map != MapId(0)).then(|| self.target(input));
        let mut gathered = None;
        if let Some(data) = &data
            && let Some(sums) = self.sums_while_writing(input, data)
        {
            let buffer = self.sums_buffer(geometry.input.stride, chunks.per_picture);
            gathered = Some(Gathered {
                buffer,
                sums,
                per_picture: chunks.per_picture,
                zeros: self.plan.zeros,
            });
        }
        let weights = match data {
            Some(_) => self.plan.pack(geometry, weight, geometry.layouts()[1]),
            None => self.plan.zeros.buffer,
        };
        let tasks = self.plan.batch * chunks.per_picture;
        let allocate = |words| self.plan.memory.buffer(words);
        let (product, slots) = ConvolutionBackward::product(geometry, chunks, tasks, allocate);
        // Where many chunks are one sum, each has a partial gradient of the bias.
        let biases = match product {
            Product::Tiles(_) | Product::Together(..) => tasks,
            Product::Direct | Product::Apart(_) => slots,
        };
        let size = geometry.slot_rows() * geometry.output.stride;
        let weight_slots = self.plan.memory.buffer(slots * size);
        let bias_slots = bias.map(|_| self.plan.memory.buffer(biases * geometry.output.stride));
        self.plan.steps.push(Box::new(ConvolutionBackward {
            geometry: *geometry,
            chunks,
            gradient,
            view: self.plan.view(input),
            weights,
            data,
            gathered,
            weight_slots,
            product,
            bias_slots,
            slots,
        }));
        self.release(gradient.dense);
        self.note_sums(
            input,
            gathered.map(|g| GatheredSums {
                buffer: g.buffer,
                sums: g.sums,
                per_picture: g.per_picture,
            }),
        );
        self.reduce(
            geometry,
            weight,
            [
                geometry.input.channels,
                geometry.input.stride,
                geometry.kernel * geometry.kernel,
            ],
            geometry.tile(),
            weight_slots,
            slots,
        );
        if let (Some(bias), Some(bias_slots)) = (bias, bias_slots) {
            self.reduce(geometry, bias, [1, 1, 1], None, bias_slots, biases);
        }
    }

    /// Keeps sums gathered while a value's gradient was written, and finishes its gate's gradient.
    fn note_sums(&mut self, lazy: &Lazy, sums: Option<GatheredSums>) {
        let learned = match lazy.gate {
            Some(Gate::Learned(vector)) => Some(vector),
            _ => None,
        };
        let Some(sums) = sums else {
            // A gate with no sums: its gradient needs a pass of its own.
            let dense = self.pending.get(&lazy.key()).and_then(|p| p.dense);
            if let (Some(vector), Some(dense)) = (learned, dense) {
                self.gate_gradient(lazy, dense, vector);
            }
            return;
        };
        let pending = self.entry(lazy);
        pending.premultiplied = sums.sums == Sums::Norm;
        if pending.lazy.norm.is_some() {
            pending.sums = Some(sums);
        }
        if let Some(vector) = learned {
            self.finish_gate(sums, vector);
        }
    }

    fn reduce(
        &mut self,
        geometry: &Geometry,
        parameter: ParameterId,
        [inputs, stored_inputs, taps]: [usize; 3],
        combined: Option<Tile>,
        from: Buffer,
        slots: usize,
    ) {
        let offset = self.plan.offset(parameter);
        self.plan.steps.push(Box::new(ReduceWeights {
            offset,
            inputs,
            outputs: geometry.output.channels,
            stored_inputs,
            stored_outputs: geometry.output.stride,
            taps,
            combined,
            from,
            slots,
        }));
    }

    fn depthwise(
        &mut self,
        input: &Lazy,
        output: MapId,
        geometry: &Geometry,
        packed: Buffer,
        weight: ParameterId,
        bias: Option<ParameterId>,
    ) {
        let Some(gradient) = self.of_map(output) else {
            return;
        };
        let data = (input.map != MapId(0)).then(|| self.target(input));
        let gathers = data
            .as_ref()
            .is_some_and(|data| self.sums_while_writing(input, data) == Some(Sums::Norm));
        let stride = geometry.output.stride;
        let sums = gathers.then(|| self.sums_buffer(stride, 1));
        let batch = self.plan.batch;
        let taps = geometry.kernel * geometry.kernel;
        let weight_slots = self.plan.memory.buffer(batch * taps * stride);
        let bias_slots = bias.map(|_| self.plan.memory.buffer(batch * stride));
        self.plan.steps.push(Box::new(depthwise::Backward {
            plane: geometry.plane(),
            gradient,
            view: self.plan.view(input),
            channels: stride,
            weights: packed,
            data,
            sums,
            weight_slots,
            bias_slots,
        }));
        self.release(gradient.dense);
        self.note_sums(
            input,
            sums.map(|buffer| GatheredSums {
                buffer,
                sums: Sums::Norm,
                per_picture: 1,
            }),
        );
        self.reduce(geometry, weight, [1, 1, taps], None, weight_slots, batch);
        if let (Some(bias), Some(bias_slots)) = (bias, bias_slots) {
            self.reduce(geometry, bias, [1, 1, 1], None, bias_slots, batch);
        }
    }
}
