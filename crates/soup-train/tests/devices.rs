//! The same trainer over different engines.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::{path::Path, sync::atomic::AtomicBool};

use soup_train::trainer::{TrainSummary, train_on};
use support::{Data, request};

static NEVER: AtomicBool = AtomicBool::new(false);

fn run(path: &Path, overrides: &[&str], data: &Data) -> TrainSummary {
    train_on(&request(path, overrides), &data.borrow(), &mut (), &NEVER).unwrap()
}

/// Averages, dropout, accumulation, clipping and an optimiser with two moments: the plain interpreter goes the same way,
/// apart from rounding.
#[test]
fn the_reference_engine_trains_as_the_cpu_does() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::new();
    let of = |device: &str| {
        let setting = format!("train.device={device}");
        run(&folder.path().join(device), &[&setting], &data)
    };
    let (cpu, reference) = (of("cpu"), of("reference"));
    assert_eq!(cpu.folds.len(), reference.folds.len());
    for (cpu, reference) in cpu.folds.iter().zip(&reference.folds) {
        assert_eq!(cpu.steps, reference.steps);
        for (ours, theirs) in [
            (cpu.last.train_loss, reference.last.train_loss),
            (cpu.last.valid_loss, reference.last.valid_loss),
        ] {
            assert!((ours - theirs).abs() < 1e-4, "{ours} {theirs}");
        }
    }
}

/// What quickstart trains, chosen by `train.device=reference`, for an epoch.
#[test]
fn the_reference_engine_trains_a_network_of_the_zoo() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::new();
    let mut request = request(
        folder.path(),
        &[
            "train.device=reference",
            "train.epochs=1",
            "train.epoch_images=8",
            "model.name=soup_nano",
            "model.head=label_map",
            "boxes.weight=1",
            "transforms=[{kind='normalize', mean=[0.5], std=[0.25]}]",
        ],
    );
    request.network = None;
    let summary = train_on(&request, &data.borrow(), &mut (), &NEVER).unwrap();
    assert!(
        summary
            .folds
            .iter()
            .all(|fold| fold.last.valid_loss.is_finite())
    );
}
