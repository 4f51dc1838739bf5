//! Compares the engine with the interpreter on one network.

use soup_cpu::{Inference, Isa, Options, Training};
use soup_engine::{
    Precision,
    reference::{self, Mode},
};
use soup_graph::{Graph, NodeId, Role, Weights};
use soup_random::{Purpose, Stream};

use crate::rounding::{Engine, bf16, bounds};

/// Fresh weights with batch norms that are not neutral.
pub fn weights(graph: &Graph, seed: u64) -> Weights {
    let mut weights = Weights::initial(graph, seed);
    for (index, parameter) in graph.parameters().iter().enumerate() {
        let mut stream = Stream::new(seed, Purpose::Init, 1, index as u64);
        for value in weights.of_mut(parameter) {
            *value = match parameter.role() {
                Role::NormWeight | Role::RunningVariance => stream.range(0.5, 1.5),
                Role::NormBias | Role::RunningMean | Role::Bias => stream.range(-0.5, 0.5),
                Role::Weight => *value,
            };
        }
    }
    weights
}

pub fn images(graph: &Graph, batch: usize, seed: u64) -> Vec<f32> {
    let mut stream = Stream::new(seed, Purpose::Noise, 0, 0);
    (0..batch * graph.input().len())
        .map(|_| stream.normal())
        .collect()
}

/// Largest difference relative to the largest expected value.
pub fn difference(got: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let largest = expected
        .iter()
        .fold(1e-3f64, |top, value| top.max(value.abs()));
    // Not `f64::max`, which ignores NaN.
    let larger = |a: f64, b: f64| if a.is_nan() || b <= a { a } else { b };
    let apart = got
        .iter()
        .zip(expected)
        .map(|(a, b)| (f64::from(*a) - b).abs());
    apart.fold(0.0, larger) / largest
}

/// Length of the difference relative to that of what is expected.
pub fn distance(got: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let apart = got.iter().zip(expected);
    let apart: f64 = apart.map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
    let whole: f64 = expected.iter().map(|value| value.powi(2)).sum();
    (apart / whole.max(1e-12)).sqrt()
}

pub fn check(name: &str, graph: &Graph, batch: usize) {
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        for precision in Precision::ALL {
            let alone = check_on(name, graph, batch, (isa, precision), 1);
            let together = check_on(name, graph, batch, (isa, precision), 3);
            assert!(
                alone == together,
                "{name}, {isa:?}, {precision:?}: the number of threads changes bits"
            );
        }
    }
}

/// Checks everything and gives the bits of all gradients. In bfloat16 the reference rounds where the engine does.
pub fn check_on(
    name: &str,
    graph: &Graph,
    batch: usize,
    (isa, precision): (Isa, Precision),
    threads: usize,
) -> Vec<u32> {
    let single = precision == Precision::F32;
    let (seed, step) = (11, 3);
    let mut weights = weights(graph, seed);
    let images = images(graph, batch, seed);
    let options = Options {
        threads,
        isa: Some(isa),
        precision,
        poison: true,
        ..Options::default()
    };
    let context = format!("{name}, {isa:?}, {precision:?}, {threads} threads");
    let rounding = |training| Engine::new(graph, isa, training, &context);
    let pass = |mode, rounding: &Engine| match precision {
        Precision::F32 => reference::forward(graph, &weights, &images, batch, mode),
        Precision::Bf16 => {
            reference::forward_rounded(graph, &weights, &images, batch, mode, rounding)
        }
    };
    // An output that is a map is rounded, too, where it is stored for the caller.
    let rounded = |id: NodeId, values: &[f64]| -> Vec<f64> {
        let round = !single && rounding(None).is_map(id);
        let values = values.iter();
        values.map(|&x| if round { bf16(x) } else { x }).collect()
    };

    // Inference.
    let expected = pass(Mode::Eval, &rounding(None)).unwrap();
    let mut inference = Inference::new(graph, batch, &options).unwrap();
    inference.input_mut().copy_from_slice(&images);
    inference.load(weights.clone());
    inference.run();
    for (index, &id) in graph.outputs().iter().enumerate() {
        let expected = rounded(id, &expected.values[id.0]);
        let (d, most) = match precision {
            Precision::F32 => (difference(inference.output(index), &expected), 2e-5),
            Precision::Bf16 => (
                distance(inference.output(index), &expected),
                bounds(isa).outputs[1],
            ),
        };
        assert!(
            d < most,
            "{context}: inference output {index} differs by {d}"
        );
    }

    // Training.
    let mut training = Training::new(graph, batch, &options).unwrap();
    training.input_mut().copy_from_slice(&images);
    training.forward(&weights, seed, step);
    let engine = rounding(Some(&training));
    let expected = pass(Mode::Train { seed, step }, &engine).unwrap();
    let mut stream = Stream::new(seed, Purpose::Noise, 1, 0);
    let mut output_gradients = Vec::new();
    for (index, &id) in graph.outputs().iter().enumerate() {
        let expected = rounded(id, &expected.values[id.0]);
        let (d, most) = match precision {
            Precision::F32 => (difference(training.output(index), &expected), 5e-5),
            Precision::Bf16 => (
                distance(training.output(index), &expected),
                bounds(isa).outputs[0],
            ),
        };
        assert!(
            d < most,
            "{context}: training output {index} differs by {d}"
        );
        output_gradients.push(
            (0..training.output(index).len())
                .map(|_| stream.normal())
                .collect::<Vec<f32>>(),
        );
    }
    let exact: Vec<Vec<f64>> = (output_gradients.iter().zip(graph.outputs()))
        .map(|(g, &id)| {
            let g: Vec<f64> = g.iter().map(|&x| f64::from(x)).collect();
            rounded(id, &g)
        })
        .collect();
    let expected_gradients = match precision {
        Precision::F32 => reference::backward(graph, &weights, &expected, &exact),
        Precision::Bf16 => reference::backward_rounded(graph, &weights, &expected, &exact, &engine),
    };
    let expected_gradients = expected_gradients.unwrap();
    let bound = if single {
        5e-4
    } else {
        engine.gradient_bound()
    };
    let given: Vec<&[f32]> = output_gradients.iter().map(Vec::as_slice).collect();
    let mut gradients = vec![0.0; graph.trainable_len()];
    training.backward(&weights, &given, &mut gradients);
    for parameter in graph
        .parameters()
        .iter()
        .filter(|p| p.role().is_trainable())
    {
        let (got, expected) = (
            &gradients[parameter.range()],
            &expected_gradients.trainable[parameter.range()],
        );
        let d = match precision {
            Precision::F32 => difference(got, expected),
            Precision::Bf16 => distance(got, expected),
        };
        assert!(
            d < bound,
            "{context}: gradient of {} differs by {d}",
            parameter.name()
        );
    }
    // Gradients are added to what is there.
    let once = gradients.clone();
    training.forward(&weights, seed, step);
    training.backward(&weights, &given, &mut gradients);
    for (twice, once) in gradients.iter().zip(&once) {
        assert!(
            (twice - 2.0 * once).abs() <= 1e-4 * once.abs().max(1e-2),
            "{twice} {once}"
        );
    }
    training.update_statistics(&mut weights);
    let buffers: Vec<f64> = expected.buffers.iter().map(|&x| f64::from(x)).collect();
    let d = difference(weights.buffers(), &buffers);
    let most = match (precision, isa) {
        (Precision::F32, _) | (_, Isa::Portable | Isa::Avx2) => 1e-5,
        _ => 1e-2,
    };
    assert!(d < most, "{context}: running statistics differ by {d}");
    once.iter().map(|value| value.to_bits()).collect()
}
