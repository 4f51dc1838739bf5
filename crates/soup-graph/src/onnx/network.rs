//! From the nodes of a graph to operations of ONNX.

use super::{Attribute, Value, Writer};
use crate::{Activation, Graph, Node, Op, Parameter, ParameterId, Shape, Weights};

impl Writer {
    /// Adds a network that reads `input` (N x channels x rows x columns) and gives its outputs:
    /// N x length for a vector, N x channels x rows x columns for a map. Every name gets `prefix` in
    /// front, so that several networks fit into one file. Dropping is left out, batch norms take
    /// their running statistics. Weights must fit the graph.
    pub fn network(
        &mut self,
        prefix: &str,
        graph: &Graph,
        weights: &Weights,
        input: Value,
    ) -> Vec<Value> {
        let mut walk = Walk {
            writer: self,
            prefix,
            graph,
            weights,
        };
        let mut values = vec![input];
        for (index, node) in graph.nodes().iter().enumerate().skip(1) {
            let inputs: Vec<Value> = node.inputs.iter().map(|id| values[id.0].clone()).collect();
            values.push(walk.node(index, node, &inputs));
        }
        graph
            .outputs
            .iter()
            .map(|id| values[id.0].clone())
            .collect()
    }
}

struct Walk<'a> {
    writer: &'a mut Writer,
    prefix: &'a str,
    graph: &'a Graph,
    weights: &'a Weights,
}

