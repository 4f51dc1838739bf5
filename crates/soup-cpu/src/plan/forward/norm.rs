//! Batch norms: coefficients from statistics that the producer of a map took, and which maps need statistics.

use soup_graph::{Node, NodeId, Op};

use super::{Lazy, Lowering, MapId, NormId, NormInfo, Record};
use crate::{
    kernels::view::NORM_ROWS,
    plan::{Buffer, Mode, Norm},
    steps::{
        elementwise::{MapStatistics, Runs},
        norm::{BatchCoefficients, Parameters, RunningCoefficients},
    },
};

impl Lowering<'_> {
    pub(super) fn batch_norm(&mut self, node: &Node, lazy: Lazy) -> Lazy {
        let Op::BatchNorm {
            epsilon,
            weight,
            bias,
            mean,
            variance,
            momentum,
        } = node.op
        else {
            unreachable!("called for batch norms");
        };
        let lazy = if lazy == Lazy::stored(lazy.map) {
            lazy
        } else {
            self.copy(lazy)
        };
        let map = self.maps[lazy.map.0];
        let stride = map.shape.stride;
        let rows = Norm {
            buffer: self.memory.pinned(NORM_ROWS * stride),
            stride,
        };
        let parameters = Parameters {
            channels: map.shape.channels,
            epsilon,
            momentum,
            weight: self.offset(weight),
            bias: self.offset(bias),
            mean: self.offset(mean),
            variance: self.offset(variance),
        };
        if self.mode == Mode::Inference {
            self.loading.push(Box::new(RunningCoefficients {
                norm: rows,
                parameters,
            }));
        } else {
            let (statistics, pixels) = self.taken_statistics(lazy.map);
            self.steps.push(Box::new(BatchCoefficients {
                norm: rows,
                parameters,
                statistics,
                pixels,
            }));
        }
        self.norms.push(NormInfo { rows, parameters });
        Lazy {
            norm: Some(NormId(self.norms.len() - 1)),
            ..lazy
        }
    }

    /// The chunk statistics of a map: its producer's, or a pass of their own.
    pub(super) fn taken_statistics(&mut self, id: MapId) -> (Buffer, Vec<usize>) {
        let map = self.maps[id.0];
        let producer = self.records.iter().find_map(|record| match record {
            Record::Convolution {
                output, geometry, ..
            } if *output == id => Some(geometry.forward_chunks().pixels()),
            Record::Depthwise { output, .. } if *output == id => Some(vec![map.shape.pixels()]),
            Record::Sum { output, .. } if *output == id => Some(Runs::new(&map.shape).lengths()),
            _ => None,
        });
        if let (Some(buffer), Some(pixels)) = (map.statistics, producer) {
            return (buffer, pixels);
        }
        let runs = Runs::new(&map.shape);
        let statistics = self
            .memory
            .buffer(self.batch * runs.per_image * 2 * map.shape.stride);
        self.steps.push(Box::new(MapStatistics {
            map: map.buffer,
            shape: map.shape,
            runs,
            statistics,
        }));
        (statistics, runs.lengths())
    }

    /// Whether the node that is being lowered is read by a batch norm.
    pub(super) fn is_normalised(&self) -> bool {
        self.is_read_by_norm(NodeId(self.values.len()))
    }

    /// Whether a batch norm reads this node.
    pub(super) fn is_read_by_norm(&self, id: NodeId) -> bool {
        self.graph
            .nodes()
            .iter()
            .any(|node| matches!(node.op, Op::BatchNorm { .. }) && node.inputs == [id])
    }

    /// Whether a batch norm reads the sum that is being lowered: itself, through the rectifier that is
    /// stored with it, or because the batch norm asked for it.
    pub(super) fn sum_is_normalised(&self, relu: bool) -> bool {
        let id = NodeId(self.values.len());
        let asks = self
            .graph
            .nodes()
            .get(id.0)
            .is_some_and(|node| matches!(node.op, Op::BatchNorm { .. }));
        let through_rectifier = relu
            && self
                .graph
                .nodes()
                .iter()
                .enumerate()
                .any(|(reader, node)| node.inputs == [id] && self.is_read_by_norm(NodeId(reader)));
        asks || through_rectifier || self.is_normalised()
    }
}
