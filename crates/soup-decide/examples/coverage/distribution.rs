//! Tables sampled from a known distribution, and how often intervals cover its true scores.
//!
//! What is true is known from integrals over the distribution's normal noise, not from a large drawn table, whose own error
//! would count as the intervals'.

use std::collections::BTreeMap;

use soup_decide::metrics::{Difference, Evaluation, RowMetric, ScoredPredictions};
use soup_random::{Purpose, Stream};

/// How tables come about.
#[derive(Clone, Copy, Debug)]
pub struct Distribution {
    /// Share of the images that have the first label.
    pub base: f32,
    /// Share that have the last one; those between lie evenly by their logarithm.
    pub last: f32,
    /// Number of labels.
    pub labels: usize,
    /// What gives probabilities.
    pub classifier: Classifier,
    /// Share of the classifier's noise that all labels of an image have in common.
    pub common: f32,
}

/// What gives probabilities.
#[derive(Clone, Copy, Debug)]
pub enum Classifier {
    /// A score around .62 with the label and .28 without, .12 wide: rare labels get many false positives.
    Scores,
    /// A calibrated probability by evidence that is so strong: rare labels hardly get a positive prediction.
    Calibrated(f32),
}

/// A table and its labels' names.
pub struct Drawn {
    names: Vec<String>,
    probabilities: Vec<f32>,
    targets: Vec<f32>,
}

impl Drawn {
    /// The table; above .5 is a predicted positive.
    pub fn table(&self) -> ScoredPredictions<'_> {
        let table = ScoredPredictions::new(&self.probabilities, &self.targets, &self.names, &[0.5]);
        table.unwrap_or_else(|error| panic!("a drawn table is a table: {error}"))
    }
}

impl Classifier {
    fn probability(self, base: f32, present: bool, noise: f32) -> f32 {
        let side = if present { 1.0 } else { -1.0 };
        match self {
            Classifier::Scores => (0.45 + 0.17 * side + 0.12 * noise).clamp(0.001, 0.999),
            Classifier::Calibrated(strength) => {
                let evidence = 2.0 * strength * (side * strength + noise);
                let logit = (base / (1.0 - base)).ln() + evidence;
                1.0 / (1.0 + (-logit).exp())
            }
        }
    }
}

/// Steps of an integral over normal noise, and how far out it goes.
const STEPS: usize = 2000;
const FAR: f64 = 8.0;

/// Noise and its share, at the middle of each step.
fn noise() -> impl Iterator<Item = (f64, f64)> {
    let width = 2.0 * FAR / STEPS as f64;
    (0..STEPS).map(move |step| {
        let at = -FAR + width * (step as f64 + 0.5);
        (
            at,
            width * (-at * at / 2.0).exp() / std::f64::consts::TAU.sqrt(),
        )
    })
}

