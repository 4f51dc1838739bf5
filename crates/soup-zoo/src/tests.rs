#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use soup_graph::{Activation, Builder, GraphError, Initial, NodeId, Op, Shape, Weights};

use super::*;

fn config(name: &str) -> ModelConfig {
    ModelConfig {
        name: name.to_owned(),
        height: 64,
        width: 64,
        ..ModelConfig::default()
    }
}

#[test]
fn every_model_builds_for_any_size_channels_labels_and_head() {
    for model in models() {
        for head in [
            Head::Linear,
            Head::Founders,
            Head::LabelMap,
            Head::ResidualAttention,
            Head::LabelQuery,
        ] {
            for (channels, height, width, labels) in
                [(1, 64, 64, 26), (3, 33, 97, 1), (5, 32, 32, 7)]
            {
                let graph = build(&ModelConfig {
                    channels,
                    height,
                    width,
                    labels,
                    head: head.clone(),
                    dropout: 0.1,
                    drop_path: 0.2,
                    ..config(model.name)
                })
                .unwrap();
                assert_eq!(graph.input().channels, channels);
                assert_eq!(graph.outputs().len(), 1);
                assert_eq!(graph.node(graph.outputs()[0]).shape, Shape::Vector(labels));
            }
        }
    }
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = models().iter().map(|model| model.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), models().len());
}

#[test]
fn our_own_models_are_small() {
    for name in ["repvgg_nano", "repvgg_micro", "resnet_nano"] {
        let own = models().iter().find(|model| model.name == name).unwrap();
        let graph = build(&own.config()).unwrap();
        let millions = graph.multiply_adds() / 1_000_000;
        assert!((20..=60).contains(&millions), "{name}: {millions} M");
    }
}

#[test]
fn unknown_names_get_the_nearest_known_one() {
    let error = build(&config("efficientnet-b3")).unwrap_err().to_string();
    assert_eq!(
        error,
        "there is no model 'efficientnet-b3'; did you mean 'efficientnet_b3'?"
    );
    let error = build(&config("vit")).unwrap_err().to_string();
    assert!(error.contains("known are efficientnet_b0, "), "{error}");
}

