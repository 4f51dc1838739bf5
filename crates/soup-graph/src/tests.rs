//! What is no graph is refused by the one constructor, however it was made.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::{
    Activation, Builder, Convolution, Graph, GraphError, ImageShape, Initial, NodeId, Op, Padding,
    Parameter, ParameterId, Role, Weights,
};

const IMAGE: ImageShape = ImageShape {
    channels: 3,
    height: 8,
    width: 6,
};

fn parameter(name: &str, shape: &[usize], role: Role) -> Parameter {
    let zero = Initial::Constant(0.0);
    Parameter::new(name.to_owned(), shape.to_vec(), role, zero).unwrap()
}

fn convolution(spec: Convolution, weight: usize, bias: Option<usize>) -> Op {
    Op::Convolution {
        spec,
        weight: ParameterId(weight),
        bias: bias.map(ParameterId),
    }
}

fn graph(
    layers: &[(Op, &[usize])],
    parameters: &[Parameter],
    outputs: &[usize],
) -> Result<Graph, GraphError> {
    let nodes = |ids: &[usize]| ids.iter().copied().map(NodeId).collect::<Vec<_>>();
    let layers = layers.iter().map(|(op, from)| (op.clone(), nodes(from)));
    Graph::new(IMAGE, layers.collect(), parameters.to_vec(), nodes(outputs))
}

#[test]
fn what_is_no_graph_is_refused_by_name() {
    let relu = Op::Activation(Activation::Relu);
    let weight = || parameter("c.weight", &[4, 3, 3, 3], Role::Weight);
    let three = Convolution::square(4, 3);
    let norm = |mean: usize, variance: usize| Op::BatchNorm {
        epsilon: 1e-5,
        momentum: 0.1,
        weight: ParameterId(0),
        bias: ParameterId(1),
        mean: ParameterId(mean),
        variance: ParameterId(variance),
    };
    let one_norm = [
        parameter("n.weight", &[3], Role::NormWeight),
        parameter("n.bias", &[3], Role::NormBias),
        parameter("n.running_mean", &[3], Role::RunningMean),
        parameter("n.running_var", &[3], Role::RunningVariance),
    ];
    let two_names = [weight(), weight()];
    type Case<'a> = (
        &'a [(Op, &'a [usize])],
        &'a [Parameter],
        &'a [usize],
        &'a str,
    );
    let cases: &[Case] = &[
        // Edges.
        (
            &[(relu.clone(), &[1])],
            &[],
            &[1],
            "layer 1: it reads layer 1",
        ),
        (
            &[(relu.clone(), &[2]), (relu.clone(), &[1])],
            &[],
            &[2],
            "layer 1: it reads layer 2",
        ),
        (
            &[(relu.clone(), &[usize::MAX])],
            &[],
            &[1],
            "layer 1: it reads layer 18446744073709551615",
        ),
        (
            &[(relu.clone(), &[])],
            &[],
            &[1],
            "layer 1: it cannot read 0 nodes",
        ),
        (
            &[(relu.clone(), &[0, 0])],
            &[],
            &[1],
            "layer 1: it cannot read 2 nodes",
        ),
        (
            &[(Op::Scale, &[0])],
            &[],
            &[1],
            "layer 1: it cannot read 1 nodes",
        ),
        (
            &[(Op::Add, &[0])],
            &[],
            &[1],
            "layer 1: needs two or more terms",
        ),
        (
            &[(Op::Input, &[])],
            &[],
            &[1],
            "layer 1: only node 0 is the image",
        ),
        (&[], &[], &[1], "outputs: [1] are not among the layers"),
        (&[], &[], &[], "outputs: [] are not among the layers"),
        // Shapes.
        (
            &[(Op::AveragePool, &[0]), (Op::AveragePool, &[1])],
            &[],
            &[1],
            "layer 2: needs a feature map",
        ),
        (
            &[(Op::AveragePool, &[0]), (Op::Add, &[0, 1])],
            &[],
            &[1],
            "layer 2: needs two or more terms",
        ),
        (
            &[(Op::AveragePool, &[0]), (Op::Scale, &[0, 0])],
            &[],
            &[1],
            "layer 2: 3 channels need as many",
        ),
        (
            &[(
                Op::MaxPool {
                    kernel: 3,
                    stride: 1,
                    padding: 2,
                },
                &[0],
            )],
            &[],
            &[1],
            "layer 1: a window of 3 padded by 2",
        ),
        (
            &[(
                Op::MaxPool {
                    kernel: 9,
                    stride: 1,
                    padding: 0,
                },
                &[0],
            )],
            &[],
            &[1],
            "layer 1: a kernel of 9 does not fit",
        ),
        (
            &[(
                Op::MaxPool {
                    kernel: 3,
                    stride: 1,
                    padding: usize::MAX / 2,
                },
                &[0],
            )],
            &[],
            &[1],
            "layer 1: padding is",
        ),
        // Parameters.
        (
            &[(convolution(three, 0, None), &[0])],
            &[],
            &[1],
            "layer 1: there is no parameter 0",
        ),
        (
            &[(convolution(Convolution::square(5, 3), 0, None), &[0])],
            &[weight()],
            &[1],
            "layer 1: needs a parameter of shape [5, 3, 3, 3]",
        ),
        (
            &[(convolution(three.with_bias(), 0, Some(0)), &[0])],
            &[weight()],
            &[1],
            "layer 1: needs a parameter of shape [4] as its Bias, got 'c.weight'",
        ),
        (
            &[(convolution(three.with_bias(), 0, None), &[0])],
            &[weight()],
            &[1],
            "layer 1: a bias is wanted",
        ),
        (
            &[(
                convolution(Convolution { groups: 0, ..three }, 0, None),
                &[0],
            )],
            &[weight()],
            &[1],
            "layer 1: groups is 0",
        ),
        (
            &[(norm(3, 2), &[0])],
            &one_norm,
            &[1],
            "layer 1: needs a parameter of shape [3] as its RunningMean",
        ),
        (
            &[(norm(2, 9), &[0])],
            &one_norm,
            &[1],
            "layer 1: there is no parameter 9",
        ),
        (
            &[],
            &two_names,
            &[0],
            "two parameters are called 'c.weight'",
        ),
        (
            &[
                (Op::AveragePool, &[0]),
                (
                    Op::Linear {
                        weight: ParameterId(0),
                        bias: None,
                    },
                    &[1],
                ),
            ],
            &[weight()],
            &[2],
            "layer 2: needs a parameter of shape [4, 3, 1, 1]",
        ),
        // Numbers.
        (
            &[(Op::Dropout(f32::NAN), &[0])],
            &[],
            &[1],
            "layer 1: rate is NaN",
        ),
        (
            &[(
                Op::LogSumExpPool {
                    sharpness: f32::NAN,
                },
                &[0],
            )],
            &[],
            &[1],
            "layer 1: sharpness is NaN",
        ),
    ];
    for (layers, parameters, outputs, message) in cases {
        let error = graph(layers, parameters, outputs).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}; expected {message}");
    }
    let whole = graph(&[(norm(2, 3), &[0]), (relu, &[1])], &one_norm, &[2]).unwrap();
    assert_eq!((whole.trainable_len(), whole.buffer_len()), (6, 6));
    assert_eq!(whole.parameters()[3].range(), 3..6);
}

