//! Graphs written down and read again: nothing is lost, and what cannot be is refused by name.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod networks;

use networks::{SHAPE, everything};
use serde_json::{Value, json};
use soup_graph::{
    Builder, Convolution, Description, Graph, GraphError, ImageShape, Initial, Op, Padding, Shape,
    Symmetry, Weights, rewrite,
};

/// All but how parameters start, which a description leaves out.
fn without_initials(mut graph: Graph) -> Graph {
    graph.start(|_| Some(Initial::Constant(0.0)));
    graph
}

#[test]
fn a_graph_comes_back_from_json() {
    let graph = everything();
    let weights = Weights::initial(&graph, 5);
    let (folded, _) = rewrite::for_inference(&graph, &weights).unwrap();
    for graph in [graph, folded] {
        let text = serde_json::to_string(&Description::of(&graph)).unwrap();
        let read: Description = serde_json::from_str(&text).unwrap();
        let again = read.build(SHAPE).unwrap();
        assert_eq!(without_initials(again), without_initials(graph));
    }
}

#[test]
fn another_size_changes_shapes_and_no_parameter() {
    let graph = everything();
    let larger = graph
        .resized(ImageShape {
            height: 64,
            width: 40,
            ..SHAPE
        })
        .unwrap();
    assert_eq!(larger.input().height, 64);
    let names = |graph: &Graph| {
        let parameters = graph.parameters().iter();
        parameters
            .map(|p| (p.name().to_owned(), p.shape().to_vec(), p.range()))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&larger), names(&graph));
    let tiny = graph.resized(ImageShape {
        height: 1,
        width: 1,
        ..SHAPE
    });
    assert!(tiny.is_ok(), "padding keeps every window inside");
}

#[test]
fn what_cannot_be_a_network_is_named() {
    let conv = json!({"op": "convolution", "name": "c", "channels": 4, "kernel": 3, "stride": 1,
        "padding": 1, "groups": 1, "bias": true, "from": [0]});
    let with = |key: &str, value: Value| {
        let mut layer = conv.clone();
        layer[key] = value;
        layer
    };
    let pool = json!({"op": "average_pool", "from": [1]});
    let cases = [
        (
            json!([with("from", json!([1]))]),
            json!([1]),
            "layer 1: it reads layer 1",
        ),
        (
            json!([with("from", json!([]))]),
            json!([1]),
            "layer 1: it cannot read 0 nodes",
        ),
        (
            json!([with("from", json!([0, 0]))]),
            json!([1]),
            "layer 1: it cannot read 2 nodes",
        ),
        (
            json!([with("stride", json!(0))]),
            json!([1]),
            "layer 1: c: stride is 0",
        ),
        (
            json!([with("kernel", json!(257))]),
            json!([1]),
            "layer 1: c: kernel is 257",
        ),
        (
            json!([with("channels", json!(1u64 << 40))]),
            json!([1]),
            "layer 1: c.weight: shape [1099511627776, 3, 3, 3] has more than",
        ),
        (
            json!([with("groups", json!(2))]),
            json!([1]),
            "layer 1: c: 2 groups with 3 input and 4 output",
        ),
        (
            json!([conv, with("from", json!([1]))]),
            json!([2]),
            "two parameters are called 'c.weight'",
        ),
        (
            json!([conv, pool, with("from", json!([2]))]),
            json!([3]),
            "layer 3: c: needs a feature map",
        ),
        (
            json!([conv, {"op": "max_pool", "kernel": 2, "stride": 0, "padding": 0, "from": [1]}]),
            json!([2]),
            "layer 2: max pool: stride is 0",
        ),
        (
            json!([conv, {"op": "scale", "from": [1]}]),
            json!([2]),
            "layer 2: it cannot read 1 nodes",
        ),
        (
            json!([conv, {"op": "add", "from": [1]}]),
            json!([2]),
            "layer 2: add: needs two or more",
        ),
        (
            json!([conv, {"op": "dropout", "rate": 0.0, "from": [1]}]),
            json!([2]),
            "layer 2: a rate of 0",
        ),
        (
            json!([conv, {"op": "dropout", "rate": 1.0, "from": [1]}]),
            json!([2]),
            "layer 2: rate is 1",
        ),
        (
            json!([conv, {"op": "log_sum_exp_pool", "sharpness": -1.0, "from": [1]}]),
            json!([2]),
            "layer 2: log-sum-exp pool: sharpness is -1",
        ),
        (
            json!([conv]),
            json!([2]),
            "outputs: [2] are not among the layers",
        ),
        (
            json!([conv]),
            json!([]),
            "outputs: [] are not among the layers",
        ),
    ];
    for (layers, outputs, message) in cases {
        let text = json!({"layers": layers, "outputs": outputs}).to_string();
        let description: Description = serde_json::from_str(&text).unwrap();
        let error = description.build(SHAPE).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error} for {text}");
    }
    let many: Vec<Value> = (0..16_385).map(|_| pool.clone()).collect();
    let text = json!({"layers": many, "outputs": [1]}).to_string();
    let description: Description = serde_json::from_str(&text).unwrap();
    assert!(
        description
            .build(SHAPE)
            .unwrap_err()
            .to_string()
            .contains("16385")
    );
    for text in [
        r#"{"layers": [{"op": "attention", "from": [0]}], "outputs": [1]}"#,
        "{}",
        "[]",
    ] {
        assert!(serde_json::from_str::<Description>(text).is_err(), "{text}");
    }
}