impl Walk<'_> {
    fn parameter(&self, id: ParameterId) -> &Parameter {
        self.graph.at(id)
    }

    /// A parameter as a constant, its shape cut to `sides` sides.
    fn weights(&mut self, id: ParameterId, sides: usize) -> Value {
        let graph = self.graph;
        let parameter = graph.at(id);
        let name = format!("{}{}", self.prefix, parameter.name());
        let sides = sides.min(parameter.shape().len());
        self.writer.floats(
            &name,
            &parameter.shape()[..sides],
            self.weights.of(parameter),
        )
    }

    /// The name of the layer that owns a weight.
    fn layer(&self, weight: ParameterId) -> String {
        let name = self.parameter(weight).name();
        let layer = name.strip_suffix(".weight").unwrap_or(name);
        format!("{}{layer}", self.prefix)
    }

    fn node(&mut self, index: usize, node: &Node, inputs: &[Value]) -> Value {
        use Attribute::{Float, Integer, Integers};
        let first = &inputs[0];
        let name = |word: &str| format!("{}{word}.{index}", self.prefix);
        match node.op {
            // Node 0 is the only one, and it is the caller's value.
            Op::Input | Op::Dropout(_) | Op::DropPath(_) => first.clone(),
            Op::Convolution { spec, weight, bias } => {
                let layer = self.layer(weight);
                let weight = self.weights(weight, 4);
                let map = self.graph.node(node.inputs[0]).shape;
                let bias = bias.map(|bias| self.weights(bias, 1));
                let kernel = [spec.kernel as i64; 2];
                let stride = [spec.stride as i64; 2];
                // The graph was checked: a convolution reads a map.
                let (height, width) = match map {
                    Shape::Map(map) => (map.height, map.width),
                    Shape::Vector(_) => (1, 1),
                };
                let [top, bottom] = spec.zeros(height).map(|zeros| zeros as i64);
                let [left, right] = spec.zeros(width).map(|zeros| zeros as i64);
                let read: Vec<&Value> = [first, &weight].into_iter().chain(&bias).collect();
                let settings = [
                    ("kernel_shape", Integers(&kernel)),
                    ("strides", Integers(&stride)),
                    ("pads", Integers(&[top, left, bottom, right])),
                    ("group", Integer(spec.groups as i64)),
                ];
                self.writer.add_node(&layer, "Conv", &read, &settings)
            }
            Op::BatchNorm {
                epsilon,
                weight,
                bias,
                mean,
                variance,
                ..
            } => {
                let layer = self.layer(weight);
                let read = [weight, bias, mean, variance].map(|id| self.weights(id, 1));
                let read: Vec<&Value> = std::iter::once(first).chain(&read).collect();
                let settings = [("epsilon", Float(epsilon))];
                self.writer
                    .add_node(&layer, "BatchNormalization", &read, &settings)
            }
            Op::Activation(activation) => self.activation(index, activation, first),
            Op::AveragePool => {
                let pooled = name("pool");
                let pooled = self
                    .writer
                    .add_node(&pooled, "GlobalAveragePool", &[first], &[]);
                self.flat(index, &pooled)
            }
            Op::LogSumExpPool { sharpness } => self.log_sum_exp_pool(index, sharpness, first),
            Op::PowerPool { power } => {
                // Trained, so a constant now.
                let power = self.weights.of(self.parameter(power))[0];
                if power >= 0.0 {
                    return self.log_sum_exp_pool(index, power, first);
                }
                // A smooth minimum is the negated maximum of the negated values.
                let (negated, back) = (name("turned"), name("back"));
                let negated = self.writer.add_node(&negated, "Neg", &[first], &[]);
                let pooled = self.log_sum_exp_pool(index, -power, &negated);
                self.writer.add_node(&back, "Neg", &[&pooled], &[])
            }
            Op::AttentionPool {
                temperature,
                share,
                mean,
            } => self.attention_pool(index, [temperature, share, mean], inputs),
            Op::MaxPool {
                kernel,
                stride,
                padding,
            } => {
                let settings = [
                    ("kernel_shape", Integers(&[kernel as i64; 2])),
                    ("strides", Integers(&[stride as i64; 2])),
                    ("pads", Integers(&[padding as i64; 4])),
                ];
                let name = name("max_pool");
                self.writer.add_node(&name, "MaxPool", &[first], &settings)
            }
            Op::Scale => {
                let (sides, factors, scaled) = (name("sides"), name("factors"), name("scale"));
                let sides = self.writer.integers(&sides, &[2, 3]);
                let factors =
                    self.writer
                        .add_node(&factors, "Unsqueeze", &[&inputs[1], &sides], &[]);
                self.writer
                    .add_node(&scaled, "Mul", &[first, &factors], &[])
            }
            Op::Add => {
                let mut sum = first.clone();
                for (term, value) in inputs.iter().enumerate().skip(1) {
                    let name = format!("{}add.{index}.{term}", self.prefix);
                    sum = self.writer.add_node(&name, "Add", &[&sum, value], &[]);
                }
                sum
            }
            Op::Linear { weight, bias } => {
                let layer = self.layer(weight);
                let weight = self.weights(weight, 2);
                let bias = bias.map(|bias| self.weights(bias, 1));
                let read: Vec<&Value> = [first, &weight].into_iter().chain(&bias).collect();
                let settings = [("transB", Integer(1))];
                self.writer.add_node(&layer, "Gemm", &read, &settings)
            }
        }
    }

    /// N x channels x 1 x 1 as N x channels.
    fn flat(&mut self, index: usize, value: &Value) -> Value {
        let name = format!("{}vector.{index}", self.prefix);
        let axis = [("axis", Attribute::Integer(1))];
        self.writer.add_node(&name, "Flatten", &[value], &axis)
    }

    fn activation(&mut self, index: usize, activation: Activation, x: &Value) -> Value {
        let name = |word: &str| format!("{}{word}.{index}", self.prefix);
        let writer = &mut *self.writer;
        match activation {
            Activation::Relu => writer.add_node(&name("relu"), "Relu", &[x], &[]),
            Activation::Relu6 => {
                let (least, most) = (name("relu6.least"), name("relu6.most"));
                let least = writer.floats(&least, &[], &[0.0]);
                let most = writer.floats(&most, &[], &[6.0]);
                writer.add_node(&name("relu6"), "Clip", &[x, &least, &most], &[])
            }
            Activation::Sigmoid => writer.add_node(&name("sigmoid"), "Sigmoid", &[x], &[]),
            Activation::Silu => {
                let gate = writer.add_node(&name("gate"), "Sigmoid", &[x], &[]);
                writer.add_node(&name("silu"), "Mul", &[x, &gate], &[])
            }
            Activation::Hardswish => writer.add_node(&name("hardswish"), "HardSwish", &[x], &[]),
            Activation::Mish => {
                let soft = writer.add_node(&name("softplus"), "Softplus", &[x], &[]);
                let gate = writer.add_node(&name("gate"), "Tanh", &[&soft], &[]);
                writer.add_node(&name("mish"), "Mul", &[x, &gate], &[])
            }
            Activation::Gelu => {
                let scale =
                    writer.floats(&name("gelu.scale"), &[], &[std::f32::consts::FRAC_1_SQRT_2]);
                let (half, one) = (name("gelu.half"), name("gelu.one"));
                let half = writer.floats(&half, &[], &[0.5]);
                let one = writer.floats(&one, &[], &[1.0]);
                let scaled = writer.add_node(&name("gelu.scaled"), "Mul", &[x, &scale], &[]);
                let error = writer.add_node(&name("gelu.erf"), "Erf", &[&scaled], &[]);
                let twice = writer.add_node(&name("gelu.twice"), "Add", &[&error, &one], &[]);
                let gate = writer.add_node(&name("gate"), "Mul", &[&twice, &half], &[]);
                writer.add_node(&name("gelu"), "Mul", &[x, &gate], &[])
            }
        }
    }

    /// `mean * mean(v) + share * mean(w v) / mean(w)` with `w = exp(t (s - max s))`, or with `w` 1 at
    /// the largest scores and 0 elsewhere.
    fn attention_pool(
        &mut self,
        index: usize,
        [temperature, share, mean]: [f32; 3],
        inputs: &[Value],
    ) -> Value {
        let name = |word: &str| format!("{}attention.{index}.{word}", self.prefix);
        let writer = &mut *self.writer;
        let [scores, values] = [&inputs[0], &inputs[1]];
        let average = |writer: &mut Writer, word: &str, x: &Value| {
            writer.add_node(&name(word), "GlobalAveragePool", &[x], &[])
        };
        let largest = writer.add_node(&name("max"), "GlobalMaxPool", &[scores], &[]);
        let weights = if temperature.is_infinite() {
            let equal = writer.add_node(&name("equal"), "Equal", &[scores, &largest], &[]);
            let to_float = [("to", Attribute::Integer(1))];
            writer.add_node(&name("weights"), "Cast", &[&equal], &to_float)
        } else {
            let scale = writer.floats(&name("temperature"), &[], &[temperature]);
            let below = writer.add_node(&name("below"), "Sub", &[scores, &largest], &[]);
            let scaled = writer.add_node(&name("scaled"), "Mul", &[&below, &scale], &[]);
            writer.add_node(&name("weights"), "Exp", &[&scaled], &[])
        };
        let weighted = writer.add_node(&name("weighted"), "Mul", &[&weights, values], &[]);
        let attended = average(writer, "sum", &weighted);
        let total = average(writer, "total", &weights);
        let attended = writer.add_node(&name("attended"), "Div", &[&attended, &total], &[]);
        let factor = writer.floats(&name("share"), &[], &[share]);
        let attended = writer.add_node(&name("shared"), "Mul", &[&attended, &factor], &[]);
        let all = average(writer, "mean", values);
        let factor = writer.floats(&name("mean.share"), &[], &[mean]);
        let all = writer.add_node(&name("mean.shared"), "Mul", &[&all, &factor], &[]);
        let pooled = writer.add_node(&name("pooled"), "Add", &[&attended, &all], &[]);
        self.flat(index, &pooled)
    }

    /// `max + ln(mean(exp(s (x - max)))) / s`: cannot overflow, and takes maps of any size.
    fn log_sum_exp_pool(&mut self, index: usize, sharpness: f32, x: &Value) -> Value {
        let name = |word: &str| format!("{}peak.{index}.{word}", self.prefix);
        let writer = &mut *self.writer;
        let pooled = if sharpness == 0.0 {
            writer.add_node(&name("mean"), "GlobalAveragePool", &[x], &[])
        } else {
            let largest = writer.add_node(&name("max"), "GlobalMaxPool", &[x], &[]);
            if sharpness.is_infinite() {
                largest
            } else {
                let scale = writer.floats(&name("sharpness"), &[], &[sharpness]);
                let below = writer.add_node(&name("below"), "Sub", &[x, &largest], &[]);
                let scaled = writer.add_node(&name("scaled"), "Mul", &[&below, &scale], &[]);
                let powers = writer.add_node(&name("powers"), "Exp", &[&scaled], &[]);
                let mean = writer.add_node(&name("mean"), "GlobalAveragePool", &[&powers], &[]);
                let log = writer.add_node(&name("log"), "Log", &[&mean], &[]);
                let rest = writer.add_node(&name("rest"), "Div", &[&log, &scale], &[]);
                writer.add_node(&name("sum"), "Add", &[&largest, &rest], &[])
            }
        };
        self.flat(index, &pooled)
    }
}
