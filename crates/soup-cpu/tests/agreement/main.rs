//! The engine against the plain interpreter: values and gradients of small networks that use every
//! operation and every fusion, over odd sizes, on every instruction set of this processor.

#![allow(clippy::unwrap_used)]

mod check;
mod pools;
mod rounding;

use check::{check, check_on, images, weights};
use soup_cpu::{Inference, Isa, Options, Training};
use soup_engine::Precision;
use soup_graph::{Activation, Builder, Convolution, Graph, ImageShape, NodeId, Padding, Weights};

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
            spec.padding = Padding::Each(0);
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

/// TensorFlow's padding: a zero more behind than before where a side is even, rows and columns apart, in the middle of a
/// network (rows with a halo in predictions) and at its start.
#[test]
fn zeros_that_depend_on_the_side() {
    for (kernel, stride, channels, height, width) in [
        (3, 2, 24, 8, 8),
        (3, 2, 40, 9, 12),
        (3, 2, 5, 30, 7),
        (5, 2, 17, 10, 11),
        (7, 2, 3, 12, 9),
        (5, 3, 8, 10, 13),
        (2, 1, 16, 7, 6),
        (3, 2, 33, 1, 2),
        (1, 2, 20, 6, 5),
    ] {
        for depthwise in [false, true] {
            let mut net = input(3, height, width);
            let same = |spec: Convolution| spec.stride(stride).padding(Padding::Same);
            let x = net.input();
            let stem = Convolution::square(channels, 3).padding(Padding::Same);
            // Without a norm between them predictions read the first one's output where it stands.
            let x = net.convolution("a", x, stem.with_bias()).unwrap();
            let x = net.activation(x, Activation::Relu6);
            let spec = match depthwise {
                true => Convolution::depthwise(channels, kernel),
                false => Convolution::square(33, kernel),
            };
            let x = net.convolution("b", x, same(spec)).unwrap();
            let x = norm(&mut net, "bn", x);
            let x = net.activation(x, Activation::Relu6);
            let spec = Convolution::square(18, 3).stride(2).padding(Padding::Same);
            let x = net.convolution("c", x, spec.with_bias()).unwrap();
            let x = net.activation(x, Activation::Relu6);
            let graph = head(net, x);
            let kind = if depthwise { "depthwise" } else { "dense" };
            check(
                &format!("same {kind} {kernel}/{stride} {channels} {height}x{width}"),
                &graph,
                2,
            );
        }
        let mut net = input(3, height, width);
        let stem = Convolution::square(channels, kernel).stride(stride);
        let stem = stem.padding(Padding::Same);
        let x = net.convolution("stem", net.input(), stem).unwrap();
        let x = norm(&mut net, "n", x);
        let x = net.activation(x, Activation::Relu6);
        check("same stem", &head(net, x), 2);
    }
}

/// Without zeros around a map its last rows are read by few outputs or none.
#[test]
fn maps_larger_than_what_is_made_of_them() {
    for (kernel, stride, channels, outputs) in [(5, 1, 3, 70), (7, 1, 3, 70), (7, 2, 40, 33)] {
        for depthwise in [false, true] {
            let mut net = input(3, 12, 11);
            let x = net.input();
            let first = Convolution::square(channels, 3);
            let x = net.convolution("a", x, first).unwrap();
            let x = norm(&mut net, "an", x);
            let x = net.activation(x, Activation::Silu);
            let spec = match depthwise {
                true => Convolution::depthwise(channels, kernel),
                false => Convolution::square(outputs, kernel),
            };
            let spec = spec.stride(stride).padding(Padding::Each(0));
            let x = net.convolution("b", x, spec).unwrap();
            let x = norm(&mut net, "bn", x);
            let x = net.activation(x, Activation::Relu);
            check(&format!("bare {kernel}/{stride}"), &head(net, x), 2);
        }
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