#[test]
fn what_cannot_be_counted_is_refused() {
    let name = || "w".to_owned();
    let zero = Initial::Constant(0.0);
    for shape in [
        vec![usize::MAX, 2],
        vec![1 << 32, 1 << 32],
        vec![1 << 63, 2, 3],
        vec![1 << 39],
        vec![0, 5],
    ] {
        let error = Parameter::new(name(), shape, Role::Weight, zero).unwrap_err();
        assert!(matches!(error, GraphError::Shape { .. }), "{error}");
    }
    // Each of them is fine, all of them are too many.
    let many: Vec<Parameter> = (0..5)
        .map(|index| parameter(&format!("w{index}"), &[1 << 37], Role::Weight))
        .collect();
    let error = graph(&[], &many, &[0]).unwrap_err().to_string();
    assert!(
        error.starts_with("w2: more than 274877906944 values"),
        "{error}"
    );
    for image in [
        ImageShape {
            channels: usize::MAX,
            ..IMAGE
        },
        ImageShape {
            height: 1 << 40,
            width: 1 << 40,
            channels: 1,
        },
        ImageShape {
            height: 1 << 16,
            width: 1 << 16,
            channels: 1 << 15,
        },
        ImageShape { width: 0, ..IMAGE },
    ] {
        assert!(
            Builder::new(image).finish(&[NodeId(0)]).is_err(),
            "{image:?}"
        );
    }
    let mut net = Builder::new(IMAGE);
    let x = net.input();
    for spec in [
        Convolution::square(usize::MAX, 3),
        Convolution::square(1 << 30, usize::MAX),
        Convolution {
            padding: Padding::Each(usize::MAX),
            ..Convolution::square(4, 3)
        },
        Convolution {
            stride: 0,
            ..Convolution::square(4, 3)
        },
        Convolution::depthwise(usize::MAX, 3),
    ] {
        assert!(net.convolution("c", x, spec).is_err(), "{spec:?}");
        net = Builder::new(IMAGE);
    }
}

#[test]
fn weights_have_the_length_of_their_graph() {
    let weight = parameter("c.weight", &[4, 3, 3, 3], Role::Weight);
    let graph = graph(
        &[(convolution(Convolution::square(4, 3), 0, None), &[0])],
        &[weight],
        &[1],
    );
    let graph = graph.unwrap();
    let error = Weights::new(&graph, vec![0.0; 107], Vec::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "107 trained values do not fit a network of 108"
    );
    let error = Weights::new(&graph, vec![0.0; 108], vec![0.0]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "1 running values do not fit a network of 0"
    );
    assert!(Weights::new(&graph, vec![0.0; 108], Vec::new()).is_ok());
    assert!(graph.clone().with_outputs([NodeId(2)]).is_err());
    let more = graph.with_outputs([NodeId(0)]).unwrap();
    assert_eq!(more.outputs(), [NodeId(1), NodeId(0)]);
}
