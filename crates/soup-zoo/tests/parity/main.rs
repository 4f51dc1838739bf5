//! Networks against timm: names and shapes, logits, gradients, running statistics.
//! `fixtures/make_parity.py` made the numbers; weights and pictures come from a formula that both
//! sides compute.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod fill;
mod runner;

use std::collections::BTreeMap;

use runner::{Reference, Runner};
use serde::Deserialize;
use soup_graph::{Graph, Parameter, Weights, rewrite};
use soup_zoo::{Head, ModelConfig, build, models};

#[derive(Deserialize)]
struct Fixture {
    structure: BTreeMap<String, String>,
    eval: Vec<EvalCase>,
    train: Vec<TrainCase>,
}

#[derive(Deserialize)]
struct Network {
    model: String,
    channels: usize,
    height: usize,
    width: usize,
    batch: usize,
    head: Head,
    gain: f64,
}

#[derive(Deserialize)]
struct EvalCase {
    #[serde(flatten)]
    network: Network,
    logits: Vec<f64>,
    merged_logits: Option<Vec<f64>>,
}

#[derive(Deserialize)]
struct TrainCase {
    #[serde(flatten)]
    network: Network,
    logits: Vec<f64>,
    gradients: BTreeMap<String, Summary>,
    running: BTreeMap<String, Summary>,
}

/// Norm, projection on a vector made by formula, the middle entry.
type Summary = [f64; 3];

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../fixtures/parity.json")).unwrap()
}

impl Network {
    fn build(&self) -> (Graph, Weights) {
        let graph = build(&ModelConfig {
            name: self.model.clone(),
            channels: self.channels,
            height: self.height,
            width: self.width,
            head: self.head,
            ..ModelConfig::default()
        })
        .unwrap();
        let weights = fill::weights(&graph, self.gain);
        (graph, weights)
    }

    fn images(&self) -> Vec<f32> {
        fill::images(self.batch * self.channels * self.height * self.width)
    }

    fn title(&self) -> String {
        let (model, head) = (&self.model, self.head);
        format!(
            "{model} {head:?} {}x{}x{}",
            self.channels, self.height, self.width
        )
    }
}

/// Largest difference over the largest value.
fn difference(got: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let largest = expected.iter().fold(0f64, |m, x| m.max(x.abs()));
    let errors = got.iter().zip(expected).map(|(g, e)| (g - e).abs());
    errors.fold(
        0.0,
        |worst, error| if error <= worst { worst } else { error },
    ) / largest
}

fn summary(name: &str, values: &[f64]) -> Summary {
    let vector = fill::uniform(&format!("projection {name}"), values.len());
    let products = values
        .iter()
        .zip(vector)
        .map(|(x, u)| x * (f64::from(u) - 0.5));
    let norm = values.iter().map(|x| x * x).sum::<f64>().sqrt();
    [norm, products.sum(), values[values.len() / 2]]
}

fn check_logits(runner: &dyn Runner) {
    for case in fixture().eval {
        let network = &case.network;
        let (graph, weights) = network.build();
        let check = |form: &str, graph: &Graph, weights: &Weights, expected: &[f64]| {
            let got = runner.logits(graph, weights, &network.images(), network.batch);
            let error = difference(&got, expected);
            println!("{} {form}: {error:.1e}", network.title());
            assert!(
                error < runner.tolerance(),
                "{} {form}: {error}",
                network.title()
            );
        };
        check("as trained", &graph, &weights, &case.logits);
        if let Some(expected) = &case.merged_logits {
            let (graph, weights) = rewrite::merge_branches(&graph, &weights);
            check("merged", &graph, &weights, expected);
        }
        let (graph, weights) = rewrite::for_inference(&graph, &weights);
        check("for inference", &graph, &weights, &case.logits);
    }
}

fn check_training_steps(runner: &dyn Runner) {
    for case in fixture().train {
        let network = &case.network;
        let (graph, weights) = network.build();
        let logits_gradient: Vec<f64> = fill::uniform("output", case.logits.len())
            .into_iter()
            .map(|u| 2.0 * f64::from(u) - 1.0)
            .collect();
        let images = network.images();
        let step = runner.step(&graph, &weights, &images, network.batch, &logits_gradient);
        let error = difference(&step.logits, &case.logits);
        assert!(
            error < runner.tolerance(),
            "{}: logits {error}",
            network.title()
        );

        let running: Vec<f64> = step.running.iter().copied().map(f64::from).collect();
        let (trained, kept): (Vec<&Parameter>, Vec<&Parameter>) =
            graph.parameters.iter().partition(|p| p.role.is_trainable());
        let kinds = [
            ("gradient", trained, &step.gradients, &case.gradients),
            ("running", kept, &running, &case.running),
        ];
        for (kind, parameters, values, expected) in kinds {
            assert_eq!(parameters.len(), expected.len());
            let mut norms: Vec<f64> = expected.values().map(|summary| summary[0]).collect();
            norms.sort_by(f64::total_cmp);
            // A bias that the next batch norm takes out has no gradient but rounding.
            let floor = 1e-3 * norms[norms.len() / 2];
            let mut worst = 0f64;
            for parameter in parameters {
                let name = &parameter.name;
                let expected = expected[name];
                let got = summary(name, &values[parameter.range()]);
                for (got, wanted) in got.iter().zip(expected) {
                    let error = (got - wanted).abs() / expected[0].max(floor);
                    assert!(
                        error < runner.tolerance(),
                        "{}: {kind} of {name}: {got}, timm {wanted}",
                        network.title()
                    );
                    worst = worst.max(error);
                }
            }
            println!("{}: {kind} {worst:.1e}", network.title());
        }
    }
}

#[test]
fn logits_agree_with_timm() {
    check_logits(&Reference);
}

#[test]
fn training_steps_agree_with_timm() {
    check_training_steps(&Reference);
}

#[test]
fn names_shapes_and_their_order_are_timms() {
    let fixture = fixture();
    let digest = |graph: &Graph| {
        let lines = graph.parameters.iter();
        let text: String = lines
            .map(|p| format!("{} {:?}\n", p.name, p.shape))
            .collect();
        format!("{:016x}", fill::name_hash(&text))
    };
    let mut checked = 0;
    for model in models() {
        let Some(expected) = fixture.structure.get(model.name) else {
            continue;
        };
        let graph = build(&model.config()).unwrap();
        assert_eq!(&digest(&graph), expected, "{}", model.name);
        checked += 1;
        if let Some(expected) = fixture.structure.get(&format!("{} merged", model.name)) {
            let (merged, _) = rewrite::merge_branches(&graph, &Weights::zeros(&graph));
            assert_eq!(&digest(&merged), expected, "{} merged", model.name);
            checked += 1;
        }
    }
    assert_eq!(checked, fixture.structure.len());
}
