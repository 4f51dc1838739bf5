//! The engine against the plain interpreter: values and gradients of small networks that use every
//! operation and every fusion, over odd sizes, on every instruction set of this processor.

#![allow(clippy::unwrap_used)]

mod rounding;

use rounding::{Engine, bf16, bounds};
use soup_cpu::{Inference, Isa, Options, Training};
use soup_engine::{
    Precision,
    reference::{self, Mode},
};
use soup_graph::{Activation, Builder, Convolution, Graph, ImageShape, NodeId, Role, Weights};
use soup_random::{Purpose, Stream};

/// Fresh weights with batch norms that are not neutral.
fn weights(graph: &Graph, seed: u64) -> Weights {
    let mut weights = Weights::initial(graph, seed);
    for (index, parameter) in graph.parameters().iter().enumerate() {
        let mut stream = Stream::new(seed, Purpose::Init, 1, index as u64);
        for value in weights.of_mut(parameter) {
            *value = match parameter.role() {
                Role::NormWeight | Role::RunningVariance => stream.range(0.5, 1.5),
                Role::NormBias | Role::RunningMean | Role::Bias => stream.range(-0.5, 0.5),
                Role::Weight => *value,
            };
        }
    }
    weights
}

fn images(graph: &Graph, batch: usize, seed: u64) -> Vec<f32> {
    let mut stream = Stream::new(seed, Purpose::Noise, 0, 0);
    (0..batch * graph.input().len())
        .map(|_| stream.normal())
        .collect()
}

/// Largest difference relative to the largest expected value.
fn difference(got: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let largest = expected
        .iter()
        .fold(1e-3f64, |top, value| top.max(value.abs()));
    // Not `f64::max`, which ignores NaN.
    let larger = |a: f64, b: f64| if a.is_nan() || b <= a { a } else { b };
    let apart = got
        .iter()
        .zip(expected)
        .map(|(a, b)| (f64::from(*a) - b).abs());
    apart.fold(0.0, larger) / largest
}

/// Length of the difference relative to that of what is expected.
fn distance(got: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let apart = got.iter().zip(expected);
    let apart: f64 = apart.map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
    let whole: f64 = expected.iter().map(|value| value.powi(2)).sum();
    (apart / whole.max(1e-12)).sqrt()
}

fn check(name: &str, graph: &Graph, batch: usize) {
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        for precision in Precision::ALL {
            let alone = check_on(name, graph, batch, (isa, precision), 1);
            let together = check_on(name, graph, batch, (isa, precision), 3);
            assert!(
                alone == together,
                "{name}, {isa:?}, {precision:?}: the number of threads changes bits"
            );
        }
    }
}

