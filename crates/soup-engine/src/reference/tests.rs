#![allow(clippy::unwrap_used, clippy::expect_used)]

use soup_graph::{Activation, Builder, Convolution, Graph, ImageShape, Op, Weights};
use soup_random::{Purpose, Stream};

use super::*;

const TRAIN: Mode = Mode::Train { seed: 5, step: 3 };
const ALL: [Activation; 6] = [
    Activation::Relu,
    Activation::Silu,
    Activation::Gelu,
    Activation::Mish,
    Activation::Hardswish,
    Activation::Sigmoid,
];

fn image(channels: usize, height: usize, width: usize) -> ImageShape {
    ImageShape {
        channels,
        height,
        width,
    }
}

fn draws(index: u64, length: usize) -> Vec<f32> {
    let mut stream = Stream::new(11, Purpose::Bootstrap, 0, index);
    // Multiples of 2^-19, so that the step of a finite difference is exact.
    (0..length)
        .map(|_| (stream.normal() * 524_288.0).round() / 524_288.0)
        .collect()
}

fn filled(graph: &Graph) -> Weights {
    let trainable = draws(1, graph.trainable_len());
    let buffers = draws(2, graph.buffer_len());
    Weights::new(
        graph,
        trainable.iter().map(|x| 0.5 * x).collect(),
        buffers.iter().map(|x| 0.5 + x.abs()).collect(),
    )
    .unwrap()
}

/// Every operation once, on maps with sides that strides do not divide.
fn everything() -> Graph {
    let mut net = Builder::new(image(2, 7, 6));
    let x = net
        .convolution(
            "a",
            net.input(),
            Convolution::square(4, 3).stride(2).with_bias(),
        )
        .unwrap();
    let x = net.batch_norm("b", x, 1e-3, 0.1).unwrap();
    let x = net.activation(x, Activation::Silu);
    let y = net
        .convolution("c", x, Convolution::depthwise(4, 5))
        .unwrap();
    let y = net.activation(y, Activation::Gelu);
    let squeezed = net.average_pool(y).unwrap();
    let squeezed = net.pointwise("d", squeezed, 3, true).unwrap();
    let squeezed = net.activation(squeezed, Activation::Mish);
    let squeezed = net.pointwise("e", squeezed, 4, true).unwrap();
    let factors = net.activation(squeezed, Activation::Sigmoid);
    let y = net.scale(y, factors).unwrap();
    let y = net.drop_path(y, 0.4);
    let x = net.add(&[x, y, x]).unwrap();
    let x = net.max_pool(x, 3, 2, 1).unwrap();
    let x = net.activation(x, Activation::Hardswish);
    let first = net.log_sum_exp_pool(x, 2.0).unwrap();
    let second = net.log_sum_exp_pool(x, 0.7).unwrap();
    let third = net.power_pool("p", x, 0.7).unwrap();
    let fourth = net.attention_pool(x, x, 1.5, 0.4, 1.0).unwrap();
    let scores = net
        .convolution("s", x, Convolution::square(4, 1).with_bias())
        .unwrap();
    let fifth = net.attention_pool(scores, x, 1.5, 0.8, 0.0).unwrap();
    let both = net.add(&[first, second, third, fourth, fifth]).unwrap();
    let both = net.dropout(both, 0.3);
    let logits = net.linear("f", both, 3, true).unwrap();
    net.finish(&[logits, x]).unwrap()
}

fn loss(graph: &Graph, weights: &Weights, images: &[f32], mode: Mode, seeds: &[Vec<f64>]) -> f64 {
    let pass = forward(graph, weights, images, 3, mode).unwrap();
    graph
        .outputs()
        .iter()
        .zip(seeds)
        .flat_map(|(output, seed)| pass.values[output.0].iter().zip(seed))
        .map(|(value, seed)| value * seed)
        .sum()
}

#[test]
fn gradients_agree_with_finite_differences() {
    let graph = everything();
    let weights = filled(&graph);
    let images = draws(3, 3 * graph.input().len());
    for mode in [Mode::Eval, TRAIN] {
        let pass = forward(&graph, &weights, &images, 3, mode).unwrap();
        let seeds: Vec<Vec<f64>> = graph
            .outputs()
            .iter()
            .enumerate()
            .map(|(n, id)| {
                draws(10 + n as u64, pass.values[id.0].len())
                    .into_iter()
                    .map(f64::from)
                    .collect()
            })
            .collect();
        let gradients = backward(&graph, &weights, &pass, &seeds).unwrap();
        let step = 2f32.powi(-18);
        let difference =
            |moved: &dyn Fn(f32) -> f64| (moved(step) - moved(-step)) / (2.0 * f64::from(step));
        let mut worst = 0f64;
        let mut compare = |what: &str, at: usize, expected: f64, got: f64| {
            let error = (expected - got).abs() / expected.abs().max(1.0);
            assert!(
                error < 1e-7,
                "{mode:?} {what} {at}: {got}, by differences {expected}"
            );
            worst = worst.max(error);
        };
        for at in 0..graph.trainable_len() {
            let expected = difference(&|step| {
                let mut weights = weights.clone();
                weights.trainable_mut()[at] += step;
                loss(&graph, &weights, &images, mode, &seeds)
            });
            compare("weight", at, expected, gradients.trainable[at]);
        }
        for at in 0..images.len() {
            let expected = difference(&|step| {
                let mut images = images.clone();
                images[at] += step;
                loss(&graph, &weights, &images, mode, &seeds)
            });
            compare("pixel", at, expected, gradients.nodes[0][at]);
        }
        assert!(worst > 0.0);
    }
}

