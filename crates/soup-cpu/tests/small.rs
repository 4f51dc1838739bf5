//! Every kind of step on shapes so small that Miri, AddressSanitizer and valgrind can follow it: portable kernels alone,
//! sides and channels that no vector divides, one thread and several. See `.ci/miri`, `.ci/asan`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use soup_cpu::{Inference, Isa, Options, Training};
use soup_engine::{
    Precision,
    reference::{self, Mode},
};
use soup_graph::{Activation, Builder, Convolution, Graph, ImageShape, Padding, Weights};
use soup_random::{Purpose, Stream};

/// Miri is a thousand times slower, so it gets the smallest shapes that have every kind of step.
const SMALLEST: bool = cfg!(miri);
const IMAGE: ImageShape = ImageShape {
    channels: 3,
    height: if SMALLEST { 5 } else { 7 },
    width: if SMALLEST { 4 } else { 6 },
};
const BATCH: usize = if SMALLEST { 1 } else { 2 };

/// Dense, depthwise, strided, wide-padded and Winograd's convolutions, norms, pools, attention, gates and sums.
fn everything() -> Graph {
    let mut net = Builder::new(IMAGE);
    let stem = Convolution::square(5, 3).stride(2);
    let x = net.convolution("stem", net.input(), stem).unwrap();
    let x = net.batch_norm("bn", x, 1e-3, 0.1).unwrap();
    let x = net.activation(x, Activation::Silu);
    let y = net
        .convolution("deep", x, Convolution::depthwise(5, 3))
        .unwrap();
    let y = net.batch_norm("deep_bn", y, 1e-3, 0.1).unwrap();
    let y = net.activation(y, Activation::Gelu);
    let pooled = net.average_pool(y).unwrap();
    let gate = net.pointwise("gate", pooled, 5, true).unwrap();
    let gate = net.activation(gate, Activation::Sigmoid);
    let y = net.scale(y, gate).unwrap();
    let x = net.add(&[x, y]).unwrap();
    let wide = Convolution {
        padding: Padding::Each(2),
        stride: if SMALLEST { 2 } else { 1 },
        ..Convolution::square(17, 3).with_bias()
    };
    let x = net.convolution("wide", x, wide).unwrap();
    let x = net.activation(x, Activation::Mish);
    let x = net
        .convolution("tiles", x, Convolution::square(18, 3))
        .unwrap();
    let x = net.batch_norm("tiles_bn", x, 1e-3, 0.1).unwrap();
    let x = net.activation(x, Activation::Hardswish);
    let same = Convolution::depthwise(18, 3).padding(Padding::Same);
    let x = net.convolution("same", x, same.stride(2)).unwrap();
    let x = net.activation(x, Activation::Relu6);
    let x = net.max_pool(x, 3, 2, 1).unwrap();
    let maps = net
        .convolution("maps", x, Convolution::square(4, 1).with_bias())
        .unwrap();
    let peaks = net.log_sum_exp_pool(maps, 2.0).unwrap();
    let powers = net.power_pool("power", maps, 1.5).unwrap();
    let attended = net.attention_pool(maps, maps, 1.0, 0.5, 1.0).unwrap();
    let sum = net.add(&[peaks, powers, attended]).unwrap();
    let logits = net.linear("fc", sum, 3, true).unwrap();
    net.finish(&[logits, maps]).unwrap()
}

fn largest_difference(got: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let largest = expected
        .iter()
        .fold(1e-3f64, |top, value| top.max(value.abs()));
    let apart = got
        .iter()
        .zip(expected)
        .map(|(a, b)| (f64::from(*a) - b).abs());
    apart.fold(0.0, f64::max) / largest
}

#[test]
fn small_networks_in_single_precision() {
    check(Precision::F32, 2e-4);
}

#[test]
fn small_networks_in_bfloat16() {
    check(Precision::Bf16, 0.2);
}

fn check(precision: Precision, off: f64) {
    let graph = everything();
    let weights = Weights::initial(&graph, 3);
    let mut stream = Stream::new(3, Purpose::Noise, 0, 0);
    let images: Vec<f32> = (0..BATCH * graph.input().len())
        .map(|_| stream.normal())
        .collect();
    let (seed, step) = (5, 2);
    let lengths = graph
        .outputs()
        .iter()
        .map(|id| BATCH * graph.node(*id).shape.len());
    let given: Vec<Vec<f32>> = lengths
        .map(|length| (0..length).map(|_| stream.normal()).collect())
        .collect();
    // Miri checks only the engine: the interpreter under an interpreter takes minutes.
    let expected = (!cfg!(miri)).then(|| {
        let eval = reference::forward(&graph, &weights, &images, BATCH, Mode::Eval).unwrap();
        let train = Mode::Train { seed, step };
        let pass = reference::forward(&graph, &weights, &images, BATCH, train).unwrap();
        let exact = |values: &Vec<f32>| values.iter().map(|&x| f64::from(x)).collect();
        let exact: Vec<Vec<f64>> = given.iter().map(exact).collect();
        let gradients = reference::backward(&graph, &weights, &pass, &exact).unwrap();
        (eval, pass, gradients)
    });
    let counts = if cfg!(miri) { &[2][..] } else { &[1, 3] };
    for &threads in counts {
        let options = Options {
            threads,
            isa: Some(Isa::Portable),
            precision,
            ..Options::default()
        };
        let mut inference = Inference::new(&graph, BATCH, &options).unwrap();
        inference.load(weights.clone());
        inference.input_mut().copy_from_slice(&images);
        inference.run();
        let mut training = Training::new(&graph, BATCH, &options).unwrap();
        training.input_mut().copy_from_slice(&images);
        training.forward(&weights, seed, step);
        let outputs = [inference.output(0), inference.output(1)];
        assert!(
            outputs
                .iter()
                .all(|values| values.iter().all(|x| x.is_finite()))
        );
        let output_gradients: Vec<&[f32]> = given.iter().map(Vec::as_slice).collect();
        let mut gradients = vec![0.0; graph.trainable_len()];
        training.backward(&weights, &output_gradients, &mut gradients);
        assert!(gradients.iter().all(|x| x.is_finite()));
        let Some((eval, pass, expected)) = &expected else {
            continue;
        };
        for (index, id) in graph.outputs().iter().enumerate() {
            let apart = largest_difference(inference.output(index), &eval.values[id.0]);
            assert!(apart < off, "{precision:?} inference {index}: {apart}");
            let apart = largest_difference(training.output(index), &pass.values[id.0]);
            assert!(apart < off, "{precision:?} training {index}: {apart}");
        }
        if precision == Precision::F32 {
            let apart = largest_difference(&gradients, &expected.trainable);
            assert!(apart < off, "gradients: {apart}");
        }
    }
}