/// Checks everything and gives the bits of all gradients. In bfloat16 the reference rounds where the engine does.
fn check_on(
    name: &str,
    graph: &Graph,
    batch: usize,
    (isa, precision): (Isa, Precision),
    threads: usize,
) -> Vec<u32> {
    let single = precision == Precision::F32;
    let (seed, step) = (11, 3);
    let mut weights = weights(graph, seed);
    let images = images(graph, batch, seed);
    let options = Options {
        threads,
        isa: Some(isa),
        precision,
        poison: true,
        ..Options::default()
    };
    let context = format!("{name}, {isa:?}, {precision:?}, {threads} threads");
    let rounding = |training| Engine::new(graph, isa, training, &context);
    let pass = |mode, rounding: &Engine| match precision {
        Precision::F32 => reference::forward(graph, &weights, &images, batch, mode),
        Precision::Bf16 => {
            reference::forward_rounded(graph, &weights, &images, batch, mode, rounding)
        }
    };
    // An output that is a map is rounded, too, where it is stored for the caller.
    let rounded = |id: NodeId, values: &[f64]| -> Vec<f64> {
        let round = !single && rounding(None).is_map(id);
        let values = values.iter();
        values.map(|&x| if round { bf16(x) } else { x }).collect()
    };

    // Inference.
    let expected = pass(Mode::Eval, &rounding(None)).unwrap();
    let mut inference = Inference::new(graph, batch, &options).unwrap();
    inference.input_mut().copy_from_slice(&images);
    inference.load(weights.clone());
    inference.run();
    for (index, &id) in graph.outputs().iter().enumerate() {
        let expected = rounded(id, &expected.values[id.0]);
        let (d, most) = match precision {
            Precision::F32 => (difference(inference.output(index), &expected), 2e-5),
            Precision::Bf16 => (
                distance(inference.output(index), &expected),
                bounds(isa).outputs[1],
            ),
        };
        assert!(
            d < most,
            "{context}: inference output {index} differs by {d}"
        );
    }

    // Training.
    let mut training = Training::new(graph, batch, &options).unwrap();
    training.input_mut().copy_from_slice(&images);
    training.forward(&weights, seed, step);
    let engine = rounding(Some(&training));
    let expected = pass(Mode::Train { seed, step }, &engine).unwrap();
    let mut stream = Stream::new(seed, Purpose::Noise, 1, 0);
    let mut output_gradients = Vec::new();
    for (index, &id) in graph.outputs().iter().enumerate() {
        let expected = rounded(id, &expected.values[id.0]);
        let (d, most) = match precision {
            Precision::F32 => (difference(training.output(index), &expected), 5e-5),
            Precision::Bf16 => (
                distance(training.output(index), &expected),
                bounds(isa).outputs[0],
            ),
        };
        assert!(
            d < most,
            "{context}: training output {index} differs by {d}"
        );
        output_gradients.push(
            (0..training.output(index).len())
                .map(|_| stream.normal())
                .collect::<Vec<f32>>(),
        );
    }
    let exact: Vec<Vec<f64>> = (output_gradients.iter().zip(graph.outputs()))
        .map(|(g, &id)| {
            let g: Vec<f64> = g.iter().map(|&x| f64::from(x)).collect();
            rounded(id, &g)
        })
        .collect();
    let expected_gradients = match precision {
        Precision::F32 => reference::backward(graph, &weights, &expected, &exact),
        Precision::Bf16 => reference::backward_rounded(graph, &weights, &expected, &exact, &engine),
    };
    let expected_gradients = expected_gradients.unwrap();
    let bound = if single {
        5e-4
    } else {
        engine.gradient_bound()
    };
    let given: Vec<&[f32]> = output_gradients.iter().map(Vec::as_slice).collect();
    let mut gradients = vec![0.0; graph.trainable_len()];
    training.backward(&weights, &given, &mut gradients);
    for parameter in graph
        .parameters()
        .iter()
        .filter(|p| p.role().is_trainable())
    {
        let (got, expected) = (
            &gradients[parameter.range()],
            &expected_gradients.trainable[parameter.range()],
        );
        let d = match precision {
            Precision::F32 => difference(got, expected),
            Precision::Bf16 => distance(got, expected),
        };
        assert!(
            d < bound,
            "{context}: gradient of {} differs by {d}",
            parameter.name()
        );
    }
    // Gradients are added to what is there.
    let once = gradients.clone();
    training.forward(&weights, seed, step);
    training.backward(&weights, &given, &mut gradients);
    for (twice, once) in gradients.iter().zip(&once) {
        assert!(
            (twice - 2.0 * once).abs() <= 1e-4 * once.abs().max(1e-2),
            "{twice} {once}"
        );
    }
    training.update_statistics(&mut weights);
    let buffers: Vec<f64> = expected.buffers.iter().map(|&x| f64::from(x)).collect();
    let d = difference(weights.buffers(), &buffers);
    let most = match (precision, isa) {
        (Precision::F32, _) | (_, Isa::Portable | Isa::Avx2) => 1e-5,
        _ => 1e-2,
    };
    assert!(d < most, "{context}: running statistics differ by {d}");
    once.iter().map(|value| value.to_bits()).collect()
}

fn input(channels: usize, height: usize, width: usize) -> Builder {
    Builder::new(ImageShape {
        channels,
        height,
        width,
    })
}

fn norm(net: &mut Builder, name: &str, x: NodeId) -> NodeId {
    net.batch_norm(name, x, 1e-3, 0.1).unwrap()
}

fn head(mut net: Builder, x: NodeId) -> Graph {
    let pooled = net.average_pool(x).unwrap();
    let logits = net.linear("head", pooled, 5, true).unwrap();
    net.finish(&[logits]).unwrap()
}

