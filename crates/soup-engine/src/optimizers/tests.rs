#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]
#![expect(clippy::single_range_in_vec_init, reason = "one range that decays")]

use soup_graph::{Builder, Convolution, Graph, ImageShape, Symmetry, TiedParameter, Weights};
use soup_random::{Purpose, Stream};

use super::clip::{clip_gradient_norm, gradient_norm};
use super::*;

#[derive(Deserialize)]
struct Fixture {
    decay_end: usize,
    start: Vec<f32>,
    a: Vec<f32>,
    b: Vec<f32>,
    cases: Vec<Case>,
    clips: Vec<Clip>,
}

#[derive(Deserialize)]
struct Case {
    config: Optimizer,
    seen: Vec<(u64, Vec<f32>)>,
}

#[derive(Deserialize)]
struct Clip {
    maximum: f64,
    before: Vec<f32>,
    norm: f64,
    after: Vec<f32>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../tests/fixtures/optimizers.json")).unwrap()
}

#[test]
fn fifty_steps_agree_with_pytorch() {
    let fixture = fixture();
    let len = fixture.start.len();
    let mut worst = 0.0f64;
    for case in &fixture.cases {
        let mut parameters = fixture.start.clone();
        let mut state = OptimizerState::new(&case.config, len, &[0..fixture.decay_end]).unwrap();
        let mut compared = 0;
        for step in 0..50 {
            let gradients: Vec<f32> = (0..len)
                .map(|i| fixture.a[i] * parameters[i] + fixture.b[step * 7 % len + i % 9])
                .collect();
            let rate = 0.01 / (1 + step / 10) as f32;
            state.step(rate, &mut parameters, &gradients);
            let Some((_, theirs)) = case.seen.iter().find(|(at, _)| *at == step as u64) else {
                continue;
            };
            compared += 1;
            for (index, (&ours, &theirs)) in parameters.iter().zip(theirs).enumerate() {
                // Relative to the value, or to a tenth where it passes through 0: PyTorch's own
                // f32 strays as far from its f64.
                let difference = f64::from(ours - theirs).abs() / f64::from(theirs.abs()).max(0.1);
                worst = worst.max(difference);
                assert!(
                    difference < 1e-6,
                    "{:?} step {step} value {index}: {ours} {theirs}",
                    case.config
                );
            }
        }
        assert_eq!((compared, state.steps()), (4, 50));
    }
    println!("worst relative difference after up to 50 steps: {worst:e}");
}

#[derive(Deserialize)]
struct MatrixCase {
    config: Optimizer,
    rows: usize,
    start: Vec<f32>,
    a: Vec<f32>,
    b: Vec<Vec<f32>>,
    seen: Vec<Vec<f64>>,
}

/// PyTorch's Muon with its iteration in f64 (its own bfloat16 is off by 6.5e-4 here).
#[test]
fn matrices_move_as_pytorchs_muon_moves_them() {
    let text = include_str!("../../tests/fixtures/muon.json");
    let cases: Vec<MatrixCase> = serde_json::from_str(text).unwrap();
    assert_eq!(cases.len(), 4);
    let mut worst = 0.0f64;
    for case in &cases {
        // A value that moves by itself on either side of the matrix.
        let len = case.start.len();
        let matrix = Matrix {
            range: 1..1 + len,
            rows: case.rows,
            turns: 1,
        };
        let mut state = OptimizerState::new(&case.config, len + 2, &[0..len + 1])
            .unwrap()
            .with_matrices(vec![matrix]);
        let mut parameters = [&[0.5], case.start.as_slice(), &[0.5]].concat();
        for (b, seen) in case.b.iter().zip(&case.seen) {
            let mut gradients = vec![0.0; len + 2];
            for i in 0..len {
                gradients[1 + i] = case.a[i] * parameters[1 + i] + b[i];
            }
            state.step(0.02, &mut parameters, &gradients);
            for (ours, theirs) in parameters[1..].iter().zip(seen) {
                let difference = (f64::from(*ours) - theirs).abs();
                worst = worst.max(difference);
                assert!(difference < 1e-5, "{:?}: {ours} {theirs}", case.config);
            }
        }
        // No gradient: only weight decay moves them, where it applies.
        assert!(parameters[0] < 0.5 && parameters[len + 1] == 0.5);
    }
    println!("worst difference {worst:e}");
}

#[test]
fn muon_takes_the_filters_that_mix_channels() {
    let graph = two_convolutions(1, [4, 6], false);
    let mix = Matrix {
        range: 36..252,
        rows: 6,
        turns: 1,
    };
    let muon = Optimizer::Muon(Muon::default());
    assert_eq!(muon.matrices(&graph, None), [mix]);
    assert_eq!(Optimizer::default().matrices(&graph, None), []);
}

