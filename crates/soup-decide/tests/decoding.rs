//! Count decoding against brute force (`fixtures/make_decoding.py`), and what it gains.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use serde::Deserialize;
use soup_decide::decoding::{CountDecoder, CountPrior};
use soup_random::{Purpose, Stream};

#[derive(Deserialize)]
struct Case {
    name: String,
    labels: usize,
    #[serde(rename = "pseudo_pictures")]
    pseudo_images: f64,
    targets: Vec<f32>,
    probabilities: Vec<f32>,
    marginals: Vec<f64>,
    best: Vec<Option<Vec<u8>>>,
}

#[test]
fn marginals_and_sets_are_those_of_all_subsets() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/decoding.json")).unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let prior = CountPrior::learn(&case.targets, case.labels, case.pseudo_images).unwrap();
        // As data and back.
        let text = serde_json::to_string(&prior).unwrap();
        assert_eq!(serde_json::from_str::<CountPrior>(&text).unwrap(), prior);
        let mut decoder = CountDecoder::new(&prior, case.labels).unwrap();
        let mut marginals = vec![0.0; case.labels];
        let rows = case.probabilities.chunks(case.labels).enumerate();
        for (row, probabilities) in rows {
            decoder.marginals(probabilities, &mut marginals);
            let expected = &case.marginals[row * case.labels..];
            for (ours, numpy) in marginals.iter().zip(expected) {
                assert!(
                    (f64::from(*ours) - numpy).abs() < 1e-6,
                    "{}, row {row}: {ours} and {numpy}",
                    case.name
                );
            }
            let set: Vec<u8> = (decoder.most_probable_set(probabilities).into_iter())
                .map(u8::from)
                .collect();
            if let Some(best) = &case.best[row] {
                assert_eq!(&set, best, "{}, row {row}", case.name);
            }
        }
    }
}

/// The same posterior by adding logarithms, label after label, forwards and backwards: slow, and nothing
/// in it can underflow. `log_weights` is one value a count.
fn marginals_in_logarithms(log_weights: &[f64], probabilities: &[f32]) -> Vec<f64> {
    let log_add = |a: f64, b: f64| match a.max(b) {
        f64::NEG_INFINITY => f64::NEG_INFINITY,
        high => high + (a.min(b) - high).exp().ln_1p(),
    };
    let terms: Vec<(f64, f64)> = (probabilities.iter())
        .map(|p| f64::from(*p).clamp(1e-7, 1.0 - 1e-7))
        .map(|p| (p.ln(), (-p).ln_1p()))
        .collect();
    let (labels, width) = (terms.len(), log_weights.len());
    let mut before = vec![vec![f64::NEG_INFINITY; width]];
    before[0][0] = 0.0;
    for (yes, no) in &terms {
        let last = &before[before.len() - 1];
        let one_more = (0..width).map(|count| match count {
            0 => last[0] + no,
            _ => log_add(last[count] + no, last[count - 1] + yes),
        });
        before.push(one_more.collect());
    }
    let mut after = log_weights.to_vec();
    let mut marginals = vec![0.0; labels];
    for label in (0..labels).rev() {
        let (yes, no) = terms[label];
        let with = |count: usize| {
            after
                .get(count + 1)
                .map_or(f64::NEG_INFINITY, |one| one + yes)
        };
        let (mut present, mut absent) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        for (count, before) in before[label].iter().enumerate() {
            present = log_add(present, before + with(count));
            absent = log_add(absent, before + no + after[count]);
        }
        marginals[label] = 1.0 / (1.0 + (absent - present).exp());
        after = (0..width)
            .map(|count| log_add(after[count] + no, with(count)))
            .collect();
    }
    marginals
}