#[test]
fn settings_out_of_range_are_refused() {
    let base = || config("resnet18");
    let bad = [
        (
            ModelConfig {
                labels: 0,
                ..base()
            },
            "labels is 0",
        ),
        (
            ModelConfig {
                channels: 0,
                ..base()
            },
            "channels is 0",
        ),
        (
            ModelConfig {
                height: 1 << 40,
                ..base()
            },
            "height is",
        ),
        (
            ModelConfig {
                dropout: 1.0,
                ..base()
            },
            "dropout is 1",
        ),
        (
            ModelConfig {
                dropout: f32::NAN,
                ..base()
            },
            "dropout is NaN",
        ),
        (
            ModelConfig {
                drop_path: -0.1,
                ..base()
            },
            "drop_path is -0.1",
        ),
        (
            ModelConfig {
                sharpness: -1.0,
                ..base()
            },
            "sharpness is -1",
        ),
        (
            ModelConfig {
                head: Head::LabelMap,
                pool: MapPool::Gem,
                sharpness: f32::INFINITY,
                ..base()
            },
            "sharpness is inf",
        ),
        (
            ModelConfig {
                head: Head::ResidualAttention,
                attention_heads: 3,
                ..base()
            },
            "attention_heads is 3",
        ),
        (
            ModelConfig {
                attention_weight: -0.5,
                ..base()
            },
            "attention_weight is -0.5",
        ),
    ];
    for (config, expected) in bad {
        let error = build(&config).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn the_smallest_image_is_one_pixel() {
    for model in models() {
        let one = ModelConfig {
            height: 1,
            width: 1,
            ..config(model.name)
        };
        assert!(build(&one).is_ok(), "{}", model.name);
    }
}

#[test]
fn configs_survive_serialisation_and_refuse_unknown_keys() {
    let config: ModelConfig =
        serde_json::from_str(r#"{"name": "repvgg_a0", "head": "label_map", "activation": "silu"}"#)
            .unwrap();
    assert_eq!(config.head, Head::LabelMap);
    assert_eq!(config.activation, Some(Activation::Silu));
    assert_eq!(config.labels, 26);
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<ModelConfig>(&text).unwrap(), config);
    assert!(serde_json::from_str::<ModelConfig>(r#"{"chanels": 1}"#).is_err());
}

#[test]
fn the_activation_is_replaced_everywhere_but_in_the_gates() {
    let graph = build(&ModelConfig {
        activation: Some(Activation::Relu),
        ..config("efficientnet_b0")
    })
    .unwrap();
    let count = |wanted| {
        let is = |op: &Op| matches!(op, Op::Activation(found) if *found == wanted);
        graph.nodes().iter().filter(|node| is(&node.op)).count()
    };
    // 16 blocks: 16 gates; a stem, a head, 15 expansions, 16 depthwise and 16 squeezes.
    assert_eq!(count(Activation::Sigmoid), 16);
    assert_eq!(count(Activation::Relu), 49);
    assert_eq!(count(Activation::Silu), 0);
}

#[test]
fn parameters_start_as_timm_starts_them() {
    let initial = |name: &str, parameter: &str| {
        let graph = build(&config(name)).unwrap();
        graph.parameter(parameter).unwrap().initial()
    };
    let b0 = "efficientnet_b0";
    let normal = |fan_out: f32| Initial::Normal((2.0 / fan_out).sqrt());
    assert_eq!(initial(b0, "conv_stem.weight"), normal(9.0 * 32.0));
    assert_eq!(initial(b0, "blocks.1.0.conv_dw.weight"), normal(9.0));
    assert_eq!(initial(b0, "blocks.1.0.se.conv_reduce.weight"), normal(4.0));
    assert_eq!(
        initial(b0, "blocks.1.0.se.conv_reduce.bias"),
        Initial::Constant(0.0)
    );
    assert_eq!(
        initial(b0, "classifier.weight"),
        Initial::Uniform(1.0 / 26f32.sqrt())
    );
    assert_eq!(initial(b0, "classifier.bias"), Initial::Constant(0.0));
    let about = Initial::NormalAbout {
        mean: 0.1,
        deviation: 0.1,
    };
    assert_eq!(initial("repvgg_a0", "stem.conv_1x1.bn.weight"), about);
    assert_eq!(
        initial("repvgg_a0", "stages.0.1.identity.bias"),
        Initial::Normal(0.1)
    );
    assert_eq!(
        initial("repvgg_a0", "head.fc.weight"),
        Initial::Normal(0.01)
    );
    assert_eq!(
        initial("resnet18", "layer1.0.bn2.weight"),
        Initial::Constant(0.0)
    );
    assert_eq!(
        initial("resnet18", "layer1.0.bn1.weight"),
        Initial::Constant(1.0)
    );
    assert_eq!(
        initial("resnet50", "layer1.0.bn2.weight"),
        Initial::Constant(1.0)
    );
    assert_eq!(
        initial("resnet50", "layer1.0.bn3.weight"),
        Initial::Constant(0.0)
    );
    assert_eq!(
        initial("resnet50", "layer1.0.downsample.1.weight"),
        Initial::Constant(1.0)
    );
    assert_eq!(
        initial("resnet50", "fc.bias"),
        Initial::Uniform(1.0 / 2048f32.sqrt())
    );

    let graph = build(&config("repvgg_b0")).unwrap();
    let weights = Weights::initial(&graph, 1);
    let scales = weights.of(graph.parameter("stages.3.0.conv_kxk.bn.weight").unwrap());
    let mean = scales.iter().sum::<f32>() / scales.len() as f32;
    let variance = scales.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / scales.len() as f32;
    assert!((mean - 0.1).abs() < 0.01 && (variance.sqrt() - 0.1).abs() < 0.01);
}

/// timm's `drop_prob` of every block that has a shortcut, for `drop_path_rate=0.2`.
#[test]
fn paths_drop_where_and_as_often_as_timm_drops_them() {
    let rates = |name: &str| -> Vec<f32> {
        let graph = build(&ModelConfig {
            drop_path: 0.2,
            ..config(name)
        })
        .unwrap();
        let nodes = graph.nodes().iter();
        nodes
            .filter_map(|node| match node.op {
                Op::DropPath(rate) => Some(rate),
                _ => None,
            })
            .collect()
    };
    let expected: [(&str, Vec<f32>); 3] = [
        (
            "efficientnet_b0",
            vec![
                0.025000, 0.050000, 0.075000, 0.087500, 0.112500, 0.125000, 0.150000, 0.162500,
                0.175000,
            ],
        ),
        (
            "repvgg_a0",
            vec![
                0.010000, 0.030000, 0.040000, 0.050000, 0.070000, 0.080000, 0.090000, 0.100000,
                0.110000, 0.120000, 0.130000, 0.140000, 0.150000, 0.160000, 0.170000, 0.180000,
                0.190000,
            ],
        ),
        (
            "resnet18",
            vec![
                0.028571, 0.057143, 0.085714, 0.114286, 0.142857, 0.171429, 0.200000,
            ],
        ),
    ];
    for (name, expected) in expected {
        let got = rates(name);
        assert_eq!(got.len(), expected.len(), "{name}: {got:?}");
        for (got, expected) in got.iter().zip(&expected) {
            assert!(
                (got - expected).abs() < 1e-6,
                "{name}: {got} not {expected}"
            );
        }
    }
}

#[test]
fn heads_have_their_layers() {
    let founders = build(&ModelConfig {
        head: Head::Founders,
        ..config("efficientnet_b3")
    })
    .unwrap();
    assert_eq!(
        founders.parameter("classifier.weight").unwrap().shape(),
        [1000, 1536]
    );
    assert_eq!(
        founders.parameter("labels.weight").unwrap().shape(),
        [26, 1000]
    );
    assert_eq!(heads::label_map::maps(&founders), None);

    let map = build(&ModelConfig {
        head: Head::LabelMap,
        ..config("resnet18")
    })
    .unwrap();
    assert_eq!(
        map.parameter("label_map.weight").unwrap().shape(),
        [26, 512, 1, 1]
    );
    assert!(map.parameter("fc.weight").is_none());
    let maps = heads::label_map::maps(&map).unwrap();
    assert_eq!(map.node(maps).shape.len(), 26 * 2 * 2);

    for (head, pool, branches, shows, first) in [
        (Head::LabelMap, MapPool::Gem, 1, true, "label_map.weight"),
        (Head::LabelMap, MapPool::Max, 1, true, "label_map.weight"),
        (
            Head::ResidualAttention,
            MapPool::Gem,
            1,
            true,
            "attention.0.weight",
        ),
        (
            Head::ResidualAttention,
            MapPool::Gem,
            4,
            false,
            "attention.3.weight",
        ),
        (Head::LabelQuery, MapPool::Gem, 2, false, "query.1.weight"),
    ] {
        let graph = build(&ModelConfig {
            head,
            pool,
            attention_heads: branches,
            ..config("resnet18")
        })
        .unwrap();
        let bound = Initial::Uniform(1.0 / 512f32.sqrt());
        assert_eq!(graph.parameter(first).unwrap().initial(), bound, "{first}");
        assert_eq!(heads::label_map::maps(&graph).is_some(), shows, "{first}");
    }
}

/// The sum over the map's largest values.
struct Peaks;

impl heads::Layers for Peaks {
    fn add(
        &self,
        net: &mut Builder,
        map: NodeId,
        config: &ModelConfig,
    ) -> Result<NodeId, GraphError> {
        let peaks = net.log_sum_exp_pool(map, f32::INFINITY)?;
        match config.labels {
            26 => net.linear("peaks", peaks, 26, true),
            _ => Ok(peaks),
        }
    }
}

#[test]
fn a_head_of_a_programs_own_is_built_in_its_place_and_known_by_its_name_elsewhere() {
    let own = ModelConfig {
        head: Head::Own(heads::Own::new("peaks", Arc::new(Peaks))),
        ..config("resnet18")
    };
    let graph = build(&own).unwrap();
    assert_eq!(graph.parameter("peaks.weight").unwrap().shape(), [26, 512]);
    let other = build(&ModelConfig {
        labels: 7,
        ..own.clone()
    });
    assert_eq!(
        other.unwrap_err().to_string(),
        "the head Own(Own(\"peaks\")) gives Vector(512); it must give a vector of 7 logits"
    );

    let text = serde_json::to_string(&own).unwrap();
    assert!(
        text.contains(r#""head":{"own":{"name":"peaks"}}"#),
        "{text}"
    );
    let read: ModelConfig = serde_json::from_str(&text).unwrap();
    assert_eq!(read, own);
    assert_eq!(
        build(&read).unwrap_err().to_string(),
        "the head 'peaks' is not built in: only the program that brought it along has it"
    );
}
