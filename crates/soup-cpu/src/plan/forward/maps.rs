//! Operations that store a map or end one in a vector: the image, sums, pools, dropout.

use soup_graph::{Activation, Node, NodeId};

use super::{Lazy, Lowering, MapId, Record, Value, VectorId, VectorInfo, stored_shape};
use crate::{
    plan::{MapShape, Mode, Vector, View},
    simd::Precision,
    steps::{
        attention::{Attention, AttentionPool},
        dropout::DropValues,
        elementwise::{Runs, Sum},
        images::RoundImages,
        max_pool::{MaxPool, Window},
        pool::{AveragePool, LogSumExpPool, Sharpness},
    },
};

impl Lowering<'_> {
    /// The image.
    pub(super) fn image(&mut self) -> Lazy {
        let shape = self.graph.input();
        // The image keeps its one or three channels (in whole words): padding them would be all
        // zeros.
        let stride = shape.channels.next_multiple_of(self.precision.per_word());
        let shape = MapShape {
            height: shape.height,
            width: shape.width,
            channels: shape.channels,
            stride,
        };
        let map = self.map(shape);
        let to = self.maps[map.0].buffer;
        self.images = match self.precision {
            Precision::F32 => to,
            Precision::Bf16 => {
                let values = self.batch * shape.pixels() * shape.channels;
                let from = self.memory.buffer(values);
                self.steps.push(Box::new(RoundImages { from, shape, to }));
                from
            }
        };
        self.memory.pin(self.images);
        Lazy::stored(map)
    }

    /// The sum of a node's maps, with the rectifier that alone reads it.
    pub(super) fn map_sum(&mut self, index: usize) -> Lazy {
        let terms = self.graph.nodes()[index]
            .inputs
            .iter()
            .filter_map(|id| match self.values[id.0] {
                Value::Map(lazy) => Some(lazy),
                Value::Vector(_) => None,
            })
            .collect();
        let relu = self.only_activation(index) == Some(Activation::Relu);
        if relu {
            self.activated.insert(NodeId(index));
        }
        Lazy::stored(self.sum(terms, relu))
    }

    /// A value as a map of its own, for the node that is being lowered.
    pub(super) fn copy(&mut self, lazy: Lazy) -> Lazy {
        let map = self.sum(vec![lazy], false);
        self.copies.insert(self.values.len(), map);
        Lazy::stored(map)
    }

    pub(super) fn sum(&mut self, terms: Vec<Lazy>, relu: bool) -> MapId {
        for term in &terms {
            self.read(term, false);
        }
        let views: Vec<View> = terms.iter().map(|term| self.view(term)).collect();
        let shape = views[0].shape;
        let output = self.map(shape);
        let runs = Runs::new(&shape);
        let statistics = if self.mode == Mode::Training && self.sum_is_normalised(relu) {
            let stride = shape.stride;
            let buffer = self.memory.buffer(self.batch * runs.per_image * 2 * stride);
            self.maps[output.0].statistics = Some(buffer);
            Some(buffer)
        } else {
            None
        };
        self.steps.push(Box::new(Sum {
            terms: views,
            relu,
            shape,
            output: self.maps[output.0].buffer,
            runs,
            statistics,
        }));
        self.records.push(Record::Sum {
            terms,
            relu,
            output,
        });
        output
    }

    pub(super) fn max_pool(&mut self, node: &Node, input: Lazy, window: Window) -> Lazy {
        let input = self.ungated(input);
        self.read(&input, false);
        let shape = stored_shape(node);
        let output = self.map(shape);
        let argmax = self.memory.buffer(self.batch * shape.len());
        self.steps.push(Box::new(MaxPool {
            view: self.view(&input),
            window,
            shape,
            output: self.maps[output.0].buffer,
            argmax,
        }));
        self.records.push(Record::MaxPool {
            input,
            argmax,
            output,
        });
        Lazy::stored(output)
    }

    /// Dropout of a map in training: the dropped map is stored.
    pub(super) fn drop_values(&mut self, node: usize, input: Lazy, rate: f32) -> Lazy {
        self.read(&input, false);
        let view = self.view(&input);
        let output = self.map(view.shape);
        self.steps.push(Box::new(DropValues {
            view: Some(view),
            rate,
            node,
            shape: view.shape,
            to: self.maps[output.0].buffer,
        }));
        self.records.push(Record::DropValues {
            input,
            output,
            rate,
            node,
        });
        Lazy::stored(output)
    }

    pub(super) fn average_pool(&mut self, node: &Node, lazy: Lazy) -> VectorId {
        let input = self.ungated(lazy);
        self.read(&input, true);
        let map = self.maps[input.map.0];
        if let (Mode::Inference, Some(buffer)) = (self.mode, map.statistics)
            && input == Lazy::stored(input.map)
        {
            // The convolution before has taken the means while it wrote the map.
            let place = Vector {
                buffer,
                stride: 2 * map.shape.stride,
            };
            let length = node.shape.len();
            self.vectors.push(VectorInfo { place, length });
            return VectorId(self.vectors.len() - 1);
        }
        let output = self.vector(node.shape.len());
        self.steps.push(Box::new(AveragePool {
            view: self.view(&input),
            to: self.vectors[output.0].place,
        }));
        self.records.push(Record::AveragePool { input, output });
        output
    }

    /// Log-sum-exp or generalised-mean pooling.
    pub(super) fn soft_pool(&mut self, node: &Node, lazy: Lazy, sharpness: Sharpness) -> VectorId {
        let input = self.ungated(lazy);
        self.read(&input, false);
        let output = self.vector(node.shape.len());
        self.steps.push(Box::new(LogSumExpPool {
            view: self.view(&input),
            sharpness,
            to: self.vectors[output.0].place,
        }));
        self.records.push(Record::LogSumExpPool {
            input,
            sharpness,
            output,
        });
        output
    }

    pub(super) fn attention_pool(
        &mut self,
        node: &Node,
        scores: Lazy,
        values: Lazy,
        attention: Attention,
    ) -> VectorId {
        let scores = self.ungated(scores);
        let values = match node.inputs[0] == node.inputs[1] {
            true => scores,
            false => self.ungated(values),
        };
        self.read(&scores, false);
        self.read(&values, false);
        let output = self.vector(node.shape.len());
        self.steps.push(Box::new(AttentionPool {
            attention,
            scores: self.view(&scores),
            values: self.view(&values),
            to: self.vectors[output.0].place,
        }));
        self.records.push(Record::AttentionPool {
            scores,
            values,
            attention,
            output,
        });
        output
    }
}
