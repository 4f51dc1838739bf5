//! Both forms of a rewritten graph, run by the reference interpreter.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use soup_engine::reference::{Mode, forward};
use soup_graph::{
    Activation, Builder, Convolution, Graph, GraphError, ImageShape, NodeId, Op, Padding, Weights,
    rewrite::{self, RewriteError},
};
use soup_random::{Purpose, Stream};

const IMAGE: ImageShape = ImageShape {
    channels: 3,
    height: 9,
    width: 8,
};

fn draws(index: u64, length: usize) -> Vec<f32> {
    let mut stream = Stream::new(4, Purpose::Bootstrap, 0, index);
    (0..length).map(|_| stream.normal()).collect()
}

fn filled(graph: &Graph) -> Weights {
    let positive = |x: f32| 0.3 + x.abs();
    let buffers = draws(2, graph.buffer_len()).into_iter().map(positive);
    Weights::new(graph, draws(1, graph.trainable_len()), buffers.collect()).unwrap()
}

fn run(graph: &Graph, weights: &Weights, images: &[f32]) -> Vec<f64> {
    let batch = images.len() / graph.input().len();
    let pass = forward(graph, weights, images, batch, Mode::Eval).unwrap();
    let outputs = graph.outputs().iter();
    outputs.flat_map(|o| pass.values[o.0].clone()).collect()
}

/// Runs both and gives back the difference over the largest value.
fn difference(before: &(Graph, Weights), after: &(Graph, Weights)) -> f64 {
    let images = draws(3, 2 * before.0.input().len());
    let before = run(&before.0, &before.1, &images);
    let after = run(&after.0, &after.1, &images);
    assert_eq!(before.len(), after.len());
    let largest = before.iter().fold(0f64, |m, x| m.max(x.abs()));
    let errors = before.iter().zip(&after).map(|(b, a)| (b - a).abs());
    errors.fold(0.0, f64::max) / largest
}

fn assert_same(before: &(Graph, Weights), after: &(Graph, Weights)) {
    let difference = difference(before, after);
    assert!(difference < 1e-6, "{difference}");
}

fn count(graph: &Graph, is: impl Fn(&Op) -> bool) -> usize {
    graph.nodes().iter().filter(|node| is(&node.op)).count()
}

fn names(graph: &Graph) -> Vec<&str> {
    graph.parameters().iter().map(|p| p.name()).collect()
}

/// A RepVGG-like block: three branches, the stride or groups as asked, and a path that drops.
fn block(
    net: &mut Builder,
    name: &str,
    input: NodeId,
    spec: Convolution,
    nested: bool,
) -> Result<NodeId, GraphError> {
    let identity = net.batch_norm(&format!("{name}.identity"), input, 1e-5, 0.1)?;
    let wide = net.convolution(&format!("{name}.conv_kxk.conv"), input, spec)?;
    let wide = net.batch_norm(&format!("{name}.conv_kxk.bn"), wide, 1e-5, 0.1)?;
    let narrow = Convolution {
        kernel: 1,
        padding: Padding::Each(0),
        ..spec
    };
    let narrow = net.convolution(&format!("{name}.conv_1x1.conv"), input, narrow)?;
    let narrow = net.batch_norm(&format!("{name}.conv_1x1.bn"), narrow, 1e-5, 0.1)?;
    let sum = if nested {
        let sum = net.add(&[narrow, wide])?;
        let sum = net.drop_path(sum, 0.3);
        net.add(&[sum, identity])?
    } else {
        net.add(&[narrow, wide, identity])?
    };
    Ok(net.activation(sum, Activation::Relu))
}

fn two_blocks(spec: Convolution, nested: bool) -> (Graph, Weights) {
    let mut net = Builder::new(IMAGE);
    let image = net.input();
    let x = block(&mut net, "stem", image, spec, nested).unwrap();
    let x = block(&mut net, "stages.0", x, spec, nested).unwrap();
    let x = net.average_pool(x).unwrap();
    let x = net.dropout(x, 0.2);
    let x = net.linear("head.fc", x, 5, true).unwrap();
    let graph = net.finish(&[x]).unwrap();
    let weights = filled(&graph);
    (graph, weights)
}

