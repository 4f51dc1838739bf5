//! Whole networks of every family under every head: none may hide a NaN, and none may read memory that nobody wrote.

#![allow(clippy::unwrap_used)]

use soup_graph::{Role, rewrite};
use soup_random::{Purpose, Stream};
use soup_zoo::{Head, ModelConfig, build};

use super::*;

const BATCH: usize = 2;
const FAMILIES: [&str; 7] = [
    "efficientnet_b0",
    "efficientnetv2_rw_t",
    "repvgg_nano",
    "resnet18",
    "resnet_nano",
    "soup_nano",
    "soup_tiny",
];
const HEADS: [Head; 5] = [
    Head::Linear,
    Head::Founders,
    Head::LabelMap,
    Head::ResidualAttention,
    Head::LabelQuery,
];

/// Every family, with one head after the other.
fn networks() -> impl Iterator<Item = (String, Graph)> {
    (0..FAMILIES.len() * HEADS.len()).step_by(3).map(|number| {
        let (family, head) = (number % FAMILIES.len(), number % HEADS.len());
        let (name, head) = (FAMILIES[family], &HEADS[head]);
        let graph = build(&ModelConfig {
            name: name.to_owned(),
            head: head.clone(),
            channels: 3,
            height: 40,
            width: 36,
            labels: 5,
            drop_path: 0.2,
            dropout: 0.2,
            ..ModelConfig::default()
        });
        (format!("{name} {head:?}"), graph.unwrap())
    })
}

fn options() -> impl Iterator<Item = Options> {
    let sets = Isa::ALL.into_iter().filter(|isa| isa.is_available());
    sets.flat_map(|isa| Precision::ALL.map(|precision| (isa, precision)))
        .map(|(isa, precision)| Options {
            threads: 2,
            isa: Some(isa),
            precision,
            ..Options::default()
        })
}

fn images(graph: &Graph) -> Vec<f32> {
    let mut stream = Stream::new(1, Purpose::Noise, 0, 0);
    let count = BATCH * graph.input().len();
    (0..count).map(|_| stream.normal()).collect()
}

/// One of so many places.
fn drawn(stream: &mut Stream, count: usize) -> usize {
    (stream.uniform() * count as f32) as usize % count
}

/// A training step's outputs and gradients, or an inference's outputs.
struct Passes<'a> {
    graph: &'a Graph,
    images: &'a [f32],
    options: &'a Options,
}

impl Passes<'_> {
    fn training(&self, weights: &Weights) -> (Vec<f32>, Vec<f32>) {
        let mut training = Training::new(self.graph, BATCH, self.options).unwrap();
        training.input_mut().copy_from_slice(self.images);
        let mut gradients = vec![0.0; self.graph.trainable_len()];
        // The second step meets what the first one left.
        for _ in 0..2 {
            training.forward(weights, 3, 5);
            let output_gradient = vec![1.0; training.output(0).len()];
            gradients.fill(0.0);
            training.backward(weights, &[&output_gradient], &mut gradients);
        }
        (training.output(0).to_vec(), gradients)
    }

    fn inference(&self, weights: &Weights) -> Vec<f32> {
        let (graph, weights) = rewrite::for_inference(self.graph, weights).unwrap();
        let mut inference = Inference::new(&graph, BATCH, self.options).unwrap();
        inference.load(weights);
        for _ in 0..2 {
            inference.input_mut().copy_from_slice(self.images);
            inference.run();
        }
        inference.output(0).to_vec()
    }
}

fn has_nan(values: &[f32]) -> bool {
    values.iter().any(|value| value.is_nan())
}

/// A weight, a running statistic and a value of an image, each at a place that is drawn.
#[test]
fn nan_in_weights_statistics_and_images_reach_the_answer() {
    let mut stream = Stream::new(7, Purpose::Noise, 1, 0);
    for (name, graph) in networks() {
        let (whole, images) = (Weights::initial(&graph, 1), images(&graph));
        for options in options() {
            let case = format!("{name} {:?} {:?}", options.isa, options.precision);
            let passes = |images| Passes {
                graph: &graph,
                images,
                options: &options,
            };
            let (outputs, gradients) = passes(&images).training(&whole);
            assert!(!has_nan(&outputs) && !has_nan(&gradients), "{case}");
            for _ in 0..2 {
                let parameter = &graph.parameters()[drawn(&mut stream, graph.parameters().len())];
                let mut weights = whole.clone();
                let values = weights.of_mut(parameter);
                let place = drawn(&mut stream, values.len());
                values[place] = f32::NAN;
                let case = format!("{case}: {} at {place}", parameter.name());
                assert!(has_nan(&passes(&images).inference(&weights)), "{case}");
                if matches!(parameter.role(), Role::RunningMean | Role::RunningVariance) {
                    continue;
                }
                let (outputs, gradients) = passes(&images).training(&weights);
                assert!(has_nan(&outputs) && has_nan(&gradients), "{case}");
            }
            let mut images = images.clone();
            let place = drawn(&mut stream, images.len());
            images[place] = f32::NAN;
            let (outputs, gradients) = passes(&images).training(&whole);
            assert!(
                has_nan(&outputs) && has_nan(&gradients),
                "{case}: value {place}"
            );
            let outputs = passes(&images).inference(&whole);
            assert!(has_nan(&outputs), "{case}: value {place}");
        }
    }
}