/// One convolution with batch norm and activation between two others.
/// An image's answer is the same to the bit however many others are in its batch.
#[test]
fn images_do_not_know_of_each_other() {
    let mut net = input(3, 9, 11);
    let x = net.input();
    let stem = Convolution::square(24, 3).stride(2);
    let x = net.convolution("stem", x, stem).unwrap();
    let x = norm(&mut net, "stem_n", x);
    let x = net.activation(x, Activation::Silu);
    let graph = head(net, x);
    let weights = weights(&graph, 5);
    for (isa, precision) in Isa::ALL
        .into_iter()
        .filter(|isa| isa.is_available())
        .flat_map(|isa| Precision::ALL.map(|precision| (isa, precision)))
    {
        let options = Options {
            threads: 2,
            isa: Some(isa),
            precision,
            ..Options::default()
        };
        let answers = |batch: usize| {
            let images = images(&graph, 24, 5);
            let mut inference = Inference::new(&graph, batch, &options).unwrap();
            assert_eq!(inference.batch(), batch);
            inference.load(weights.clone());
            let mut answers: Vec<u32> = Vec::new();
            for images in images.chunks_exact(inference.input_mut().len()) {
                inference.input_mut().copy_from_slice(images);
                inference.run();
                answers.extend(inference.output(0).iter().map(|value| value.to_bits()));
            }
            answers
        };
        let alone = answers(1);
        for batch in [3, 24] {
            assert_eq!(answers(batch), alone, "{isa:?}, {precision:?}, {batch}");
        }
    }
}

/// Weights so large that the products of many chunks are added up at once, and chunks enough for two rounds of it.
#[test]
fn large_weights_of_many_chunks() {
    let mut net = input(3, 33, 33);
    let x = net.input();
    let wide = Convolution::square(256, 1);
    let x = net.convolution("wide", x, wide).unwrap();
    let x = norm(&mut net, "wide_n", x);
    let x = net.activation(x, Activation::Relu);
    let narrow = Convolution::square(128, 1);
    let x = net.convolution("narrow", x, narrow).unwrap();
    let x = norm(&mut net, "narrow_n", x);
    let graph = head(net, x);
    // The plain interpreter takes its time, so this is for the best instruction set alone.
    let best = Options::default().instruction_set().unwrap();
    for threads in [1, 3] {
        check_on("large weights", &graph, 6, (best, Precision::Bf16), threads);
    }
}

#[test]
fn dense_convolutions_of_all_kinds() {
    for (kernel, stride, channels, height, width) in [
        (1, 1, 3, 5, 7),
        (1, 2, 17, 9, 6),
        (3, 1, 24, 7, 11),
        (3, 2, 40, 8, 8),
        (3, 2, 5, 9, 13),
        (5, 1, 1, 6, 5),
        (5, 2, 17, 11, 10),
        (7, 2, 3, 12, 9),
        (2, 2, 16, 8, 6),
        (3, 3, 8, 10, 10),
    ] {
        let mut net = input(3, height, width);
        let x = net.input();
        let x = net
            .convolution("a", x, Convolution::square(channels, 3))
            .unwrap();
        let x = norm(&mut net, "an", x);
        let x = net.activation(x, Activation::Silu);
        let mut spec = Convolution::square(33, kernel).stride(stride);
        if kernel % 2 == 0 {
            spec.padding = 0;
        }
        let x = net.convolution("b", x, spec).unwrap();
        let x = norm(&mut net, "bn", x);
        let x = net.activation(x, Activation::Relu);
        let x = net
            .convolution("c", x, Convolution::square(18, 1).with_bias())
            .unwrap();
        let graph = head(net, x);
        check(
            &format!("dense {kernel}/{stride} {channels} {height}x{width}"),
            &graph,
            2,
        );
    }
}

/// 3x3 convolutions with channels enough for Winograd's tiles, of both sizes of tiles, whole and cut, in one chunk and in
/// several.
#[test]
fn tiles_of_all_sizes() {
    for (channels, height, width) in [
        (40, 8, 8),
        (33, 9, 13),
        (64, 11, 8),
        (40, 7, 30),
        (36, 17, 10),
        (48, 5, 6),
        (32, 1, 3),
        (200, 26, 35),
    ] {
        let mut net = input(3, height, width);
        let x = net.input();
        let spec = Convolution::square(channels, 3);
        let x = net.convolution("a", x, spec).unwrap();
        let x = norm(&mut net, "an", x);
        let x = net.activation(x, Activation::Silu);
        let spec = Convolution::square(34, 3).with_bias();
        let y = net.convolution("b", x, spec).unwrap();
        let spec = Convolution::square(34, 3);
        let z = net.convolution("c", x, spec).unwrap();
        let z = norm(&mut net, "cn", z);
        let x = net.add(&[y, z]).unwrap();
        let x = net.activation(x, Activation::Relu);
        let graph = head(net, x);
        check(&format!("tiles {channels} {height}x{width}"), &graph, 2);
    }
}

