//! Weight files: round trips, adapting, and everything that can be wrong.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use half::{bf16, f16};
use serde_json::json;
use soup_graph::pretrained::{self, Loaded, Match, WeightsError};
use soup_graph::safetensors::{from_bytes, load, read_metadata, save};
use soup_graph::{Builder, Convolution, Graph, ImageShape, NodeId, Weights};
use soup_random::{Purpose, Stream};

fn from_bytes_adapted(
    file: &str,
    bytes: &[u8],
    graph: &Graph,
    initial: Weights,
) -> Result<Loaded, WeightsError> {
    pretrained::from_bytes(file, bytes, graph, initial, Match::Name)
}

/// A head behind a normalised convolution.
fn headed(channels: usize, head: impl Fn(&mut Builder, NodeId) -> NodeId) -> Graph {
    let mut net = Builder::new(ImageShape {
        channels,
        height: 8,
        width: 8,
    });
    let x = net
        .convolution("stem", net.input(), Convolution::square(4, 3))
        .unwrap();
    let x = net.batch_norm("bn", x, 1e-5, 0.1).unwrap();
    let x = head(&mut net, x);
    net.finish(&[x]).unwrap()
}

fn network(channels: usize, labels: usize) -> Graph {
    headed(channels, |net, x| {
        let x = net.average_pool(x).unwrap();
        net.linear("fc", x, labels, true).unwrap()
    })
}

fn label_map(net: &mut Builder, x: NodeId, labels: usize) -> NodeId {
    net.convolution("label_map", x, Convolution::square(labels, 1).with_bias())
        .unwrap()
}

/// A file made by hand: name, type, shape and bytes of each tensor.
fn file(tensors: &[(&str, &str, &[usize], Vec<u8>)]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut data: Vec<u8> = Vec::new();
    for (name, kind, shape, bytes) in tensors {
        let offsets = [data.len(), data.len() + bytes.len()];
        let entry = json!({"dtype": kind, "shape": shape, "data_offsets": offsets});
        header.insert((*name).to_owned(), entry);
        data.extend(bytes);
    }
    let header = serde_json::Value::Object(header).to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn saved(graph: &Graph, weights: &Weights) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    save(&path, graph, weights, &BTreeMap::new()).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn a_saved_file_loads_and_is_always_the_same() {
    let graph = network(3, 10);
    let weights = Weights::initial(&graph, 3);
    let notes: BTreeMap<String, String> = (0..20)
        .map(|n| (format!("note {n}"), format!("\"{n}\" and ü")))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    save(&path, &graph, &weights, &notes).unwrap();
    assert_eq!(load(&path, &graph).unwrap(), weights);
    assert_eq!(read_metadata(&path).unwrap(), notes);
    let first = std::fs::read(&path).unwrap();
    save(&path, &graph, &weights, &notes).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), first);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    // PyTorch's counter is there, and the header ends where values are aligned.
    let text = String::from_utf8_lossy(&first).into_owned();
    assert!(text.contains("\"bn.num_batches_tracked\""));
    assert_eq!(u64::from_le_bytes(first[..8].try_into().unwrap()) % 8, 0);
}

#[test]
fn halves_and_doubles_are_read() {
    let mut net = Builder::new(ImageShape {
        channels: 2,
        height: 1,
        width: 1,
    });
    let x = net.average_pool(net.input()).unwrap();
    let x = net.linear("fc", x, 1, false).unwrap();
    let graph = net.finish(&[x]).unwrap();
    let values = [1.5f32, -0.1];
    let bytes = |kind| -> Vec<u8> {
        let each = |x: f32| match kind {
            "F16" => f16::from_f32(x).to_le_bytes().to_vec(),
            "BF16" => bf16::from_f32(x).to_le_bytes().to_vec(),
            "F32" => x.to_le_bytes().to_vec(),
            _ => f64::from(x).to_le_bytes().to_vec(),
        };
        values.into_iter().flat_map(each).collect()
    };
    for (kind, second) in [
        ("F16", f16::from_f32(-0.1).to_f32()),
        ("BF16", bf16::from_f32(-0.1).to_f32()),
        ("F32", -0.1),
        ("F64", -0.1),
    ] {
        let file = file(&[("fc.weight", kind, &[1, 2], bytes(kind))]);
        let weights = from_bytes("f", &file, &graph).unwrap();
        assert_eq!(weights.trainable(), [1.5, second], "{kind}");
    }
    let whole = file(&[("fc.weight", "I32", &[1, 2], vec![0; 8])]);
    let error = from_bytes("f.safetensors", &whole, &graph).unwrap_err();
    assert_eq!(
        error.to_string(),
        "f.safetensors: 'fc.weight' holds I32 where 16-, 32- or 64-bit floats are needed"
    );
    let mut infinite = values.map(f32::to_le_bytes).concat();
    infinite[4..].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let infinite = file(&[("fc.weight", "F32", &[1, 2], infinite)]);
    let error = from_bytes("f", &infinite, &graph).unwrap_err().to_string();
    assert!(
        error.starts_with("f: 'fc.weight' holds inf at 1"),
        "{error}"
    );
}