#[test]
fn branches_merge_into_plain_convolutions_under_timms_names() {
    for spec in [
        Convolution::square(3, 3),
        Convolution::square(3, 5).with_bias(),
        Convolution::depthwise(3, 3),
    ] {
        for nested in [false, true] {
            let before = two_blocks(spec, nested);
            let after = rewrite::merge_branches(&before.0, &before.1).unwrap();
            assert_same(&before, &after);
            let expected = [
                "stem.reparam_conv.weight",
                "stem.reparam_conv.bias",
                "stages.0.reparam_conv.weight",
                "stages.0.reparam_conv.bias",
                "head.fc.weight",
                "head.fc.bias",
            ];
            assert_eq!(names(&after.0), expected);
            // Input, two convolutions, two activations, pool, linear.
            assert_eq!(after.0.nodes().len(), 7);
            assert_eq!(after.0.buffer_len(), 0);
        }
    }
}

#[test]
fn a_map_plus_its_convolution_merges_too_but_not_across_strides_or_maps() {
    let mut net = Builder::new(IMAGE);
    let plain = net
        .convolution("a", net.input(), Convolution::square(3, 3))
        .unwrap();
    let sum = net.add(&[net.input(), plain]).unwrap();
    let graph = net.finish(&[sum]).unwrap();
    let before = (graph.clone(), filled(&graph));
    let after = rewrite::merge_branches(&before.0, &before.1).unwrap();
    assert_same(&before, &after);
    assert_eq!(names(&after.0), ["a.weight", "a.bias"]);

    // A residual block: the branch starts from another map than the shortcut.
    let mut net = Builder::new(IMAGE);
    let x = net
        .convolution("a", net.input(), Convolution::square(3, 3))
        .unwrap();
    let x = net.activation(x, Activation::Silu);
    let x = net.convolution("b", x, Convolution::square(3, 3)).unwrap();
    let sum = net.add(&[net.input(), x]).unwrap();
    let graph = net.finish(&[sum]).unwrap();
    let before = (graph.clone(), filled(&graph));
    let after = rewrite::merge_branches(&before.0, &before.1).unwrap();
    assert_eq!(before, after);

    // Even kernels, laid upon each other by their padding.
    let even = |kernel| Convolution {
        padding: Padding::Each(kernel / 2),
        ..Convolution::square(3, kernel)
    };
    let mut net = Builder::new(IMAGE);
    let a = net.convolution("a", net.input(), even(4)).unwrap();
    let b = net.convolution("b", net.input(), even(2)).unwrap();
    let sum = net.add(&[b, a]).unwrap();
    let graph = net.finish(&[sum]).unwrap();
    let before = (graph.clone(), filled(&graph));
    let after = rewrite::merge_branches(&before.0, &before.1).unwrap();
    assert_same(&before, &after);
    assert_eq!(names(&after.0), ["a.weight", "a.bias"]);

    // Kernels whose places do not meet, though their outputs have one shape.
    let mut net = Builder::new(ImageShape { height: 8, ..IMAGE });
    let corner = Convolution {
        padding: Padding::Each(0),
        ..Convolution::square(3, 2).stride(2)
    };
    let centre = Convolution::square(3, 3).stride(2);
    let a = net.convolution("a", net.input(), centre).unwrap();
    let b = net.convolution("b", net.input(), corner).unwrap();
    let sum = net.add(&[a, b]).unwrap();
    let graph = net.finish(&[sum]).unwrap();
    let before = (graph.clone(), filled(&graph));
    assert_eq!(
        rewrite::merge_branches(&before.0, &before.1).unwrap(),
        before
    );
}

#[test]
fn a_branch_that_something_else_reads_stays() {
    let mut net = Builder::new(IMAGE);
    let a = net
        .convolution("a", net.input(), Convolution::square(3, 3))
        .unwrap();
    let b = net
        .convolution("b", net.input(), Convolution::square(3, 1))
        .unwrap();
    let sum = net.add(&[a, b]).unwrap();
    let graph = net.finish(&[sum, a]).unwrap();
    let before = (graph.clone(), filled(&graph));
    let after = rewrite::merge_branches(&before.0, &before.1).unwrap();
    assert_same(&before, &after);
    assert_eq!(names(&after.0), ["a.weight", "b.weight"]);
}