#[test]
fn depthwise_convolutions_of_all_kinds() {
    for (kernel, stride, channels, height, width) in [
        (3, 1, 1, 5, 7),
        (3, 2, 17, 9, 6),
        (5, 1, 24, 7, 11),
        (5, 2, 40, 8, 8),
        (3, 2, 3, 9, 13),
        (7, 1, 100, 6, 5),
        (7, 2, 17, 11, 10),
        (5, 2, 130, 12, 9),
        (3, 1, 70, 1, 1),
        (5, 1, 16, 2, 3),
    ] {
        let mut net = input(1, height, width);
        let x = net.input();
        let x = net
            .convolution("a", x, Convolution::square(channels, 3))
            .unwrap();
        let x = norm(&mut net, "an", x);
        let x = net.activation(x, Activation::Hardswish);
        let spec = Convolution::depthwise(channels, kernel).stride(stride);
        let x = net.convolution("b", x, spec).unwrap();
        let x = norm(&mut net, "bn", x);
        let x = net.activation(x, Activation::Silu);
        let graph = head(net, x);
        check(
            &format!("depthwise {kernel}/{stride} {channels} {height}x{width}"),
            &graph,
            3,
        );
    }
}

/// An inverted bottleneck with squeeze-excite, drop-path and a shortcut, twice.
#[test]
fn inverted_bottlenecks() {
    for (height, width, stride) in [(8, 8, 1), (7, 9, 2)] {
        let mut net = input(3, height, width);
        let x = net.input();
        let x = net
            .convolution("stem", x, Convolution::square(24, 3).stride(stride))
            .unwrap();
        let x = norm(&mut net, "stem_n", x);
        let mut x = net.activation(x, Activation::Silu);
        for block in 0..2 {
            let shortcut = x;
            let name = |part: &str| format!("{block}{part}");
            x = net
                .convolution(&name("expand"), x, Convolution::square(72, 1))
                .unwrap();
            x = norm(&mut net, &name("n1"), x);
            x = net.activation(x, Activation::Silu);
            x = net
                .convolution(&name("dw"), x, Convolution::depthwise(72, 5))
                .unwrap();
            x = norm(&mut net, &name("n2"), x);
            x = net.activation(x, Activation::Silu);
            let s = net.average_pool(x).unwrap();
            let s = net.pointwise(&name("reduce"), s, 6, true).unwrap();
            let s = net.activation(s, Activation::Silu);
            let s = net.pointwise(&name("excite"), s, 72, true).unwrap();
            let s = net.activation(s, Activation::Sigmoid);
            x = net.scale(x, s).unwrap();
            x = net
                .convolution(&name("project"), x, Convolution::square(24, 1))
                .unwrap();
            x = norm(&mut net, &name("n3"), x);
            x = net.drop_path(x, 0.4);
            x = net.add(&[x, shortcut]).unwrap();
        }
        let pooled = net.average_pool(x).unwrap();
        let pooled = net.dropout(pooled, 0.3);
        let logits = net.linear("head", pooled, 7, true).unwrap();
        check("bottleneck", &net.finish(&[logits]).unwrap(), 4);
    }
}

/// Three branches, rectified sum, batch norm of the sum.
#[test]
fn repvgg_blocks() {
    let mut net = input(1, 9, 10);
    let x = net.input();
    let branch = |net: &mut Builder, name: &str, x, kernel, stride, channels| {
        let spec = Convolution::square(channels, kernel).stride(stride);
        let x = net.convolution(name, x, spec).unwrap();
        norm(net, &format!("{name}n"), x)
    };
    let a = branch(&mut net, "s3", x, 3, 2, 20);
    let b = branch(&mut net, "s1", x, 1, 2, 20);
    let x = net.add(&[a, b]).unwrap();
    let mut x = net.activation(x, Activation::Relu);
    for block in 0..2 {
        let identity = norm(&mut net, &format!("{block}i"), x);
        let a = branch(&mut net, &format!("{block}c3"), x, 3, 1, 20);
        let b = branch(&mut net, &format!("{block}c1"), x, 1, 1, 20);
        let sum = net.add(&[a, b, identity]).unwrap();
        x = net.activation(
            sum,
            if block == 0 {
                Activation::Relu
            } else {
                Activation::Silu
            },
        );
    }
    let a = branch(&mut net, "d3", x, 3, 2, 35);
    let b = branch(&mut net, "d1", x, 1, 2, 35);
    let x = net.add(&[a, b]).unwrap();
    let x = net.activation(x, Activation::Relu);
    check("repvgg", &head(net, x), 3);
}

