//! Backbones that learn slower than their head, or not at all.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use soup_data::ImageShape;
use soup_graph::{Graph, Weights, safetensors};
use soup_model::{ErrorKind, ModelConfig};
use soup_train::{
    progress::Event,
    trainer::{TrainRequest, train_on},
};
use support::{Data, config};

const SETTINGS: [&str; 6] = [
    "model.name=soup_nano",
    "model.head=linear",
    "model.precision=f32",
    "data.compose_share=0",
    "train.epochs=2",
    "train.threads=1",
];

fn train(run: &Path, own: &[&str], interrupts: bool) {
    let settings = [&SETTINGS[..], own].concat();
    let data = Data::new();
    loop {
        let stop = AtomicBool::new(false);
        let mut progress = |event: &Event<'_>| {
            if interrupts && matches!(event, Event::Step(_)) {
                stop.store(true, Ordering::Relaxed);
            }
        };
        let request = TrainRequest {
            config: config(&settings),
            run,
            network: None,
            folds: Some(vec![0]),
            plans_of: None,
        };
        match train_on(&request, &data.borrow(), &mut progress, &stop) {
            Ok(_) => return,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}"),
        }
    }
}

fn network() -> Graph {
    let model = ModelConfig {
        name: "soup_nano".to_owned(),
        ..ModelConfig::default()
    };
    let shape = ImageShape {
        channels: 1,
        height: 24,
        width: 24,
    };
    model.build(shape, 26).unwrap()
}

/// The largest change of a parameter that is trained, of backbone and head.
fn moved(run: &Path) -> [f32; 2] {
    let graph = network();
    let first = Weights::initial(&graph, 42);
    let file = run.join("fold0/model.safetensors");
    let last = safetensors::load(&file, &graph).unwrap();
    let mut most = [0.0f32; 2];
    for parameter in graph.parameters() {
        let is_head = usize::from(parameter.name().starts_with("fc."));
        let pairs = first.of(parameter).iter().zip(last.of(parameter));
        let change = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        most[is_head] = most[is_head].max(change);
    }
    most
}

/// Every file of the fold but those that hold times.
fn files(run: &Path) -> BTreeMap<String, Vec<u8>> {
    ["best.ckpt", "model.safetensors", "valid.npy"]
        .map(|name| {
            (
                name.to_owned(),
                fs::read(run.join("fold0").join(name)).unwrap(),
            )
        })
        .into()
}

#[test]
fn a_frozen_backbone_stays_as_it_was_and_is_resumed_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, pieces] = ["whole", "pieces"].map(|name| folder.path().join(name));
    train(&whole, &["train.backbone_rate=0"], false);
    let [backbone, head] = moved(&whole);
    assert_eq!(backbone, 0.0, "statistics and filters");
    assert!(head > 1e-3, "{head}");
    train(&pieces, &["train.backbone_rate=0"], true);
    let of_whole = files(&whole);
    for (name, bytes) in files(&pieces) {
        if name != "best.ckpt" {
            assert!(bytes == of_whole[&name], "{name}");
        }
    }
}

#[test]
fn a_slow_backbone_moves_less() {
    let folder = tempfile::tempdir().unwrap();
    let [plain, slow] = ["plain", "slow"].map(|name| folder.path().join(name));
    train(&plain, &["average.decay=0"], false);
    train(
        &slow,
        &["average.decay=0", "train.backbone_rate=0.01"],
        false,
    );
    let filters = |run: &Path| {
        let graph = network();
        let (first, file) = (
            Weights::initial(&graph, 42),
            run.join("fold0/model.safetensors"),
        );
        let last = safetensors::load(&file, &graph).unwrap();
        let stem = &graph.parameters()[0];
        let pairs = first.of(stem).iter().zip(last.of(stem));
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    let (plain, slow) = (filters(&plain), filters(&slow));
    assert!(slow > 0.0 && slow < 0.1 * plain, "{slow} {plain}");
}