#[test]
fn batch_norms_fold_where_only_they_read_the_convolution() {
    let mut net = Builder::new(IMAGE);
    let x = net.batch_norm("first", net.input(), 1e-3, 0.1).unwrap();
    let x = net
        .convolution("a", x, Convolution::square(6, 3).stride(2))
        .unwrap();
    let x = net.batch_norm("a_bn", x, 1e-3, 0.1).unwrap();
    let x = net.activation(x, Activation::Silu);
    let x = net
        .convolution("b", x, Convolution::depthwise(6, 5).with_bias())
        .unwrap();
    let x = net.batch_norm("b_bn", x, 1e-3, 0.1).unwrap();
    let c = net.convolution("c", x, Convolution::square(4, 1)).unwrap();
    let d = net.batch_norm("d_bn", c, 1e-3, 0.1).unwrap();
    let graph = net.finish(&[d, c]).unwrap();
    let before = (graph.clone(), filled(&graph));
    let after = rewrite::fold_batch_norm(&before.0, &before.1).unwrap();
    assert_same(&before, &after);
    let norms: Vec<_> = names(&after.0)
        .into_iter()
        .filter(|n| n.ends_with("running_mean"))
        .collect();
    assert_eq!(norms, ["first.running_mean", "d_bn.running_mean"]);
    assert_eq!(after.0.parameter("a.bias").unwrap().shape(), [6]);
}

#[test]
fn inference_takes_all_rewrites_together() {
    let before = two_blocks(Convolution::square(3, 3), true);
    let after = rewrite::for_inference(&before.0, &before.1).unwrap();
    assert_same(&before, &after);
    assert_eq!(after.0.nodes().len(), 7);
    let dropping = |op: &Op| matches!(op, Op::Dropout(_) | Op::DropPath(_));
    assert_eq!(count(&before.0, dropping), 3);
    assert_eq!(count(&after.0, dropping), 0);
    let without = rewrite::remove_dropping(&before.0, &before.1).unwrap();
    assert_eq!(difference(&before, &without), 0.0);
    assert_eq!(without.0.nodes().len(), before.0.nodes().len() - 3);
}

fn classifier(channels: usize) -> (Graph, Weights) {
    let mut net = Builder::new(ImageShape { channels, ..IMAGE });
    let x = net
        .convolution("stem", net.input(), Convolution::square(4, 3))
        .unwrap();
    let x = net.batch_norm("bn", x, 1e-5, 0.1).unwrap();
    let x = net.average_pool(x).unwrap();
    let x = net.linear("fc", x, 10, true).unwrap();
    let graph = net.finish(&[x]).unwrap();
    let weights = filled(&graph);
    (graph, weights)
}

#[test]
fn other_channels_see_grey_images_as_before() {
    let before = classifier(3);
    let grey = draws(9, 2 * 72);
    let repeat = |n: usize| -> Vec<f32> {
        grey.iter()
            .flat_map(|&x| std::iter::repeat_n(x, n))
            .collect()
    };
    let expected = run(&before.0, &before.1, &repeat(3));
    let (graph, weights) = rewrite::change_input_channels(&before.0, &before.1, 1).unwrap();
    assert_eq!(graph.input().channels, 1);
    let got = run(&graph, &weights, &grey);
    for (got, expected) in got.iter().zip(&expected) {
        assert!((got - expected).abs() < 1e-5);
    }
    // For 6 channels the filters are repeated whole, so grey stays grey.
    let (graph, weights) = rewrite::change_input_channels(&before.0, &before.1, 6).unwrap();
    let got = run(&graph, &weights, &repeat(6));
    for (got, expected) in got.iter().zip(&expected) {
        assert!((got - expected).abs() < 1e-5);
    }
    // For 4 the first filter is taken twice: weight 3/4 each.
    let (graph, weights) = rewrite::change_input_channels(&before.0, &before.1, 4).unwrap();
    let stem = graph.parameter("stem.weight").unwrap();
    let old = before.1.of(before.0.parameter("stem.weight").unwrap());
    assert_eq!(stem.shape(), [4, 4, 3, 3]);
    assert_eq!(
        weights.of(stem)[27..36],
        old[0..9].iter().map(|x| x * 0.75).collect::<Vec<_>>()
    );

    let error = rewrite::change_input_channels(&before.0, &before.1, 0).unwrap_err();
    assert_eq!(error, RewriteError::None("input channel"));
    let norm_first = {
        let mut net = Builder::new(IMAGE);
        let x = net.batch_norm("bn", net.input(), 1e-5, 0.1).unwrap();
        net.finish(&[x]).unwrap()
    };
    let weights = Weights::initial(&norm_first, 0);
    let error = rewrite::change_input_channels(&norm_first, &weights, 1).unwrap_err();
    assert!(error.to_string().contains("BatchNorm"), "{error}");
}

