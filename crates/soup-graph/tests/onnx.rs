//! What is written as ONNX is what ONNX Runtime was given: the fixture's bytes, and its numbers.
//!
//! After a wanted change of the writer:
//! `SOUP_WRITE_FIXTURES=1 cargo test -p soup-graph --test onnx`, then `make_onnx.py`, then again
//! without the variable.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod networks;

use std::{fs, path::Path};

use networks::{SHAPE, everything};
use serde::Deserialize;
use soup_engine::reference::{Mode, forward};
use soup_graph::{
    Graph, Shape, Weights,
    onnx::{Element, Writer},
};
use soup_random::{Purpose, Stream};

/// What ONNX Runtime made of the file.
#[derive(Deserialize)]
struct Expected {
    /// Images x channels x rows x columns.
    input: Vec<f32>,
    /// Images x 2.
    logits: Vec<f64>,
    /// Images x channels x rows x columns.
    map: Vec<f64>,
}

/// Weights whose running statistics are not those of a new network.
fn weights(graph: &Graph) -> Weights {
    let mut weights = Weights::initial(graph, 9);
    let mut stream = Stream::new(9, Purpose::Init, 1, 0);
    let mut move_up =
        |values: &mut [f32]| values.iter_mut().for_each(|x| *x += 0.3 * stream.uniform());
    move_up(weights.buffers_mut());
    move_up(weights.trainable_mut());
    weights
}

fn written(graph: &Graph, weights: &Weights) -> Vec<u8> {
    let mut onnx = Writer::new("everything");
    let sides = [SHAPE.channels, SHAPE.height, SHAPE.width];
    let x = onnx.input("x", Element::Float, &sides, "numbers");
    let outputs = onnx.network("", graph, weights, x);
    onnx.output("logits", &outputs[0], &[2], "");
    let Shape::Map(map) = graph.node(graph.outputs()[1]).shape else {
        panic!("the second output is a map");
    };
    let sides = [map.channels, map.height, map.width];
    onnx.output("map", &outputs[1], &sides, "");
    onnx.finish(&[("labels", "[\"a\",\"b\"]")]).unwrap()
}

/// Channels first to channels last, or back where the sides are given so.
fn transposed<T: Copy>(values: &[T], channels: usize, pixels: usize) -> Vec<T> {
    let images = values.chunks_exact(channels * pixels);
    images
        .flat_map(|image| {
            (0..pixels * channels).map(|at| image[at % channels * pixels + at / channels])
        })
        .collect()
}

#[test]
fn the_reference_interpreter_agrees_with_onnx_runtime_on_the_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let graph = everything();
    let weights = weights(&graph);
    let bytes = written(&graph, &weights);
    assert_eq!(bytes, written(&graph, &weights));
    let path = folder.join("everything.onnx");
    if std::env::var_os("SOUP_WRITE_FIXTURES").is_some() {
        fs::write(&path, &bytes).unwrap();
        return;
    }
    assert!(
        fs::read(&path).unwrap() == bytes,
        "the writer no longer writes what ONNX Runtime was given; see this file's first lines"
    );

    let expected = fs::read(folder.join("everything.json")).unwrap();
    let expected: Expected = serde_json::from_slice(&expected).unwrap();
    let input = transposed(&expected.input, SHAPE.channels, SHAPE.height * SHAPE.width);
    let batch = input.len() / SHAPE.len();
    let pass = forward(&graph, &weights, &input, batch, Mode::Eval).unwrap();
    let Shape::Map(map) = graph.node(graph.outputs()[1]).shape else {
        panic!("the second output is a map");
    };
    let maps = transposed(&expected.map, map.channels, map.height * map.width);
    for (output, expected) in [(0, expected.logits), (1, maps)] {
        let got = &pass.values[graph.outputs()[output].0];
        assert_eq!(got.len(), expected.len());
        let largest = expected.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        for (got, expected) in got.iter().zip(&expected) {
            let difference = (got - expected).abs();
            assert!(
                difference < 1e-5 * largest,
                "{got}, ONNX Runtime {expected}"
            );
        }
    }
}
