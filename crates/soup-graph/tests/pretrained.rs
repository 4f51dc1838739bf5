//! Weights that others saved: every format, what is wrapped around them, by name and by order, and files that must be
//! refused. `fixtures/pretrained/make_pretrained.py` wrote the files.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

use soup_graph::pretrained::{self, Loaded, Match, WeightsError};
use soup_graph::{Builder, Convolution, Graph, ImageShape, Weights};
use soup_random::{Purpose, Stream};

fn file(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pretrained");
    folder.join(name)
}

fn network(channels: usize, labels: usize, deeper: bool) -> Graph {
    let mut net = Builder::new(ImageShape {
        channels,
        height: 8,
        width: 8,
    });
    let stem = Convolution::square(4, 3);
    let x = net.convolution("stem", net.input(), stem).unwrap();
    let mut x = net.batch_norm("bn", x, 1e-5, 0.1).unwrap();
    if deeper {
        x = net.batch_norm("bn2", x, 1e-5, 0.1).unwrap();
    }
    let x = net.average_pool(x).unwrap();
    let x = net.linear("fc", x, labels, true).unwrap();
    net.finish(&[x]).unwrap()
}

/// The values of the script.
fn expected(graph: &Graph) -> Weights {
    let mut weights = Weights::zeros(graph);
    for (number, parameter) in graph.parameters().iter().enumerate() {
        for (place, value) in weights.of_mut(parameter).iter_mut().enumerate() {
            *value = ((7 * number + 3 * place) % 64) as f32 / 32.0 - 1.0;
        }
    }
    weights
}

fn load(name: &str, graph: &Graph, by: Match) -> Result<Loaded, WeightsError> {
    pretrained::check(&file(name))?;
    pretrained::load(&file(name), graph, Weights::zeros(graph), by)
}

#[test]
fn every_format_gives_the_same_values() {
    let graph = network(3, 10, false);
    for (name, said) in [
        ("zip.pth", "all of it"),
        ("a_name_of_many_letters.pth", "all of it"),
        ("pickles.pth", "all of it"),
        ("newer.pth", "all of it"),
        ("views.pth", "all of it"),
        ("initialisers.onnx", "not used: 'sides'"),
        (
            "wrapped.pth",
            "what it holds as 'state_dict_ema'; names without 'module.'; not used: 'version'",
        ),
    ] {
        let loaded = load(name, &graph, Match::Name);
        let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(loaded.weights, expected(&graph), "{name}");
        assert_eq!(loaded.to_string(), said, "{name}");
    }
}

#[test]
fn other_names_are_matched_by_order_only_when_asked() {
    let graph = network(3, 10, false);
    let error = load("order.pth", &graph, Match::Name).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("it misses 'bn.bias', ") && error.ends_with("model.weights_by_order=true"),
        "{error}"
    );

    let loaded = load("order.pth", &graph, Match::Order).unwrap();
    assert_eq!(loaded.weights, expected(&graph));
    assert_eq!(
        loaded.to_string(),
        "by order: 7 of 7 tensors, '_conv_stem.weight' as 'stem.weight' to '_fc.bias' as 'fc.bias'; \
         1 counters of batches left out"
    );
    // Names that are right are matched by order as well.
    let loaded = load("pickles.pth", &graph, Match::Order).unwrap();
    assert_eq!(loaded.weights, expected(&graph));

    // Other labels and channels, as by name.
    let other = network(1, 4, false);
    let loaded = load("order.pth", &other, Match::Order).unwrap();
    assert_eq!(loaded.kept_initial, ["fc.weight", "fc.bias"]);
    assert_eq!(loaded.adapted, ["stem.weight"]);
    let of = |g: &Graph, w: &Weights, name: &str| w.of(g.parameter(name).unwrap()).to_vec();
    let (got, all) = (
        of(&other, &loaded.weights, "bn.running_var"),
        of(&graph, &expected(&graph), "bn.running_var"),
    );
    assert_eq!(got, all);
}

