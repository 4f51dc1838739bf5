//! Convolutions: gradients of their data, weights and biases, and the sums gathered on the way.

use soup_graph::ParameterId;

use super::Backward;
use crate::kernels::gather::Sums;
use crate::kernels::winograd::Tile;
use crate::plan::Buffer;
use crate::plan::forward::{Gate, Lazy, MapId};
use crate::steps::convolution::{ConvolutionBackward, Data, Gathered, Geometry, Product};
use crate::steps::depthwise;
use crate::steps::norm::GatheredSums;
use crate::steps::weights::ReduceWeights;

impl Backward<'_, '_> {
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

    pub(super) fn convolution(
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
        // The image needs no gradient.
        let data = (input.map != MapId(0)).then(|| self.target(input));
        let mut gathered = None;
        if let Some(data) = &data
            && let Some(sums) = self.sums_while_writing(input, data)
        {
            let buffer = self.sums_buffer(geometry.input.stride, chunks.per_image);
            gathered = Some(Gathered {
                buffer,
                sums,
                per_image: chunks.per_image,
                zeros: self.plan.zeros,
            });
        }
        let weights = match data {
            Some(_) => self.plan.pack(geometry, weight, geometry.layouts()[1]),
            None => self.plan.zeros.buffer,
        };
        let tasks = self.plan.batch * chunks.per_image;
        let allocate = |words| self.plan.memory.buffer(words);
        let (product, slots) = ConvolutionBackward::product(geometry, chunks, tasks, allocate);
        // Where many chunks are one sum, each has a partial gradient of the bias.
        let biases = match product {
            Product::Tiles(_) | Product::Grouped(..) => tasks,
            Product::Direct | Product::Packed(_) => slots,
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
                per_image: g.per_image,
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
        winograd: Option<Tile>,
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
            winograd,
            from,
            slots,
        }));
    }

    pub(super) fn depthwise(
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
                per_image: 1,
            }),
        );
        self.reduce(geometry, weight, [1, 1, taps], None, weight_slots, batch);
        if let (Some(bias), Some(bias_slots)) = (bias, bias_slots) {
            self.reduce(geometry, bias, [1, 1, 1], None, bias_slots, batch);
        }
    }
}