/// Padding was a number before there was another rule, and still is.
#[test]
fn padding_is_a_number_or_a_word() {
    let layer = |padding: Value| {
        json!({"layers": [{"op": "convolution", "name": "c", "channels": 4, "kernel": 3, "stride": 2,
            "padding": padding, "groups": 1, "bias": true, "from": [0]}], "outputs": [1]})
    };
    for (written, padding) in [
        (json!(0), Padding::Each(0)),
        (json!(2), Padding::Each(2)),
        (json!("same"), Padding::Same),
    ] {
        let description: Description = serde_json::from_value(layer(written.clone())).unwrap();
        let graph = description.build(SHAPE).unwrap();
        let Op::Convolution { spec, .. } = &graph.nodes()[1].op else {
            panic!("a convolution was described");
        };
        assert_eq!(spec.padding, padding);
        let again = serde_json::to_value(Description::of(&graph)).unwrap();
        assert_eq!(again["layers"][0]["padding"], written);
    }
    for bad in [
        json!("valid"),
        json!(-1),
        json!(1.5),
        json!(null),
        json!({}),
    ] {
        assert!(serde_json::from_value::<Description>(layer(bad)).is_err());
    }
}

/// timm's `pad_same`: before and behind, by side, kernel and stride.
#[test]
fn zeros_of_the_rule_same_depend_on_the_side() {
    for (side, kernel, stride, zeros, output) in [
        (224, 3, 2, [0, 1], 112),
        (225, 3, 2, [1, 1], 113),
        (112, 5, 2, [1, 2], 56),
        (113, 5, 2, [2, 2], 57),
        (14, 7, 2, [2, 3], 7),
        (7, 3, 1, [1, 1], 7),
        (6, 2, 1, [0, 1], 6),
        (1, 3, 2, [1, 1], 1),
        (10, 5, 3, [2, 2], 4),
        (6, 1, 2, [0, 0], 3),
    ] {
        let spec = Convolution::square(4, kernel).stride(stride);
        let spec = spec.padding(Padding::Same);
        assert_eq!(spec.zeros(side), zeros, "{side} {kernel}/{stride}");
        let mut net = Builder::new(ImageShape {
            channels: 3,
            height: side,
            width: side + 1,
        });
        let x = net.convolution("c", net.input(), spec).unwrap();
        let Shape::Map(map) = net.shape(x) else {
            panic!("a convolution gives a map");
        };
        assert_eq!(
            [map.height, map.width],
            [output, (side + 1).div_ceil(stride)]
        );
    }
}

#[test]
fn a_rule_that_depends_on_the_side_has_no_symmetric_form() {
    let mut net = Builder::new(SHAPE);
    let spec = Convolution::square(8, 3).stride(2).padding(Padding::Same);
    let x = net.convolution("c", net.input(), spec).unwrap();
    let x = net.batch_norm("n", x, 1e-3, 0.1).unwrap();
    let x = net.average_pool(x).unwrap();
    let graph = net.finish(&[x]).unwrap();
    let error = Symmetry::quarter_turns(&graph).unwrap_err();
    assert!(matches!(error, GraphError::Symmetry(_)), "{error}");
}
