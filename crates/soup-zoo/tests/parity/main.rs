//! Networks against timm: names and shapes, logits, gradients, running statistics.
//! `fixtures/make_parity.py` made the numbers; weights and images come from a formula that both
//! sides compute.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod fill;
mod runner;
mod symmetry;

use std::collections::BTreeMap;

use runner::{Engine, Reference, Runner};
use serde::Deserialize;
use soup_cpu::Isa;
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
    /// Further settings of the network.
    #[serde(default)]
    settings: serde_json::Map<String, serde_json::Value>,
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
    /// Worst relative difference of a gradient when timm itself runs in float32.
    float32: f64,
    logits: Vec<f64>,
    gradients: BTreeMap<String, Summary>,
    running: BTreeMap<String, Summary>,
}

/// Norm, projection on a vector made by formula, the middle entry.
type Summary = [f64; 3];

fn fixture() -> Fixture {
    let mut whole: Fixture = serde_json::from_str(include_str!("../fixtures/parity.json")).unwrap();
    let heads: Fixture = serde_json::from_str(include_str!("../fixtures/heads.json")).unwrap();
    whole.eval.extend(heads.eval);
    whole.train.extend(heads.train);
    whole
}

impl Network {
    fn build(&self) -> (Graph, Weights) {
        let config: ModelConfig = serde_json::from_value(self.settings.clone().into()).unwrap();
        let graph = build(&ModelConfig {
            name: self.model.clone(),
            channels: self.channels,
            height: self.height,
            width: self.width,
            head: self.head.clone(),
            ..config
        })
        .unwrap();
        let weights = fill::weights(&graph, self.gain);
        (graph, weights)
    }

    fn images(&self) -> Vec<f32> {
        fill::images(self.batch * self.channels * self.height * self.width)
    }

    fn title(&self) -> String {
        let (model, head) = (&self.model, &self.head);
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
            println!("{}: {} {form}: {error:.1e}", runner.name(), network.title());
            assert!(
                error < runner.tolerance(),
                "{}: {} {form}: {error}",
                runner.name(),
                network.title()
            );
        };
        check("as trained", &graph, &weights, &case.logits);
        if let Some(expected) = &case.merged_logits {
            let (graph, weights) = rewrite::merge_branches(&graph, &weights).unwrap();
            check("merged", &graph, &weights, expected);
        }
        let (graph, weights) = rewrite::for_inference(&graph, &weights).unwrap();
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
        let title = format!("{}: {}", runner.name(), network.title());
        let step = runner.step(&graph, &weights, &images, network.batch, &logits_gradient);
        let error = difference(&step.logits, &case.logits);
        println!("{title}: logits {error:.1e}");
        assert!(error < runner.tolerance(), "{title}: logits {error}");

        let running: Vec<f64> = step.running.iter().copied().map(f64::from).collect();
        let (trained, kept): (Vec<&Parameter>, Vec<&Parameter>) = graph
            .parameters()
            .iter()
            .partition(|p| p.role().is_trainable());
        let kinds = [
            ("gradient", trained, &step.gradients, &case.gradients),
            ("running", kept, &running, &case.running),
        ];
        for (kind, parameters, values, expected) in kinds {
            assert_eq!(parameters.len(), expected.len());
            let mut norms: Vec<f64> = expected.values().map(|summary| summary[0]).collect();
            norms.sort_by(f64::total_cmp);
            let median = norms[norms.len() / 2];
            let (mut worst, mut worst_vanishing) = (0f64, 0f64);
            for parameter in parameters {
                let name = &parameter.name();
                let expected = expected[*name];
                // A bias that the next batch norm takes out has no gradient but rounding.
                let vanishes = expected[0] < 1e-3 * median;
                let got = summary(name, &values[parameter.range()]);
                for (got, wanted) in got.iter().zip(expected) {
                    let scale = if vanishes { median } else { expected[0] };
                    let error = (got - wanted).abs() / scale;
                    let bound = match (kind, vanishes) {
                        ("gradient", false) => runner.gradient_tolerance(case.float32),
                        _ => runner.tolerance(),
                    };
                    assert!(
                        error < bound,
                        "{title}: {kind} of {name}: {got}, timm {wanted}",
                    );
                    let seen = if vanishes {
                        &mut worst_vanishing
                    } else {
                        &mut worst
                    };
                    *seen = seen.max(error);
                }
            }
            println!("{title}: {kind} {worst:.1e}, of those that vanish {worst_vanishing:.1e}");
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

/// The fast engine, once for each instruction set of this processor.
fn engines() -> impl Iterator<Item = Engine> {
    let sets = Isa::ALL.into_iter().filter(|isa| isa.is_available());
    sets.map(Engine)
}

#[test]
fn logits_of_the_engine_agree_with_timm() {
    engines().for_each(|engine| check_logits(&engine));
}

#[test]
fn training_steps_of_the_engine_agree_with_timm() {
    engines().for_each(|engine| check_training_steps(&engine));
}

#[test]
fn names_shapes_and_their_order_are_timms() {
    let fixture = fixture();
    let digest = |graph: &Graph| {
        let lines = graph.parameters().iter();
        let text: String = lines
            .map(|p| format!("{} {:?}\n", p.name(), p.shape()))
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
            let (merged, _) = rewrite::merge_branches(&graph, &Weights::zeros(&graph)).unwrap();
            assert_eq!(&digest(&merged), expected, "{} merged", model.name);
            checked += 1;
        }
    }
    assert_eq!(checked, fixture.structure.len());
}