/// A value of any stored map, after the step that wrote it.
#[test]
fn nan_in_activations_reach_the_answer() {
    let mut stream = Stream::new(9, Purpose::Noise, 1, 0);
    for (name, graph) in networks() {
        let (weights, images) = (Weights::initial(&graph, 1), images(&graph));
        let (deployed, deployed_weights) = rewrite::for_inference(&graph, &weights).unwrap();
        for options in options() {
            for mode in [Mode::Training, Mode::Inference] {
                let (graph, weights) = match mode {
                    Mode::Training => (&graph, &weights),
                    Mode::Inference => (&deployed, &deployed_weights),
                };
                let mut runner = Runner::new(graph, BATCH, mode, &options).unwrap();
                let forward = runner.plan.forward;
                // What is read after it was written, before the backward half.
                let maps: Vec<_> = (runner.plan.maps.iter())
                    .filter_map(|map| Some((*map, runner.plan.memory.live_range(map.0)?)))
                    .filter(|(_, (first, last))| first < last && *first + 1 < forward)
                    .collect();
                for _ in 0..3 {
                    let ((buffer, shape, halo), (first, _)) = maps[drawn(&mut stream, maps.len())];
                    let [y, x, c] = [shape.height, shape.width, shape.channels]
                        .map(|count| drawn(&mut stream, count));
                    runner.input().copy_from_slice(&images);
                    runner.run(0..first + 1, weights, None, (3, 5));
                    let pixel = (y + halo) * (shape.width + 2 * halo) + x + halo;
                    let value = pixel * shape.stride + c;
                    let start = runner.plan.memory.offsets[buffer.0];
                    match options.precision {
                        Precision::F32 => {
                            runner.memory.slice_mut(start + value, 1)[0] = f32::NAN;
                        }
                        Precision::Bf16 => {
                            let word = &mut runner.memory.slice_mut(start + value / 2, 1)[0];
                            let bits = 0x7fc0 << (16 * (value % 2));
                            *word = f32::from_bits(word.to_bits() | bits);
                        }
                    }
                    runner.run(first + 1..forward, weights, None, (3, 5));
                    let mut outputs = Vec::new();
                    runner.output(0, &mut outputs);
                    let step = runner.plan.steps[first].name();
                    assert!(
                        has_nan(&outputs),
                        "{name} {mode:?} {:?} {:?}: map of step {first} ({step}) at {y}, {x}, {c} of {shape:?}",
                        options.isa,
                        options.precision
                    );
                }
            }
        }
    }
}

/// Unused memory is filled with NaN before each step: the answer would differ if any of it were read.
#[test]
fn no_step_reads_what_nobody_wrote() {
    for (name, graph) in networks() {
        let (weights, images) = (Weights::initial(&graph, 1), images(&graph));
        for options in options() {
            let answers = |poison| {
                let options = Options {
                    poison,
                    ..options.clone()
                };
                let passes = Passes {
                    graph: &graph,
                    images: &images,
                    options: &options,
                };
                let (outputs, gradients) = passes.training(&weights);
                [outputs, gradients, passes.inference(&weights)].map(|values| {
                    values
                        .iter()
                        .map(|value| value.to_bits())
                        .collect::<Vec<_>>()
                })
            };
            let is_same = answers(true) == answers(false);
            assert!(is_same, "{name} {:?} {:?}", options.isa, options.precision);
        }
    }
}

/// A step that also writes at a word of the arena.
#[derive(Debug)]
struct Spill(Box<dyn Step>, usize);

impl Step for Spill {
    unsafe fn run(&self, context: &Context<'_>) {
        // SAFETY: the caller's promise is the one that the other step asks for; the test gives a word of the arena.
        unsafe {
            self.0.run(context);
            *context.memory.add(self.1) = 1.0;
        }
    }

    fn buffers(&self, visit: &mut dyn FnMut(Buffer)) {
        self.0.buffers(visit);
    }

    fn scratch(&self) -> usize {
        self.0.scratch()
    }

    fn name(&self) -> &'static str {
        self.0.name()
    }
}

/// The memory of a dead tensor is NaN, and a step that writes to unused memory is found.
#[test]
fn what_is_forgotten_is_found() {
    let (_, graph) = networks().next().unwrap();
    let weights = Weights::initial(&graph, 1);
    let options = Options {
        poison: true,
        threads: 1,
        ..Options::default()
    };
    let mut runner = Runner::new(&graph, 1, Mode::Inference, &options).unwrap();
    let steps = runner.plan.steps.len();
    runner.input().fill(0.5);
    runner.run(0..steps, &weights, None, (0, 0));
    let memory = &runner.plan.memory;
    for range in memory.empty(steps) {
        assert!(
            runner
                .memory
                .slice(range.start, range.len())
                .iter()
                .all(|v| v.is_nan())
        );
    }
    // A word in which nothing is before, with and after some step, and something later.
    let is_in = |ranges: Vec<std::ops::Range<usize>>, word| {
        ranges.iter().any(|range| range.contains(&word))
    };
    let (step, word) = (1..steps)
        .find_map(|step| {
            let words = memory.empty(step).into_iter().map(|range| range.start);
            let mut words = words.filter(|&word| {
                !is_in(memory.beginning(step), word)
                    && !is_in(memory.ending(step), word)
                    && (step + 1..steps).any(|later| is_in(memory.beginning(later), word))
            });
            Some((step, words.next()?))
        })
        .unwrap();
    let inner = runner.plan.steps.remove(step);
    runner.plan.steps.insert(step, Box::new(Spill(inner, word)));
    let run = std::panic::AssertUnwindSafe(|| {
        runner.run(0..steps, &weights, None, (0, 0));
    });
    assert!(std::panic::catch_unwind(run).is_err());
}