/// Few and many labels, sure and unsure ones, rules that allow a count or two and rules that only lean:
/// to the last digit of a float.
#[test]
fn large_tables_are_decoded_as_by_adding_logarithms() {
    let mut draws = Stream::new(8, Purpose::Bootstrap, 0, 0);
    let mut largest: f64 = 0.0;
    for (labels, pseudo_images) in [
        (1, 1.0),
        (2, 0.0),
        (40, 1.0),
        (40, 0.0),
        (300, 1.0),
        (300, 0.0),
    ] {
        let share = [0.02, 0.3, 0.97][labels % 3];
        let targets: Vec<f32> = (0..labels * 60)
            .map(|_| f32::from(u8::from(draws.chance(share))))
            .collect();
        let prior = CountPrior::learn(&targets, labels, pseudo_images).unwrap();
        // As the prior's page says: the share of images with a count over that of independent labels.
        let shares: Vec<f32> = (0..labels)
            .map(|label| targets.iter().skip(label).step_by(labels).sum::<f32>())
            .map(|with| (with + 0.5) / 61.0)
            .collect();
        let independent = independent_counts(&shares);
        let images = 60.0 + pseudo_images;
        let log_weights: Vec<f64> = (prior.with_count().iter().zip(&independent))
            .map(|(seen, log)| {
                let seen = (*seen as f64).ln() - log;
                let most = seen.max(pseudo_images.ln());
                if most == f64::NEG_INFINITY {
                    return most;
                }
                let sum = (seen - most).exp() + (pseudo_images.ln() - most).exp();
                most + sum.ln() - f64::ln(images)
            })
            .collect();
        let mut decoder = CountDecoder::new(&prior, labels).unwrap();
        for sharpness in [0.0, 1.0, 4.0, 30.0] {
            let probabilities: Vec<f32> = (0..labels)
                .map(|_| 1.0 / (1.0 + (-sharpness * (draws.normal() - 0.5)).exp()))
                .collect();
            let mut marginals = vec![0.0; labels];
            decoder.marginals(&probabilities, &mut marginals);
            let expected = marginals_in_logarithms(&log_weights, &probabilities);
            for (ours, slow) in marginals.iter().zip(&expected) {
                let off = (f64::from(*ours) - slow).abs() / slow.max(1e-30);
                assert!(
                    off < 2e-6,
                    "{labels} labels, {sharpness}: {ours} and {slow}"
                );
                largest = largest.max(off);
            }
        }
    }
    println!("largest relative difference {largest:e}");
}

/// `ln` of the chance of each count, for independent labels.
fn independent_counts(shares: &[f32]) -> Vec<f64> {
    let mut counts = vec![0.0];
    for share in shares {
        let share = f64::from(*share);
        let mut next = vec![f64::NEG_INFINITY; counts.len() + 1];
        for (count, log) in counts.iter().enumerate() {
            for (count, log) in [
                (count, log + (1.0 - share).ln()),
                (count + 1, log + share.ln()),
            ] {
                let most = next[count].max(log);
                next[count] = most + ((next[count] - most).exp() + (log - most).exp()).ln();
            }
        }
        counts = next;
    }
    counts
}

/// Labels at their own frequencies, independent: the prior has nothing to say.
#[test]
fn independent_labels_are_left_alone() {
    let mut draws = Stream::new(5, Purpose::Bootstrap, 0, 0);
    let labels = 8;
    let frequency = |label: usize| 0.1 + 0.1 * label as f32;
    let targets: Vec<f32> = (0..labels * 20_000)
        .map(|cell| f32::from(u8::from(draws.chance(frequency(cell % labels)))))
        .collect();
    let prior = CountPrior::learn(&targets, labels, 1.0).unwrap();
    let mut decoder = CountDecoder::new(&prior, labels).unwrap();
    let mut marginals = vec![0.0; labels];
    for _ in 0..50 {
        let probabilities: Vec<f32> = (0..labels).map(|_| draws.uniform()).collect();
        decoder.marginals(&probabilities, &mut marginals);
        for (marginal, probability) in marginals.iter().zip(&probabilities) {
            assert!((marginal - probability).abs() < 0.05);
        }
    }
}

/// A thousand labels, all answered no, of which 60 must be there: far below what a float holds.
#[test]
fn nothing_underflows() {
    let labels = 1000;
    let mut targets = vec![0.0; labels * 3];
    for (image, row) in targets.chunks_mut(labels).enumerate() {
        row[image..image + 60].fill(1.0);
    }
    let prior = CountPrior::learn(&targets, labels, 0.0).unwrap();
    assert_eq!(prior.range(), (60, 60));
    let mut decoder = CountDecoder::new(&prior, labels).unwrap();
    let mut marginals = vec![0.0; labels];
    for probability in [0.0, 1.0, 1e-30, 0.5] {
        decoder.marginals(&vec![probability; labels], &mut marginals);
        for marginal in &marginals {
            assert!((marginal - 0.06).abs() < 1e-4, "{probability}: {marginal}");
        }
        let set = decoder.most_probable_set(&vec![probability; labels]);
        let first: Vec<bool> = (0..labels).map(|label| label < 60).collect();
        assert_eq!(set, first);
    }
}

