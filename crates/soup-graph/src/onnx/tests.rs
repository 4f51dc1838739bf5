//! The file read back, message by message.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use prost::Message;

use super::{Attribute, Element, OPERATOR_SET, Writer, proto};
use crate::{Activation, Builder, Convolution, Graph, ImageShape, Weights};

fn network() -> (Graph, Weights) {
    let mut net = Builder::new(ImageShape {
        channels: 1,
        height: 8,
        width: 8,
    });
    let x = net
        .convolution("conv", net.input(), Convolution::square(4, 3).stride(2))
        .unwrap();
    let x = net.batch_norm("bn", x, 1e-5, 0.1).unwrap();
    let x = net.activation(x, Activation::Silu);
    let x = net.dropout(x, 0.5);
    let x = net.log_sum_exp_pool(x, 3.0).unwrap();
    let x = net.pointwise("fc", x, 2, true).unwrap();
    let graph = net.finish(&[x]).unwrap();
    let weights = Weights::initial(&graph, 1);
    (graph, weights)
}

fn written() -> proto::Model {
    let (graph, weights) = network();
    let mut onnx = Writer::new("two");
    let x = onnx.input("x", Element::Byte, &[1, 8, 8], "an image");
    let x = onnx.add_node("float", "Cast", &[&x], &[("to", Attribute::Integer(1))]);
    let first = onnx.network("a.", &graph, &weights, x.clone());
    let second = onnx.network("b.", &graph, &weights, x);
    let sum = onnx.add_node("sum", "Add", &[&first[0], &second[0]], &[]);
    onnx.output("logits", &sum, &[2], "one a label");
    let bytes = onnx.finish(&[("labels", "[]")]).unwrap();
    proto::Model::decode(bytes.as_slice()).unwrap()
}

#[test]
fn the_file_says_what_it_needs() {
    let model = written();
    assert_eq!(
        (model.ir_version, model.producer_name.as_str()),
        (8, "soup")
    );
    assert_eq!(model.opset_import[0].version, OPERATOR_SET);
    assert_eq!(model.opset_import[0].domain, "");
    assert_eq!(model.metadata_props[0].key, "labels");
    let graph = model.graph.unwrap();
    let dimensions = |value: &proto::ValueInfo| {
        let tensor = value.kind.clone().unwrap().tensor.unwrap();
        let sides = tensor.shape.unwrap().dim.into_iter();
        let sides: Vec<String> = sides
            .map(|side| match (side.value, side.parameter) {
                (Some(value), None) => value.to_string(),
                (None, Some(name)) => name,
                other => panic!("{other:?}"),
            })
            .collect();
        (tensor.element, sides.join(" "))
    };
    assert_eq!(dimensions(&graph.input[0]), (2, "batch 1 8 8".to_owned()));
    assert_eq!(dimensions(&graph.output[0]), (1, "batch 2".to_owned()));
}

#[test]
fn every_value_is_made_once_before_it_is_read() {
    let graph = written().graph.unwrap();
    let mut known: BTreeSet<String> = graph.input.iter().map(|input| input.name.clone()).collect();
    for constant in &graph.initializer {
        assert!(known.insert(constant.name.clone()), "{}", constant.name);
        let values: i64 = constant.dims.iter().product();
        let width = if constant.data_type == 1 { 4 } else { 8 };
        assert_eq!(constant.raw_data.len() as i64, width * values);
    }
    for node in &graph.node {
        for input in &node.input {
            assert!(known.contains(input), "{} reads {input}", node.name);
        }
        assert_eq!(node.output.as_slice(), std::slice::from_ref(&node.name));
        assert!(known.insert(node.name.clone()), "{}", node.name);
    }
    assert!(known.contains("logits"));
}

#[test]
fn layers_carry_their_names_settings_and_weights() {
    let model = written().graph.unwrap();
    let node = |name: &str| model.node.iter().find(|node| node.name == name).unwrap();
    let conv = node("a.conv");
    assert_eq!(conv.input, ["float", "a.conv.weight"]);
    let setting = |node: &proto::Node, name: &str| {
        let all = node.attribute.iter();
        all.clone().find(|a| a.name == name).unwrap().clone()
    };
    assert_eq!(setting(conv, "strides").ints, [2, 2]);
    assert_eq!(setting(conv, "pads").ints, [1; 4]);
    assert_eq!(setting(conv, "group").i, Some(1));
    assert_eq!(setting(node("b.bn"), "epsilon").f, Some(1e-5));
    assert_eq!(node("b.fc").op_type, "Gemm");
    assert!(!model.node.iter().any(|node| node.op_type == "Dropout"));

    let (graph, weights) = network();
    let constant = |name: &str| model.initializer.iter().find(|c| c.name == name).unwrap();
    let filters = constant("b.conv.weight");
    assert_eq!(filters.dims, [4, 1, 3, 3]);
    let values = weights.of(graph.parameter("conv.weight").unwrap());
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    assert_eq!(filters.raw_data, bytes);
    // A 1x1 convolution of a vector is a matrix.
    assert_eq!(constant("a.fc.weight").dims, [2, 4]);
}