/// Max pool, basic blocks with and without a shortcut convolution.
#[test]
fn residual_blocks_and_max_pool() {
    let mut net = input(3, 22, 18);
    let x = net.input();
    let x = net
        .convolution("stem", x, Convolution::square(12, 7).stride(2))
        .unwrap();
    let x = norm(&mut net, "stem_n", x);
    let x = net.activation(x, Activation::Relu);
    let mut x = net.max_pool(x, 3, 2, 1).unwrap();
    for (block, (channels, stride)) in [(12, 1), (20, 2), (20, 1)].into_iter().enumerate() {
        let name = |part: &str| format!("{block}{part}");
        let mut y = net
            .convolution(
                &name("c1"),
                x,
                Convolution::square(channels, 3).stride(stride),
            )
            .unwrap();
        y = norm(&mut net, &name("n1"), y);
        y = net.activation(y, Activation::Relu);
        y = net
            .convolution(&name("c2"), y, Convolution::square(channels, 3))
            .unwrap();
        y = norm(&mut net, &name("n2"), y);
        let shortcut = if stride == 1 {
            x
        } else {
            let spec = Convolution::square(channels, 1).stride(stride);
            let s = net.convolution(&name("down"), x, spec).unwrap();
            norm(&mut net, &name("down_n"), s)
        };
        y = net.add(&[y, shortcut]).unwrap();
        x = net.activation(y, Activation::Relu);
    }
    check("residual", &head(net, x), 2);
}

/// Maps of labels with a smooth maximum, vectors and maps as outputs, activations on odd places.
#[test]
fn label_maps_and_two_outputs() {
    for activation in [
        Activation::Gelu,
        Activation::Mish,
        Activation::Sigmoid,
        Activation::Relu,
    ] {
        let mut net = input(2, 6, 7);
        let x = net.input();
        let x = net.convolution("a", x, Convolution::square(19, 3)).unwrap();
        let x = net.activation(x, activation);
        let y = net.activation(x, Activation::Silu);
        let z = net.add(&[x, y]).unwrap();
        let n = norm(&mut net, "n", z);
        let map = net
            .convolution("map", n, Convolution::square(5, 1).with_bias())
            .unwrap();
        let logits = net.log_sum_exp_pool(map, 2.0).unwrap();
        let pooled = net.average_pool(z).unwrap();
        let hidden = net.linear("hidden", pooled, 9, false).unwrap();
        let hidden = net.activation(hidden, activation);
        let again = net.linear("again", hidden, 9, true).unwrap();
        let sum = net.add(&[hidden, again]).unwrap();
        let second = net.linear("second", sum, 4, true).unwrap();
        check(
            &format!("maps {activation:?}"),
            &net.finish(&[logits, second, map, z]).unwrap(),
            3,
        );
    }
}

/// Patterns that the plan cannot keep pending: a gated value read twice, a gate on a gate, a pool of
/// a gated value.
#[test]
fn patterns_that_do_not_fit() {
    let mut net = input(1, 6, 5);
    let x = net.input();
    let x = net.convolution("a", x, Convolution::square(16, 3)).unwrap();
    let x = norm(&mut net, "n", x);
    let x = net.activation(x, Activation::Silu);
    let pooled = net.average_pool(x).unwrap();
    let gate = net.pointwise("g", pooled, 16, true).unwrap();
    let gate = net.activation(gate, Activation::Sigmoid);
    let gated = net.scale(x, gate).unwrap();
    let twice = net.scale(gated, gate).unwrap();
    let dropped = net.drop_path(twice, 0.5);
    let sum = net.add(&[gated, dropped, x]).unwrap();
    let pool = net.average_pool(gated).unwrap();
    let one = net.linear("one", pool, 3, true).unwrap();
    let y = net
        .convolution("b", dropped, Convolution::depthwise(16, 3))
        .unwrap();
    let y = norm(&mut net, "m", y);
    let y = net.add(&[y, sum]).unwrap();
    let y = net.scale(y, gate).unwrap();
    let y = net
        .convolution("c", y, Convolution::depthwise(16, 3).with_bias())
        .unwrap();
    let y = net.activation(y, Activation::Relu);
    let pooled = net.average_pool(y).unwrap();
    let two = net.linear("two", pooled, 3, true).unwrap();
    check("misfits", &net.finish(&[one, two]).unwrap(), 3);
}