/// Share of a normal distribution that lies above.
fn above(edge: f64) -> f64 {
    // Erfc by its fraction far out and its series near 0 (Abramowitz and Stegun 26.2.11 and 26.2.14).
    let size = edge.abs();
    let density = (-size * size / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let tail = if size > 3.0 {
        density
            / (1..=60)
                .rev()
                .fold(size, |rest, k| size + f64::from(k) / rest)
    } else {
        let (mut term, mut sum) = (size, size);
        for k in 1..80 {
            term *= size * size / f64::from(2 * k + 1);
            sum += term;
        }
        0.5 - density * sum
    };
    if edge < 0.0 { 1.0 - tail } else { tail }
}

impl Distribution {
    fn bases(&self) -> Vec<f32> {
        let steps = (self.labels - 1).max(1) as f32;
        (0..self.labels)
            .map(|label| self.base * (self.last / self.base).powf(label as f32 / steps))
            .collect()
    }

    /// Every score of endlessly many images, by its name.
    pub fn truth(&self) -> BTreeMap<String, f64> {
        // Noise above the edge makes a yes: by halving.
        let edge = |base: f32, present: bool| {
            let (mut low, mut high) = (-40.0f32, 40.0f32);
            for _ in 0..60 {
                let middle = f32::midpoint(low, high);
                let is_yes = self.classifier.probability(base, present, middle) > 0.5;
                (low, high) = if is_yes {
                    (low, middle)
                } else {
                    (middle, high)
                };
            }
            f64::from(high)
        };
        let bases = self.bases();
        let edges: Vec<(f64, f64, f64)> = (bases.iter())
            .map(|base| (f64::from(*base), edge(*base, true), edge(*base, false)))
            .collect();
        let common = f64::from(self.common);
        let exact: f64 = noise()
            .map(|(shared, share)| {
                let own =
                    |edge: f64| above((edge - shared * common.sqrt()) / (1.0 - common).sqrt());
                let right = |(base, yes, no): &(f64, f64, f64)| {
                    base * own(*yes) + (1.0 - base) * (1.0 - own(*no))
                };
                share * edges.iter().map(right).product::<f64>()
            })
            .sum();
        let mean =
            |of: &dyn Fn(usize) -> f64| (0..self.labels).map(of).sum::<f64>() / self.labels as f64;
        let right = |at: usize| edges[at].0 * above(edges[at].1);
        let yes = |at: usize| right(at) + (1.0 - edges[at].0) * above(edges[at].2);
        let present = |at: usize| edges[at].0;
        let f1 = |right: f64, yes: f64, present: f64| 2.0 * right / (yes + present);
        let loss = |at: usize| {
            noise()
                .map(|(noise, share)| {
                    let of = |present| {
                        f64::from(
                            self.classifier
                                .probability(bases[at], present, noise as f32),
                        )
                    };
                    let base = edges[at].0;
                    let log = |right: f64| right.max(f64::EPSILON).ln();
                    -share * (base * log(of(true)) + (1.0 - base) * log(1.0 - of(false)))
                })
                .sum()
        };
        // A negative ranks as high as a positive by noise that is higher by the distance of the two edges.
        let average_precision = |at: usize| {
            let (base, yes, no) = edges[at];
            noise()
                .map(|(noise, share)| {
                    let (found, wrong) =
                        (base * above(noise), (1.0 - base) * above(noise + no - yes));
                    share * found / (found + wrong)
                })
                .sum()
        };
        let precision = mean(&|at| right(at) / yes(at));
        let recall = mean(&|at| right(at) / present(at));
        let (all_right, all_yes, all_present) = (mean(&right), mean(&yes), mean(&present));
        [
            ("accuracy", 1.0 - all_yes - all_present + 2.0 * all_right),
            ("exact_match", exact),
            ("mAP", mean(&average_precision)),
            ("CP", precision),
            ("CR", recall),
            ("CF1", mean(&|at| f1(right(at), yes(at), present(at)))),
            (
                "CF1_harmonic",
                2.0 * precision * recall / (precision + recall),
            ),
            ("OP", all_right / all_yes),
            ("OR", all_right / all_present),
            ("OF1", f1(all_right, all_yes, all_present)),
            ("loss", mean(&loss)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// A table of so many images; `number` names it.
    pub fn draw(&self, images: usize, number: u64) -> Drawn {
        self.pair(images, number, 1.0).0
    }

    /// Two equally good classifiers of the same images; `alike` is the share of their noise that they have in common.
    pub fn pair(&self, images: usize, number: u64, alike: f32) -> (Drawn, Drawn) {
        let mut draws = Stream::new(number, Purpose::Bootstrap, 7, images as u64);
        let cells = images * self.labels;
        let bases = self.bases();
        let (mut probabilities, mut others, mut targets) = (
            Vec::with_capacity(cells),
            Vec::new(),
            Vec::with_capacity(cells),
        );
        for _ in 0..images {
            let shared = draws.normal() * self.common.sqrt();
            for base in &bases {
                let present = draws.chance(*base);
                let noise = shared + draws.normal() * (1.0 - self.common).sqrt();
                let one = |noise: f32| self.classifier.probability(*base, present, noise);
                if alike < 1.0 {
                    let own = [(); 2].map(|()| draws.normal() * (1.0 - alike).sqrt());
                    let [ours, theirs] = own.map(|own| noise * alike.sqrt() + own);
                    probabilities.push(one(ours));
                    others.push(one(theirs));
                } else {
                    probabilities.push(one(noise));
                }
                targets.push(f32::from(u8::from(present)));
            }
        }
        let drawn = |probabilities| Drawn {
            names: (0..self.labels)
                .map(|label| format!("label {label}"))
                .collect(),
            probabilities,
            targets: targets.clone(),
        };
        (drawn(probabilities), drawn(others))
    }
}

/// What became of one score's intervals over many tables.
#[derive(Clone, Copy, Debug, Default)]
pub struct Coverage {
    /// Tables whose score had an interval.
    pub printed: usize,
    /// Those whose interval held the truth.
    pub held: usize,
    /// Those whose interval lay above the truth.
    pub above: usize,
}

impl Coverage {
    /// Share of the intervals that held the truth.
    pub fn share(&self) -> f64 {
        self.held as f64 / self.printed as f64
    }
}

/// Shares of the tables `numbers` in which one of two equal classifiers was called better than the other, by metric: by
/// accuracy, exact match, loss.
pub fn found_different(
    distribution: &Distribution,
    images: usize,
    alike: f32,
    numbers: std::ops::Range<u64>,
) -> [f64; 3] {
    let sets = (numbers.end - numbers.start) as f64;
    let mut apart = [0.0; 3];
    for number in numbers {
        let (ours, theirs) = distribution.pair(images, number, alike);
        let (ours, theirs) = (ours.table(), theirs.table());
        for (apart, metric) in
            (apart.iter_mut()).zip([RowMetric::Accuracy, RowMetric::ExactMatch, RowMetric::Loss])
        {
            let (ours, theirs) = (ours.row_values(metric), theirs.row_values(metric));
            let either = Difference::of(&ours, &theirs).is_gain()
                || Difference::of(&theirs, &ours).is_gain();
            *apart += f64::from(u8::from(either)) / sets;
        }
    }
    apart
}

/// How often each score's interval holds the score of [`Distribution::truth`], over the tables `numbers`.
///
/// # Panics
/// Where an interval does not hold its own score.
pub fn coverage(
    distribution: &Distribution,
    truth: &BTreeMap<String, f64>,
    images: usize,
    numbers: std::ops::Range<u64>,
) -> BTreeMap<String, Coverage> {
    let value = |evaluation: &Evaluation| serde_json::to_value(evaluation).unwrap_or_default();
    let mut all: BTreeMap<String, Coverage> = BTreeMap::new();
    for number in numbers {
        let drawn = distribution.draw(images, number);
        let table = drawn.table();
        let scores = value(&table.evaluate());
        let intervals = serde_json::to_value(table.intervals()).unwrap_or_default();
        for (name, interval) in intervals.as_object().into_iter().flatten() {
            let ends = [&interval["low"], &scores[name], &interval["high"]];
            let [low, score, high] = ends.map(|end| end.as_f64().unwrap_or(f64::NAN));
            let truth = truth[name];
            assert!(
                low <= score && score <= high,
                "{name}: {score} outside {low} to {high}"
            );
            let of = all.entry(name.clone()).or_default();
            of.printed += 1;
            of.held += usize::from(low <= truth && truth <= high);
            of.above += usize::from(low > truth);
        }
    }
    all
}