#[test]
fn a_prior_that_does_not_fit_is_refused() {
    let prior = CountPrior::learn(&[1.0, 0.0], 2, 1.0).unwrap();
    assert!(CountDecoder::new(&prior, 3).is_err());
    assert!(CountPrior::learn(&[], 2, 1.0).is_err());
    assert!(CountPrior::learn(&[], 0, 1.0).is_err());
    assert!(CountPrior::learn(&[1.0], 1, f64::NAN).is_err());
    let text = r#"{"with_count":[0,1],"with_label":[2],"pseudo_pictures":1.0}"#;
    let broken: CountPrior = serde_json::from_str(text).unwrap();
    assert!(CountDecoder::new(&broken, 1).is_err());
}

/// Images of 10 to 14 of 26 letters, and a classifier of each letter alone whose probabilities are
/// calibrated by construction: evidence of a normal distribution around +-`strength` on top of the
/// letters' frequency.
struct Simulation {
    targets: Vec<f32>,
    probabilities: Vec<f32>,
}

const LETTERS: usize = 26;

fn simulate(images: usize, strength: f32) -> Simulation {
    let base = (12.0f32 / 14.0).ln();
    let (mut targets, mut probabilities) = (Vec::new(), Vec::new());
    for image in 0..images {
        let mut draws = Stream::new(11, Purpose::Compose, 0, image as u64);
        let mut order: Vec<usize> = (0..LETTERS).collect();
        draws.shuffle(&mut order);
        let count = 10 + draws.below(5) as usize;
        let mut row = [0.0; LETTERS];
        for letter in &order[..count] {
            row[*letter] = 1.0;
        }
        for target in row {
            let mean = if target == 1.0 { strength } else { -strength };
            // The log likelihood ratio of N(mean, 1) is twice the strength times the value.
            let evidence = 2.0 * strength * (mean + draws.normal());
            probabilities.push(1.0 / (1.0 + (-base - evidence).exp()));
        }
        targets.extend(row);
    }
    Simulation {
        targets,
        probabilities,
    }
}

/// The issue's own figures come from such a simulation; printed for the record.
#[test]
fn counts_gain_cells_and_whole_images() {
    for (strength, least_gain) in [(1.2, 0.001), (1.4, 0.001), (1.6, 0.0005), (2.0, 0.0002)] {
        let known = simulate(5_000, strength);
        let prior = CountPrior::learn(&known.targets, LETTERS, CountPrior::PSEUDO_IMAGES).unwrap();
        assert_eq!(prior.range(), (10, 14));
        let mut decoder = CountDecoder::new(&prior, LETTERS).unwrap();
        let mut marginals = [0.0; LETTERS];
        let images = 20_000;
        let held_out = simulate(5_000 + images, strength);
        // Right cells and right images: plain, by marginals, by sets.
        let (mut cells, mut exact) = ([0; 3], [0; 3]);
        let rows = (held_out.probabilities.chunks(LETTERS)).zip(held_out.targets.chunks(LETTERS));
        for (row, truth) in rows.skip(5_000) {
            decoder.marginals(row, &mut marginals);
            let plain: Vec<bool> = row.iter().map(|p| *p > 0.5).collect();
            let cell: Vec<bool> = marginals.iter().map(|p| *p > 0.5).collect();
            let answers = [plain, cell, decoder.most_probable_set(row)];
            for (way, answers) in answers.iter().enumerate() {
                let right = (answers.iter().zip(truth))
                    .filter(|(answer, truth)| **answer == (**truth == 1.0))
                    .count();
                cells[way] += right;
                exact[way] += usize::from(right == LETTERS);
            }
        }
        let accuracy = cells.map(|right| right as f64 / (images * LETTERS) as f64);
        let exact = exact.map(|right| right as f64 / images as f64);
        println!(
            "strength {strength}: accuracy {:.4} -> {:.4} by marginals, exact match {:.4} -> {:.4} \
             by sets ({:+.0} %)",
            accuracy[0],
            accuracy[1],
            exact[0],
            exact[2],
            100.0 * (exact[2] / exact[0] - 1.0)
        );
        assert!(accuracy[1] > accuracy[0] + least_gain);
        assert!(exact[2] > exact[0] * 1.05);
        assert!(accuracy[1] >= accuracy[2], "marginals are best for cells");
        assert!(exact[2] >= exact[1], "sets are best for images");
    }
}