/// The first rows of features alone give what all rows give.
#[test]
fn muon_takes_a_quarter_of_the_rows_where_they_turn() {
    let graph = two_convolutions(2, [8, 12], true);
    let symmetry = Symmetry::quarter_turns(&graph).unwrap();
    let muon = Optimizer::Muon(Muon::default());
    let turning = muon.matrices(&graph, Some(&symmetry));
    assert_eq!(turning.iter().map(|m| m.turns).collect::<Vec<_>>(), [4, 4]);
    let plain = muon.matrices(&graph, None);
    let mut gradients = draws(5, graph.trainable_len());
    symmetry
        .tied_parameters(&mut gradients)
        .for_each(TiedParameter::average);
    let moved = [turning, plain].map(|matrices| {
        let mut weights = Weights::initial(&graph, 3);
        symmetry.tie(&mut weights);
        let mut state = OptimizerState::new(&muon, graph.trainable_len(), &[])
            .unwrap()
            .with_matrices(matrices);
        for _ in 0..3 {
            state.step(0.02, weights.trainable_mut(), &gradients);
            symmetry.tie(&mut weights);
        }
        weights.trainable().to_vec()
    });
    let started = Weights::initial(&graph, 3);
    assert!(moved[0][0] != started.trainable()[0]);
    for (ours, whole) in moved[0].iter().zip(&moved[1]) {
        assert!((ours - whole).abs() < 1e-5, "{ours} {whole}");
    }
}

/// A classifier above two convolutions of so many channels, batch norm after each or not.
fn two_convolutions(inputs: usize, channels: [usize; 2], normalised: bool) -> Graph {
    let shape = ImageShape {
        channels: inputs,
        height: 8,
        width: 8,
    };
    let mut net = Builder::new(shape);
    let mut x = net.input();
    for (name, channels) in ["stem", "mix"].into_iter().zip(channels) {
        let spec = Convolution::square(channels, 3);
        x = net.convolution(name, x, spec).unwrap();
        if normalised {
            let norm = format!("{name}.norm");
            x = net.batch_norm(&norm, x, 1e-5, 0.1).unwrap();
        }
    }
    let x = net.average_pool(x).unwrap();
    let x = net.linear("classifier", x, 3, true).unwrap();
    net.finish(&[x]).unwrap()
}

fn draws(seed: u64, len: usize) -> Vec<f32> {
    let mut stream = Stream::new(seed, Purpose::Init, 0, 0);
    (0..len).map(|_| stream.normal()).collect()
}

#[test]
fn pieces_of_any_length_on_any_thread_give_the_same_bits() {
    let len = 1003;
    let decays = [700..1003, 5..17, 17..40, 300..301];
    for case in &fixture().cases {
        let fresh = OptimizerState::new(&case.config, len, &decays).unwrap();
        let run = |piece_len: usize| {
            let (mut state, mut parameters) = (fresh.clone(), draws(1, len));
            for step in 0..3 {
                let gradients = draws(2 + step, len);
                let pieces = state.pieces(0.01, &mut parameters, &gradients, piece_len);
                if piece_len.is_multiple_of(2) {
                    // Last piece first, each on its own thread.
                    std::thread::scope(|scope| {
                        for piece in pieces.into_iter().rev() {
                            scope.spawn(|| piece.run());
                        }
                    });
                } else {
                    pieces.into_iter().for_each(|piece| assert!(piece.run()));
                }
            }
            (state, parameters)
        };
        let whole = run(len);
        assert_ne!(whole.1, draws(1, len));
        for piece_len in [1, 16, 17, 250, 1001] {
            assert!(whole == run(piece_len), "{:?} {piece_len}", case.config);
        }
    }
}

#[test]
fn a_restored_state_goes_on_to_the_same_bits() {
    for case in &fixture().cases {
        let mut state = OptimizerState::new(&case.config, 50, &[3..20]).unwrap();
        let mut parameters = draws(1, 50);
        state.step(0.1, &mut parameters, &draws(2, 50));
        let mut other = OptimizerState::new(&case.config, 50, &[3..20]).unwrap();
        let saved: Vec<_> = state.tensors().into_iter().rev().collect();
        other.restore(state.steps(), &saved).unwrap();
        let mut others = parameters.clone();
        state.step(0.1, &mut parameters, &draws(3, 50));
        other.step(0.1, &mut others, &draws(3, 50));
        assert!(state == other && parameters == others);
    }
}

#[test]
fn a_saved_state_of_another_kind_or_size_is_refused() {
    let adam = OptimizerState::new(&Optimizer::default(), 4, &[]).unwrap();
    let sgd = Optimizer::Sgd(Sgd::default());
    let mut state = OptimizerState::new(&sgd, 4, &[]).unwrap();
    let error = state.restore(1, &adam.tensors()).unwrap_err();
    assert!(error.to_string().contains("`exp_avg`"), "{error}");
    assert_eq!(
        state.restore(1, &[]).unwrap_err(),
        RestoreError::Missing {
            name: "momentum_buffer"
        }
    );
    let error = state
        .restore(1, &[("momentum_buffer", &[0.0; 3])])
        .unwrap_err();
    assert!(
        error.to_string().contains("3 values, the network has 4"),
        "{error}"
    );
    assert_eq!(state.steps(), 0);
}