#[test]
fn activations_have_pytorchs_values_and_derivatives() {
    // torch.nn.functional.{relu,silu,gelu,mish,hardswish,sigmoid} and their gradients in float64 at
    // -1.5 and 0.75.
    let expected = [
        [0.0, 0.0, 0.75, 1.0],
        [
            -0.2736382857095345,
            -0.041294154299142946,
            0.5093840243815447,
            0.8425999444967536,
        ],
        [
            -0.10021080190328704,
            -0.1274691922299796,
            0.5800294857173489,
            0.9992257217392352,
        ],
        [
            -0.29809974216680674,
            -0.06409781589225869,
            0.6100183352182934,
            0.985758355716688,
        ],
        [-0.375, 0.0, 0.46875, 0.75],
        [
            0.18242552380635635,
            0.14914645207033286,
            0.679178699175393,
            0.21789499376181404,
        ],
    ];
    for (function, numbers) in ALL.into_iter().zip(expected) {
        let got = [
            activation::value(function, -1.5),
            activation::derivative(function, -1.5),
            activation::value(function, 0.75),
            activation::derivative(function, 0.75),
        ];
        for (got, expected) in got.into_iter().zip(numbers) {
            assert!(
                (got - expected).abs() < 1e-12,
                "{function:?}: {got}, PyTorch {expected}"
            );
        }
    }
}

#[test]
fn activations_stay_finite_far_out() {
    for function in ALL {
        for x in [-1e4, -710.0, -40.0, 40.0, 710.0, 1e4] {
            assert!(
                activation::value(function, x).is_finite(),
                "{function:?} {x}"
            );
            assert!(
                activation::derivative(function, x).is_finite(),
                "{function:?} {x}"
            );
        }
    }
}

#[test]
fn running_statistics_move_as_pytorchs() {
    let mut net = Builder::new(image(1, 1, 2));
    let x = net.batch_norm("bn", net.input(), 0.0, 0.25).unwrap();
    let graph = net.finish(&[x]).unwrap();
    let weights = Weights::initial(&graph, 0);
    let images = [1.0, 2.0, 3.0, 6.0];
    let pass = forward(&graph, &weights, &images, 2, TRAIN).unwrap();
    // Mean 3, biased variance 14 / 4, unbiased 14 / 3.
    let deviation = 3.5f64.sqrt();
    assert_eq!(
        pass.values[1],
        [-2.0, -1.0, 0.0, 3.0].map(|x| x / deviation)
    );
    assert_eq!(pass.buffers, [0.75, 0.75 + 0.25 * 14.0 / 3.0]);
    let pass = forward(&graph, &weights, &images, 2, Mode::Eval).unwrap();
    assert_eq!(pass.values[1], [1.0, 2.0, 3.0, 6.0]);
    assert_eq!(pass.buffers, weights.buffers());
}

#[test]
fn one_value_a_channel_is_refused_in_training() {
    let mut net = Builder::new(image(2, 1, 1));
    let x = net.batch_norm("stem.bn", net.input(), 0.0, 0.25).unwrap();
    let graph = net.finish(&[x]).unwrap();
    let weights = Weights::initial(&graph, 0);
    let error = forward(&graph, &weights, &[0.0; 2], 1, TRAIN).unwrap_err();
    assert!(error.to_string().contains("stem.bn.weight"), "{error}");
    assert!(forward(&graph, &weights, &[0.0; 2], 1, Mode::Eval).is_ok());
}

#[test]
fn the_first_of_equals_wins_a_window_and_padding_never_does() {
    let mut net = Builder::new(image(1, 3, 3));
    let x = net.max_pool(net.input(), 3, 2, 1).unwrap();
    let graph = net.finish(&[x]).unwrap();
    let weights = Weights::zeros(&graph);
    let images = [-1.0, -1.0, -5.0, -1.0, -1.0, -5.0, -5.0, -5.0, -5.0];
    let pass = forward(&graph, &weights, &images, 1, Mode::Eval).unwrap();
    assert_eq!(pass.values[1], [-1.0; 4]);
    let gradients = backward(&graph, &weights, &pass, &[vec![1.0, 10.0, 100.0, 1000.0]]).unwrap();
    assert_eq!(
        gradients.nodes[0],
        [1.0, 10.0, 0.0, 100.0, 1000.0, 0.0, 0.0, 0.0, 0.0]
    );
}