#[test]
fn an_order_that_does_not_fit_is_refused_with_the_first_pair() {
    let graph = network(3, 10, false);
    let said = |name: &str, graph: &Graph| {
        let error = load(name, graph, Match::Order).unwrap_err().to_string();
        error
            .rsplit_once(".pth: ")
            .map_or(error.clone(), |(_, said)| said.to_owned())
    };
    assert_eq!(
        said("swapped.pth", &graph),
        "its tensors do not fit by order: tensor 4, '_bn0.running_var' of shape [4], stands where the network has \
         'bn.running_mean' of shape [4]"
    );
    assert_eq!(
        said("order.pth", &network(3, 10, true)),
        "its tensors do not fit by order: it holds 7 tensors, and the network has 9 up to its last batch norm"
    );
    let mut net = Builder::new(graph.input());
    let stem = Convolution::square(4, 3);
    let x = net.convolution("stem", net.input(), stem).unwrap();
    let x = net.average_pool(x).unwrap();
    let x = net.linear("fc", x, 10, true).unwrap();
    let shallow = net.finish(&[x]).unwrap();
    let error = said("order.pth", &shallow);
    assert!(error.contains("it is a deeper network's"), "{error}");
    let error = said("initialisers.onnx", &graph);
    assert!(error.ends_with("have names alone"), "{error}");
}

#[test]
fn what_is_no_tensor_is_refused_by_name_and_never_run() {
    let graph = network(3, 10, false);
    for (name, said) in [
        (
            "evil.pth",
            "it names 'posix.system', which is neither a tensor nor a dictionary",
        ),
        ("module.pth", "it names '__main__.Net'"),
        ("arguments.pth", "it names 'argparse.Namespace'"),
        (
            "expanded.pth",
            "'fc.bias' of shape [10] and strides [0] from 0 on reaches beyond its 1 values",
        ),
        ("plain.pkl", "it is a pickle of something else"),
    ] {
        let error = pretrained::load(&file(name), &graph, Weights::zeros(&graph), Match::Name);
        let error = error.unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(said), "{error}");
        // Whoever only asks is told as well.
        assert_eq!(
            pretrained::check(&file(name)).unwrap_err().to_string(),
            error
        );
    }
    assert!(!Path::new("executed").exists());
}

#[test]
fn a_wheel_is_told_to_be_unpacked() {
    use std::io::Write;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default();
    let stored = stored.compression_method(zip::CompressionMethod::Stored);
    zip.start_file("package/models/net.pth", stored).unwrap();
    zip.write_all(&std::fs::read(file("zip.pth")).unwrap())
        .unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    let graph = network(3, 10, false);
    let error =
        pretrained::from_bytes("w.whl", &bytes, &graph, Weights::zeros(&graph), Match::Name);
    assert_eq!(
        error.unwrap_err().to_string(),
        "w.whl: not a PyTorch file of tensors: it is a zip without data.pkl; unpack 'package/models/net.pth' and give \
         that"
    );
}

#[test]
fn damaged_files_give_errors_and_never_panic() {
    let graph = network(3, 10, false);
    let mut stream = Stream::new(1, Purpose::Bootstrap, 0, 0);
    for name in [
        "zip.pth",
        "pickles.pth",
        "views.pth",
        "newer.pth",
        "initialisers.onnx",
    ] {
        let good = std::fs::read(file(name)).unwrap();
        let read = |bytes: &[u8], by| {
            pretrained::from_bytes("f", bytes, &graph, Weights::zeros(&graph), by)
        };
        let mut refused = 0;
        for length in 0..good.len() {
            refused += usize::from(read(&good[..length], Match::Name).is_err());
        }
        assert!(
            refused + 2 >= good.len(),
            "{name}: {refused} of {}",
            good.len()
        );
        for _ in 0..20_000 {
            let mut bad = good.clone();
            for _ in 0..=stream.below(3) {
                bad[stream.below(good.len() as u32) as usize] = stream.next_u32() as u8;
            }
            let _ = read(&bad, Match::Name);
            let _ = read(&bad, Match::Order);
        }
    }
}