#[test]
fn weights_of_other_networks_are_refused_by_name_and_shape() {
    let graph = network(3, 10);
    let bytes = saved(&graph, &Weights::initial(&graph, 3));
    let error = from_bytes("f", &bytes, &network(3, 11)).unwrap_err();
    let message = "f: 'fc.weight' has shape [10, 4] where the network needs [11, 4]";
    assert_eq!(error.to_string(), message);

    let mut net = Builder::new(graph.input());
    let x = net
        .convolution("stem", net.input(), Convolution::square(4, 3))
        .unwrap();
    let x = net.average_pool(x).unwrap();
    let x = net.linear("head.reparam_conv", x, 10, true).unwrap();
    let other = net.finish(&[x]).unwrap();
    let error = from_bytes("f", &bytes, &other).unwrap_err().to_string();
    assert_eq!(
        error,
        "f: the weights of another network: it misses 'head.reparam_conv.bias', 'head.reparam_conv.weight'; \
         it has besides 'bn.bias', 'bn.running_mean', 'bn.running_var' and 3 more; \
         it holds the training form: load it before merging branches"
    );
}

#[test]
fn adapting_follows_timm_and_says_what_it_did() {
    let graph = network(3, 10);
    let weights = Weights::initial(&graph, 3);
    let bytes = saved(&graph, &weights);
    let of = |g: &Graph, w: &Weights, name: &str| w.of(g.parameter(name).unwrap()).to_vec();

    let same = from_bytes_adapted("f", &bytes, &graph, Weights::zeros(&graph)).unwrap();
    assert_eq!(same.weights, weights);
    assert!(same.adapted.is_empty() && same.kept_initial.is_empty() && same.unused.is_empty());
    assert_eq!(same.to_string(), "all of it");

    let target = network(1, 26);
    let initial = Weights::initial(&target, 9);
    let loaded = from_bytes_adapted("f", &bytes, &target, initial.clone()).unwrap();
    assert_eq!(loaded.adapted, ["stem.weight"]);
    assert_eq!(loaded.kept_initial, ["fc.weight", "fc.bias"]);
    assert_eq!(
        of(&target, &loaded.weights, "fc.bias"),
        of(&target, &initial, "fc.bias")
    );
    assert_eq!(
        of(&target, &loaded.weights, "bn.weight"),
        of(&graph, &weights, "bn.weight")
    );
    let (old, new) = (
        of(&graph, &weights, "stem.weight"),
        of(&target, &loaded.weights, "stem.weight"),
    );
    assert_eq!(new[0], old[0] + old[9] + old[18]);

    // Back from one channel to two: repeated and halved.
    let grey = saved(&target, &loaded.weights);
    let target = network(2, 26);
    let loaded = from_bytes_adapted("f", &grey, &target, Weights::zeros(&target)).unwrap();
    assert!(loaded.kept_initial.is_empty());
    let doubled = of(&target, &loaded.weights, "stem.weight");
    assert_eq!([doubled[0], doubled[9]], [new[0] / 2.0; 2]);

    // A head of another kind: the file's stays unused.
    let target = headed(3, |net, x| {
        let x = label_map(net, x, 5);
        net.log_sum_exp_pool(x, 1.0).unwrap()
    });
    let loaded = from_bytes_adapted("f", &bytes, &target, Weights::zeros(&target)).unwrap();
    assert_eq!(loaded.kept_initial, ["label_map.weight", "label_map.bias"]);
    assert_eq!(loaded.unused, ["fc.bias", "fc.weight"]);

    // A head of several layers for other labels: all of it is fresh, and nothing before it.
    let layered = |labels: usize| {
        headed(3, |net, x| {
            let x = label_map(net, x, labels);
            let x = net.power_pool("pool", x, 4.0).unwrap();
            net.linear("context", x, labels, true).unwrap()
        })
    };
    let (before, target) = (layered(5), layered(3));
    let five = saved(&before, &Weights::initial(&before, 1));
    let loaded = from_bytes_adapted("f", &five, &target, Weights::zeros(&target)).unwrap();
    // The pool's one value fits any labels.
    let layers = [
        "label_map.weight",
        "label_map.bias",
        "context.weight",
        "context.bias",
    ];
    assert_eq!(loaded.kept_initial, layers);
    assert!(loaded.unused.is_empty());
    let loaded = from_bytes_adapted("f", &bytes, &target, Weights::zeros(&target)).unwrap();
    assert_eq!(
        loaded.to_string(),
        "fresh: 'label_map.weight', 'label_map.bias', 'pool.power' and 2 more; \
         not used: 'fc.bias', 'fc.weight'"
    );

    // Another backbone is still an error, and so are initial values of another network.
    let mut net = Builder::new(graph.input());
    let x = net
        .convolution("other", net.input(), Convolution::square(4, 3))
        .unwrap();
    let x = net.average_pool(x).unwrap();
    let x = net.linear("fc", x, 10, true).unwrap();
    let other = net.finish(&[x]).unwrap();
    let error = from_bytes_adapted("f", &bytes, &other, Weights::zeros(&other)).unwrap_err();
    assert!(matches!(error, WeightsError::Names { missing, .. } if missing == ["other.weight"]));
    let error = from_bytes_adapted("f", &bytes, &graph, Weights::zeros(&other)).unwrap_err();
    assert!(matches!(error, WeightsError::Length { .. }));
}