#[test]
fn a_swapped_head_is_fresh_and_the_rest_stays() {
    let before = classifier(3);
    let (graph, weights) = rewrite::swap_head(&before.0, &before.1, 26, 7).unwrap();
    assert_eq!(graph.node(graph.outputs()[0]).shape.len(), 26);
    assert_eq!(graph.parameter("fc.weight").unwrap().shape(), [26, 4]);
    let of = |g: &Graph, w: &Weights, name: &str| w.of(g.parameter(name).unwrap()).to_vec();
    for name in ["stem.weight", "bn.weight", "bn.running_mean"] {
        assert_eq!(of(&graph, &weights, name), of(&before.0, &before.1, name));
    }
    for name in ["fc.weight", "fc.bias"] {
        let values = of(&graph, &weights, name);
        assert!(values.iter().all(|x| x.abs() <= 0.5 && *x != 0.0));
    }
    let again = rewrite::swap_head(&before.0, &before.1, 26, 7).unwrap();
    assert_eq!((graph, weights), again);

    let mut net = Builder::new(IMAGE);
    let maps = net
        .convolution("maps", net.input(), Convolution::square(4, 1).with_bias())
        .unwrap();
    let pooled = net.log_sum_exp_pool(maps, 2.0).unwrap();
    let graph = net.finish(&[pooled, maps]).unwrap();
    let weights = Weights::initial(&graph, 0);
    let (graph, weights) = rewrite::swap_head(&graph, &weights, 2, 0).unwrap();
    assert_eq!(run(&graph, &weights, &draws(0, 216)).len(), 2 + 2 * 72);

    let mut net = Builder::new(IMAGE);
    let maps = |net: &mut Builder, name: &str| {
        let spec = Convolution::square(4, 1).with_bias();
        net.convolution(name, net.input(), spec).unwrap()
    };
    let [a, b] = ["a", "b"].map(|name| maps(&mut net, name));
    let attended = net.attention_pool(a, b, 1.0, 1.0, 0.0).unwrap();
    let peaks = net.power_pool("pool", a, 4.0).unwrap();
    let sum = net.add(&[attended, peaks]).unwrap();
    let graph = net.finish(&[sum]).unwrap();
    let weights = Weights::initial(&graph, 0);
    let (graph, weights) = rewrite::swap_head(&graph, &weights, 2, 0).unwrap();
    assert_eq!(run(&graph, &weights, &draws(0, 216)).len(), 2);
    let power = graph.parameter("pool.power").unwrap();
    assert_eq!(weights.of(power), [4.0]);

    let mut net = Builder::new(IMAGE);
    let x = net.batch_norm("bn", net.input(), 1e-5, 0.1).unwrap();
    let graph = net.finish(&[x]).unwrap();
    let weights = Weights::initial(&graph, 0);
    assert!(matches!(
        rewrite::swap_head(&graph, &weights, 2, 0),
        Err(RewriteError::NoHead { output: 0, .. })
    ));
}

/// Merging renames a block as timm does; another layer may have that name already.
#[test]
fn a_name_that_is_taken_is_an_error() {
    let mut net = Builder::new(IMAGE);
    let x = net.input();
    let large = net.convolution("b.conv_kxk.conv", x, Convolution::square(4, 3));
    let small = net.convolution("b.conv_1x1.conv", x, Convolution::square(4, 1));
    let sum = net.add(&[large.unwrap(), small.unwrap()]).unwrap();
    let taken = net.convolution("b.reparam_conv", sum, Convolution::square(4, 1));
    let graph = net.finish(&[taken.unwrap()]).unwrap();
    let error = rewrite::merge_branches(&graph, &filled(&graph)).unwrap_err();
    let name = "b.reparam_conv.weight".to_owned();
    assert_eq!(error, RewriteError::Graph(GraphError::DuplicateName(name)));
}

#[test]
fn weights_of_another_network_are_refused() {
    let net = Builder::new(IMAGE);
    let x = net.input();
    let nothing = net.finish(&[x]).unwrap();
    let mut net = Builder::new(IMAGE);
    let x = net.convolution("a", net.input(), Convolution::square(4, 3));
    let graph = net.finish(&[x.unwrap()]).unwrap();
    let other = Weights::zeros(&nothing);
    assert!(rewrite::for_inference(&graph, &other).is_err());
    assert!(rewrite::swap_head(&graph, &other, 2, 0).is_err());
    assert!(rewrite::change_input_channels(&graph, &other, 1).is_err());
}
