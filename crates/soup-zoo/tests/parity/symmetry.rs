//! Networks with p4 symmetry: what they say of an image they say of its quarter turns.

use soup_cpu::Isa;
use soup_graph::{Graph, Symmetry, TiedParameter, Weights};
use soup_zoo::{Head, ModelConfig, build};

use crate::difference;
use crate::fill;
use crate::runner::{Engine, Reference, Runner, Step};

/// Odd, so that every stride of two meets the same places from both ends.
const SIDE: usize = 33;
const LABELS: usize = 3;

fn network(model: &str, head: Head) -> Graph {
    build(&ModelConfig {
        name: model.to_owned(),
        channels: 2,
        height: SIDE,
        width: SIDE,
        labels: LABELS,
        head,
        ..ModelConfig::default()
    })
    .unwrap()
}

/// An image of two channels and its three quarter turns, channels last.
fn turns() -> Vec<f32> {
    let mut image = fill::images(2 * SIDE * SIDE);
    let mut all = image.clone();
    for _ in 0..3 {
        let from = image.clone();
        for (place, pixel) in image.chunks_exact_mut(2).enumerate() {
            let (row, column) = (place / SIDE, place % SIDE);
            pixel.copy_from_slice(&from[(column * SIDE + SIDE - 1 - row) * 2..][..2]);
        }
        all.extend_from_slice(&image);
    }
    all
}

fn step(runner: &dyn Runner, graph: &Graph, weights: &Weights) -> Step {
    let output_gradient: Vec<f64> = [0.3, -0.8, 0.5].repeat(4);
    runner.step(graph, weights, &turns(), 4, &output_gradient)
}

fn check(runner: &dyn Runner, model: &str, head: Head) {
    let graph = network(model, head);
    let symmetry = Symmetry::quarter_turns(&graph).unwrap();
    let mut weights = Weights::initial(&graph, 1);
    let spread = |logits: &[f64]| {
        let turned = logits.chunks_exact(LABELS);
        turned.fold(0f64, |worst, turn| {
            worst.max(difference(turn, &logits[..LABELS]))
        })
    };
    let loose = step(runner, &graph, &weights);
    assert!(
        spread(&loose.logits) > 1e-3,
        "{model}: no symmetry, no test"
    );

    symmetry.tie(&mut weights);
    let tied = step(runner, &graph, &weights);
    let error = spread(&tied.logits);
    assert!(error < 1e-4, "{} {model}: training {error}", runner.name());

    // All four turns were learned from, so the gradient is symmetric already.
    let mut averaged: Vec<f32> = tied.gradients.iter().map(|g| *g as f32).collect();
    symmetry
        .tied_parameters(&mut averaged)
        .for_each(TiedParameter::average);
    let averaged: Vec<f64> = averaged.into_iter().map(f64::from).collect();
    let error = difference(&averaged, &tied.gradients);
    assert!(error < 1e-3, "{} {model}: gradient {error}", runner.name());

    weights.buffers_mut().copy_from_slice(&tied.running);
    symmetry.tie(&mut weights);
    let error = spread(&runner.logits(&graph, &weights, &turns(), 4));
    assert!(error < 1e-4, "{} {model}: trained {error}", runner.name());
}

#[test]
fn a_symmetric_network_says_the_same_of_every_quarter_turn() {
    for (model, head) in [
        ("soup_nano", Head::LabelMap),
        ("soup_tiny", Head::Linear),
        ("resnet18", Head::Founders),
    ] {
        check(&Reference, model, head.clone());
        check(&Engine(Isa::detect()), model, head);
    }
}

#[test]
fn what_is_tied_stays_as_it_is() {
    let graph = network("soup_tiny", Head::LabelMap);
    let symmetry = Symmetry::quarter_turns(&graph).unwrap();
    let mut once = Weights::initial(&graph, 2);
    symmetry.tie(&mut once);
    let mut twice = once.clone();
    symmetry.tie(&mut twice);
    symmetry
        .tied_parameters(twice.trainable_mut())
        .for_each(TiedParameter::average);
    assert!(
        difference(
            &twice
                .trainable()
                .iter()
                .map(|x| f64::from(*x))
                .collect::<Vec<_>>(),
            &once
                .trainable()
                .iter()
                .map(|x| f64::from(*x))
                .collect::<Vec<_>>(),
        ) < 1e-6
    );
    // A quarter of the filters is free; the head's maps do not turn.
    let mut free = once.trainable().to_vec();
    free.sort_by(f32::total_cmp);
    free.dedup();
    assert!(free.len() * 7 < once.trainable().len() * 2);
}

#[test]
fn networks_without_a_symmetric_form_are_refused() {
    let refused = Symmetry::quarter_turns(&network("efficientnet_b0", Head::Linear));
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("squeeze-and-excitation"), "{message}");
}