#[test]
fn log_sum_exp_reaches_from_mean_to_maximum() {
    let mut net = Builder::new(image(1, 1, 3));
    let sharpness = [0.0, 1e-4, 1.0, 1e4, f32::INFINITY];
    let pools: Vec<_> = sharpness
        .iter()
        .map(|&s| net.log_sum_exp_pool(net.input(), s).unwrap())
        .collect();
    let graph = net.finish(&pools).unwrap();
    let images = [900.0, 901.0, 905.0];
    let weights = Weights::zeros(&graph);
    let pass = forward(&graph, &weights, &images, 1, Mode::Eval).unwrap();
    let one = 905.0 + (((-5f64).exp() + (-4f64).exp() + 1.0) / 3.0).ln();
    for (pool, expected) in pools.iter().zip([902.0, 902.0, one, 905.0, 905.0]) {
        assert!((pass.values[pool.0][0] - expected).abs() < 1e-3);
    }
    let seeds: Vec<Vec<f64>> = (0..5).map(|n| vec![f64::from(n == 4)]).collect();
    let gradients = backward(&graph, &weights, &pass, &seeds).unwrap();
    assert_eq!(gradients.nodes[0], [0.0, 0.0, 1.0]);
}

#[test]
fn dropping_follows_the_mask_rule_and_stops_outside_training() {
    let mut net = Builder::new(image(2, 3, 2));
    let path = net.drop_path(net.input(), 0.5);
    let values = net.dropout(path, 0.25);
    let graph = net.finish(&[values]).unwrap();
    let weights = Weights::zeros(&graph);
    let images = vec![1.0; 64 * 12];
    let pass = forward(&graph, &weights, &images, 64, TRAIN).unwrap();
    let kept = pass.values[path.0]
        .chunks(12)
        .filter(|p| p[0] != 0.0)
        .count();
    assert!((20..44).contains(&kept), "{kept} of 64 paths kept");
    for (n, image) in pass.values[path.0].chunks(12).enumerate() {
        let index = (path.0 as u64) << 32 | n as u64;
        let dropped = Stream::new(5, Purpose::Drop, 3, index).uniform() < 0.5;
        assert_eq!(image, [if dropped { 0.0 } else { 2.0 }; 12]);
        let mask = keep_mask(5, 3, values, n, 0.25, 12);
        for (at, factor) in mask.into_iter().enumerate() {
            let got = pass.values[values.0][n * 12 + at];
            assert_eq!(got, image[at] * f64::from(factor));
        }
    }
    let other = Mode::Train { seed: 5, step: 4 };
    let later = forward(&graph, &weights, &images, 64, other).unwrap();
    assert_ne!(pass.values[path.0], later.values[path.0]);
    let still = forward(&graph, &weights, &images, 64, Mode::Eval).unwrap();
    assert!(still.values[values.0].iter().all(|&x| x == 1.0));
}

#[test]
fn wrong_lengths_are_named() {
    let graph = everything();
    assert!(graph.nodes().iter().any(|n| matches!(n.op, Op::Dropout(_))));
    let weights = filled(&graph);
    let error = forward(&graph, &weights, &[0.0; 5], 1, Mode::Eval).unwrap_err();
    assert_eq!(
        error.to_string(),
        "images: 5 values where the graph needs 84"
    );
    let images = draws(3, graph.input().len());
    let pass = forward(&graph, &weights, &images, 1, Mode::Eval).unwrap();
    assert!(backward(&graph, &weights, &pass, &[]).is_err());
    assert!(backward(&graph, &weights, &pass, &[vec![0.0], vec![0.0]]).is_err());
    let other = Builder::new(image(2, 7, 6));
    let other = other.finish(&[NodeId(0)]).unwrap();
    let short = Weights::zeros(&other);
    assert!(forward(&graph, &short, &images, 1, Mode::Eval).is_err());
}

/// A network that was trained in bf16 on another engine is answered, in single precision; training in bf16 is refused.
#[test]
fn answers_networks_of_bf16() {
    use crate::{Engine, Learning, Precision, TrainingState};

    let mut net = Builder::new(image(2, 4, 4));
    let x = net.average_pool(net.input()).unwrap();
    let logits = net.linear("fc", x, 3, true).unwrap();
    let graph = net.finish(&[logits]).unwrap();
    let engine = Reference::new(std::sync::Arc::new(soup_threads::Pool::new(1)));
    let outputs = [Precision::F32, Precision::Bf16].map(|precision| {
        let mut session = engine.inference(&graph, 1, precision).unwrap();
        session.load(filled(&graph));
        session.input_mut().copy_from_slice(&draws(3, 32));
        session.run();
        session.output(0).to_vec()
    });
    assert_eq!(outputs[0], outputs[1]);
    let state = TrainingState::new(&graph, Learning::default(), filled(&graph)).unwrap();
    let refused = engine.training(&graph, 1, Precision::Bf16, state);
    assert!(refused.unwrap_err().to_string().contains("f32"));
}