#[test]
fn missing_and_unwritable_files_are_named() {
    let graph = network(3, 10);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nowhere").join("model.safetensors");
    let error = load(&path, &graph).unwrap_err().to_string();
    assert!(
        error.contains("nowhere/model.safetensors: cannot read it"),
        "{error}"
    );
    let weights = Weights::zeros(&graph);
    let error = save(&path, &graph, &weights, &BTreeMap::new()).unwrap_err();
    assert!(error.to_string().contains("cannot write it"), "{error}");
    let short = Weights::zeros(&network(3, 9));
    let path = folder.path().join("model.safetensors");
    let error = save(&path, &graph, &short, &BTreeMap::new()).unwrap_err();
    assert!(matches!(error, WeightsError::Length { .. }), "{error}");
    assert!(
        error.to_string().contains("values do not fit a network of"),
        "{error}"
    );
    assert!(!path.exists());
}

#[test]
fn damaged_files_give_errors_and_never_panic() {
    let graph = network(3, 10);
    let good = saved(&graph, &Weights::initial(&graph, 3));
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    for length in (0..header).chain([good.len() - 1]) {
        let error = from_bytes("f", &good[..length], &graph).unwrap_err();
        assert!(
            matches!(error, WeightsError::Format { .. }),
            "{length}: {error}"
        );
    }
    let longer = [good.clone(), vec![0]].concat();
    assert!(from_bytes("f", &longer, &graph).is_err());
    let mut stream = Stream::new(1, Purpose::Bootstrap, 0, 0);
    let mut refused = 0;
    for _ in 0..5000 {
        let mut bad = good.clone();
        for _ in 0..=stream.below(3) {
            bad[stream.below(header as u32) as usize] = stream.next_u32() as u8;
        }
        refused += usize::from(from_bytes("f", &bad, &graph).is_err());
        let _ = from_bytes_adapted("f", &bad, &graph, Weights::zeros(&graph));
    }
    assert!(refused > 4000, "{refused} of 5000 refused");
}
