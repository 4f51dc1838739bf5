//! Convolutions, their packed weights, and what they take of their output on the way out.

use soup_graph::{Activation, Convolution, Node, NodeId, Op, ParameterId};

use super::{Lazy, Lowering, Machine, MapId, Record, stored_shape};
use crate::plan::{Buffer, MapShape, Mode};
use crate::steps::convolution::{ConvolutionForward, Geometry};
use crate::steps::depthwise;
use crate::steps::weights::{Layout, Packed};

impl Lowering<'_> {
    pub(super) fn convolution(
        &mut self,
        node: &Node,
        spec: &Convolution,
        input: Lazy,
        weight: ParameterId,
        bias: Option<ParameterId>,
    ) -> Lazy {
        self.read(&input, false);
        let view = self.view(&input);
        let shape = stored_shape(node);
        let activation = self.stored_activation();
        let depthwise = spec.groups > 1;
        let mut geometry = self.geometry(spec, view.shape, shape);
        geometry.halos[0] = self.maps[input.map.0].halo;
        if self.mode == Mode::Inference && !depthwise && geometry.by_rows() {
            geometry.halos[1] = self.halo(shape);
        }
        let buffer = self.memory.buffer(geometry.words_with_halo(self.batch));
        let output = self.map_in(buffer, shape, geometry.halos[1]);
        let layout = if depthwise {
            Layout::Depthwise
        } else {
            geometry.layouts()[0]
        };
        let packed = self.pack(&geometry, weight, layout);
        let packed_bias = bias.map(|bias| self.pack(&geometry, bias, Layout::Bias));
        let Machine { isa, threads } = self.machine;
        if depthwise {
            let statistics = match self.mode {
                Mode::Training => self.statistics(output, &[shape.pixels()]),
                Mode::Inference => self.means(output),
            };
            let block = match self.mode {
                Mode::Training => depthwise::even_blocks(shape.stride),
                Mode::Inference => depthwise::shared_blocks(shape.stride, self.batch, threads),
            };
            self.steps.push(Box::new(depthwise::Forward {
                plane: geometry.plane(),
                view,
                channels: shape.stride,
                block,
                activation,
                weights: packed,
                bias: packed_bias.unwrap_or(self.zeros.buffer),
                output: self.maps[output.0].buffer,
                statistics,
            }));
            self.records.push(Record::Depthwise {
                input,
                output,
                geometry,
                packed,
                weight,
                bias,
            });
        } else {
            let chunks = geometry.forward_chunks();
            let statistics = self.statistics(output, &chunks.pixels());
            self.steps.push(Box::new(ConvolutionForward {
                geometry,
                chunks,
                view,
                weights: packed,
                bias: packed_bias,
                activation,
                parts: match self.mode {
                    Mode::Training => 1,
                    Mode::Inference => {
                        ConvolutionForward::parts(&geometry, self.batch, threads, isa.lanes())
                    }
                },
                output: self.maps[output.0].buffer,
                statistics,
            }));
            self.records.push(Record::Convolution {
                input,
                output,
                geometry,
                weight,
                bias,
            });
        }
        Lazy::stored(output)
    }

    /// A buffer for packed weights, filled at the start of every run.
    pub(in crate::plan) fn pack(
        &mut self,
        geometry: &Geometry,
        parameter: ParameterId,
        layout: Layout,
    ) -> Buffer {
        let mut entry = Packed {
            offset: self.offset(parameter),
            inputs: geometry.input.channels,
            outputs: geometry.output.channels,
            stored_inputs: geometry.input.stride,
            stored_outputs: geometry.output.stride,
            kernel: geometry.kernel,
            layout,
            run: match layout {
                Layout::Backward => geometry.backward_run(),
                _ => geometry.forward_run(),
            },
            precision: geometry.precision,
            to: Buffer(0),
        };
        entry.to = self.memory.buffer(entry.len());
        self.packed.push(entry);
        entry.to
    }

    /// A buffer for the chunk statistics of a map, where a batch norm of the graph may need them.
    pub(super) fn statistics(&mut self, map: MapId, pixels: &[usize]) -> Option<Buffer> {
        if self.mode == Mode::Inference || !self.is_normalised() {
            return None;
        }
        let stride = self.maps[map.0].shape.stride;
        let buffer = self.memory.buffer(self.batch * pixels.len() * 2 * stride);
        self.maps[map.0].statistics = Some(buffer);
        Some(buffer)
    }

    /// Room for the means of a map that an average pool reads as it is stored.
    pub(super) fn means(&mut self, map: MapId) -> Option<Buffer> {
        let node = NodeId(self.values.len());
        // Its activation, where that is stored with it, is the node that the pool reads.
        let is_read = |id: NodeId| {
            let mut nodes = self.graph.nodes().iter();
            nodes.any(|node| node.op == Op::AveragePool && node.inputs == [id])
        };
        let nodes = self.graph.nodes().iter().enumerate();
        let pooled = is_read(node)
            || self.activated.contains(&node)
                && nodes
                    .filter(|(_, reader)| reader.inputs == [node])
                    .any(|(reader, _)| is_read(NodeId(reader)));
        pooled.then(|| {
            let stride = self.maps[map.0].shape.stride;
            let buffer = self.memory.buffer(self.batch * 2 * stride);
            self.maps[map.0].statistics = Some(buffer);
            buffer
        })
    }

    fn geometry(&self, spec: &Convolution, input: MapShape, output: MapShape) -> Geometry {
        Geometry {
            kernel: spec.kernel,
            stride: spec.stride,
            before: [input.height, input.width].map(|side| spec.zeros(side)[0]),
            input,
            output,
            precision: self.precision,
            amx_tiles: self.machine.isa.uses_amx_tiles(self.precision),
            halos: [0, 0],
        }
    }

    /// The halo of a convolution's output in inference: the zeros that the convolutions that alone read it need around it.
    fn halo(&self, shape: MapShape) -> usize {
        let node = NodeId(self.values.len());
        let mut nodes = self.graph.nodes().iter();
        let read = match self.activated.contains(&node) {
            true => nodes.position(|reader| reader.inputs == [node]).map(NodeId),
            false => Some(node),
        };
        let Some(read) = read.filter(|read| !self.graph.outputs().contains(read)) else {
            return 0;
        };
        let readers = self
            .graph
            .nodes()
            .iter()
            .filter(|reader| reader.inputs.contains(&read));
        let mut halos = readers.map(|reader| match &reader.op {
            Op::Convolution { spec, .. } if spec.groups == 1 => {
                self.geometry(spec, shape, stored_shape(reader)).halo()
            }
            _ => 0,
        });
        let halo = halos.next().unwrap_or(0);
        if halos.all(|other| other == halo) {
            halo
        } else {
            0
        }
    }

    /// The activation that a convolution's output is stored through: in inference the one that alone reads it.
    pub(super) fn stored_activation(&mut self) -> Option<Activation> {
        let index = self.values.len();
        if self.mode == Mode::Training {
            return None;
        }
        let activation = self.only_activation(index)?;
        self.activated.insert(NodeId(index));
        Some(activation)
    }
}
