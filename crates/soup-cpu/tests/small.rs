//! Every kind of step on shapes so small that Miri, AddressSanitizer and valgrind can follow it: portable kernels alone,
//! sides and channels that no vector divides, one thread and several. See `.ci/miri`, `.ci/asan`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use soup_cpu::reference::{self, Mode};
use soup_cpu::{Inference, Isa, Options, Precision, Training};
use soup_graph::{Activation, Builder, Convolution, Graph, ImageShape, Weights};
use soup_random::{Purpose, Stream};

const PICTURE: ImageShape = ImageShape {
    channels: 3,
    height: 7,
    width: 6,
};
const BATCH: usize = 2;

/// Dense, depthwise, strided, wide-padded and Winograd's convolutions, norms, pools, attention, gates and sums.
fn everything() -> Graph {
    let mut net = Builder::new(PICTURE);
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
        padding: 3,
        ..Convolution::square(33, 3).with_bias()
    };
    let x = net.convolution("wide", x, wide).unwrap();
    let x = net.activation(x, Activation::Mish);
    let x = net
        .convolution("tiles", x, Convolution::square(34, 3))
        .unwrap();
    let x = net.batch_norm("tiles_bn", x, 1e-3, 0.1).unwrap();
    let x = net.activation(x, Activation::Hardswish);
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
fn small_networks_on_portable_kernels() {
    let graph = everything();
    let weights = Weights::initial(&graph, 3);
    let mut stream = Stream::new(3, Purpose::Noise, 0, 0);
    let images: Vec<f32> = (0..BATCH * graph.input().len())
        .map(|_| stream.normal())
        .collect();
    let (seed, step) = (5, 2);
    let eval = reference::forward(&graph, &weights, &images, BATCH, Mode::Eval).unwrap();
    let train = Mode::Train { seed, step };
    let pass = reference::forward(&graph, &weights, &images, BATCH, train).unwrap();
    let given: Vec<Vec<f32>> = graph
        .outputs()
        .iter()
        .map(|id| {
            (0..pass.values[id.0].len())
                .map(|_| stream.normal())
                .collect()
        })
        .collect();
    let exact: Vec<Vec<f64>> = given
        .iter()
        .map(|values| values.iter().map(|&x| f64::from(x)).collect())
        .collect();
    let expected = reference::backward(&graph, &weights, &pass, &exact).unwrap();
    for (precision, off) in [(Precision::F32, 2e-4), (Precision::Bf16, 0.2)] {
        for threads in [1, 3] {
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
            for (index, id) in graph.outputs().iter().enumerate() {
                let apart = largest_difference(inference.output(index), &eval.values[id.0]);
                assert!(apart < off, "{precision:?} inference {index}: {apart}");
                let apart = largest_difference(training.output(index), &pass.values[id.0]);
                assert!(apart < off, "{precision:?} training {index}: {apart}");
            }
            let given: Vec<&[f32]> = given.iter().map(Vec::as_slice).collect();
            let mut gradients = vec![0.0; graph.trainable_len()];
            training.backward(&weights, &given, &mut gradients);
            assert!(gradients.iter().all(|x| x.is_finite()));
            if precision == Precision::F32 {
                let apart = largest_difference(&gradients, &expected.trainable);
                assert!(apart < off, "gradients: {apart}");
            }
        }
    }
}