#[test]
fn weight_decay_follows_timms_rule_or_goes_everywhere() {
    let shape = ImageShape {
        channels: 1,
        height: 8,
        width: 8,
    };
    let mut net = Builder::new(shape);
    let x = net.input();
    let x = net
        .convolution("conv", x, Convolution::square(4, 3))
        .unwrap();
    let x = net.batch_norm("bn", x, 1e-5, 0.1).unwrap();
    let x = net.average_pool(x).unwrap();
    let x = net.linear("classifier", x, 3, true).unwrap();
    let graph = net.finish(&[x]).unwrap();
    // conv.weight 36, bn.weight 4, bn.bias 4, classifier.weight 12, classifier.bias 3.
    assert_eq!(Optimizer::default().decays(&graph), [0..36, 44..56]);
    let all = Optimizer::Adam(Adam {
        weight_decay_all: true,
        ..Adam::default()
    });
    let covered: usize = all.decays(&graph).iter().map(Range::len).sum();
    assert_eq!(covered, graph.trainable_len());
}

#[test]
fn clipping_agrees_with_pytorch() {
    for clip in &fixture().clips {
        let mut gradients = clip.before.clone();
        let norm = clip_gradient_norm(&mut gradients, clip.maximum);
        assert!((norm - clip.norm).abs() < 1e-6 * clip.norm);
        for (ours, theirs) in gradients.iter().zip(&clip.after) {
            assert!(
                (ours - theirs).abs() <= 2e-7 * theirs.abs(),
                "{ours} {theirs}"
            );
        }
    }
}

#[test]
fn a_norm_that_is_not_finite_is_told_and_changes_nothing() {
    let mut gradients = vec![3.0, f32::INFINITY, 4.0];
    assert_eq!(clip_gradient_norm(&mut gradients, 1.0), f64::INFINITY);
    assert_eq!(gradients, [3.0, f32::INFINITY, 4.0]);
    assert!(gradient_norm(&[1.0, f32::NAN]).is_nan());
    // Squares that leave f32 are still summed right.
    assert_eq!(gradient_norm(&[3e30, 4e30]) as f32, 5e30);
    assert_eq!(gradient_norm(&[]), 0.0);
}

#[test]
fn bad_parameters_are_named() {
    for (text, message) in [
        (
            r#"{"kind":"adam","betas":[0.9,1.0]}"#,
            "`optimizer.betas` is [0.9, 1.0]",
        ),
        (r#"{"kind":"adam","eps":0}"#, "`optimizer.eps` is 0"),
        (
            r#"{"kind":"adamw","weight_decay":-1}"#,
            "`optimizer.weight_decay` is -1",
        ),
        (
            r#"{"kind":"sgd","momentum":1}"#,
            "`optimizer.momentum` is 1",
        ),
        (
            r#"{"kind":"sgd","momentum":0,"nesterov":true}"#,
            "`optimizer.nesterov` is true",
        ),
        (
            r#"{"kind":"sgd","dampening":2}"#,
            "`optimizer.dampening` is 2",
        ),
    ] {
        let optimizer: Optimizer = serde_json::from_str(text).unwrap();
        let error = OptimizerState::new(&optimizer, 1, &[])
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(message), "{error}");
    }
    assert!(serde_json::from_str::<Optimizer>(r#"{"kind":"sgd","betas":[0.9,0.9]}"#).is_err());
}

/// A range with a factor moves as all would at that rate; one with 0 stays, whatever the pieces.
#[test]
fn ranges_move_at_their_own_rates() {
    let fixture = fixture();
    let len = fixture.start.len();
    let (quarter, half) = (len / 4, len / 2);
    for case in &fixture.cases {
        let run = |rate: f32, rates: Vec<RateOf>, piece_len: usize| {
            let state = OptimizerState::new(&case.config, len, &[0..fixture.decay_end]).unwrap();
            let mut state = state.with_rates(rates);
            let mut parameters = fixture.start.clone();
            for _ in 0..5 {
                let gradients = &fixture.a;
                for piece in state.pieces(rate, &mut parameters, gradients, piece_len) {
                    assert!(piece.run());
                }
            }
            parameters
        };
        let of = |range: Range<usize>, factor| RateOf { range, factor };
        let rates = vec![of(quarter..half, 0.5), of(0..quarter, 0.0)];
        let (whole, halved) = (run(0.5, vec![], len), run(0.25, vec![], len));
        for piece_len in [1, 3, len] {
            let found = run(0.5, rates.clone(), piece_len);
            assert_eq!(found[..quarter], fixture.start[..quarter]);
            assert_eq!(found[quarter..half], halved[quarter..half]);
            assert_eq!(found[half..], whole[half..]);
        }
    }
}