/// From the mean over the smooth maximum to the maximum, of a plain map and of one with batch norm
/// and activation pending.
#[test]
fn pools_of_any_sharpness() {
    for sharpness in [0.0, 1e-6, 0.5, 30.0, f32::INFINITY] {
        let mut net = input(2, 5, 7);
        let x = net.input();
        let x = net.convolution("a", x, Convolution::square(19, 3)).unwrap();
        let one = net.log_sum_exp_pool(x, sharpness).unwrap();
        let x = norm(&mut net, "n", x);
        let x = net.activation(x, Activation::Silu);
        let two = net.log_sum_exp_pool(x, sharpness).unwrap();
        check(
            &format!("pool {sharpness}"),
            &net.finish(&[one, two]).unwrap(),
            3,
        );
    }
}

/// A learned sharpness and attention, of plain maps and of ones with something pending; one map that is
/// attended to by itself and by another.
#[test]
fn pools_that_learn_and_attend() {
    for (power, temperature) in [(0.0, 0.0), (0.7, 1.0), (4.0, 3.0), (-2.0, f32::INFINITY)] {
        let mut net = input(2, 5, 7);
        let x = net.input();
        let x = net.convolution("a", x, Convolution::square(19, 3)).unwrap();
        let plain = net.power_pool("plain", x, power).unwrap();
        let y = norm(&mut net, "n", x);
        let y = net.activation(y, Activation::Silu);
        let pending = net.power_pool("pending", y, power).unwrap();
        let own = net.attention_pool(x, x, temperature, 0.4, 1.0).unwrap();
        // Which score is the largest may depend on its last digits, and with it the whole output.
        let from = if temperature.is_infinite() { y } else { x };
        let other = net.attention_pool(from, y, temperature, 1.0, 0.0).unwrap();
        let to = if temperature.is_infinite() { y } else { x };
        let back = net.attention_pool(y, to, temperature, 1.0, 0.5).unwrap();
        let sum = net.add(&[own, other, back]).unwrap();
        let graph = net.finish(&[plain, pending, sum]).unwrap();
        check(&format!("pool {power} {temperature}"), &graph, 3);
    }
}

/// Dropout of a map: before a convolution (the label map head), of a gated value that others read,
/// before a batch norm, as an output; drop-path of a vector.
#[test]
fn dropped_maps() {
    let mut net = input(2, 6, 5);
    let x = net.input();
    let x = net.convolution("a", x, Convolution::square(19, 3)).unwrap();
    let x = norm(&mut net, "n", x);
    let x = net.activation(x, Activation::Silu);
    let pooled = net.average_pool(x).unwrap();
    let gate = net.pointwise("g", pooled, 19, true).unwrap();
    let gate = net.activation(gate, Activation::Sigmoid);
    let gate = net.drop_path(gate, 0.5);
    let gated = net.scale(x, gate).unwrap();
    let dropped = net.dropout(gated, 0.3);
    let map = net
        .convolution("map", dropped, Convolution::square(5, 1).with_bias())
        .unwrap();
    let logits = net.log_sum_exp_pool(map, 4.0).unwrap();
    let twice = net.dropout(dropped, 0.6);
    let y = norm(&mut net, "m", twice);
    let y = net.activation(y, Activation::Relu);
    let y = net.add(&[y, dropped, x]).unwrap();
    let last = net.dropout(y, 0.2);
    check(
        "dropped maps",
        &net.finish(&[logits, last, dropped]).unwrap(),
        4,
    );
}

#[test]
fn what_the_engine_cannot_run_is_said() {
    let mut net = input(3, 4, 4);
    let x = net.input();
    let x = net.convolution("a", x, Convolution::square(4, 1)).unwrap();
    let pooled = net.average_pool(x).unwrap();
    let error = net.average_pool(pooled).unwrap_err().to_string();
    assert_eq!(
        error,
        "average pool: needs a feature map, got a vector of 4"
    );
    let input = net.average_pool(net.input()).unwrap();
    let graph = net.finish(&[pooled, input]).unwrap();
    let error = Training::new(&graph, 1, &Options::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "node 3 reads the image; only a convolution can"
    );
}

#[test]
#[should_panic(expected = "0 trained values do not fit a network of 12")]
fn weights_of_another_network_are_never_read() {
    let net = input(3, 4, 4);
    let x = net.input();
    let nothing = net.finish(&[x]).unwrap();
    let mut net = input(3, 4, 4);
    let x = net.convolution("a", x, Convolution::square(4, 1)).unwrap();
    let graph = net.finish(&[x]).unwrap();
    let mut inference = Inference::new(&graph, 1, &Options::default()).unwrap();
    inference.load(Weights::zeros(&nothing));
}
