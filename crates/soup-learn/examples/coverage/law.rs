//! Tables drawn from a known law, and how often intervals hold what is true under it.

use std::collections::BTreeMap;

use soup_learn::metrics::{Evaluation, Table};
use soup_random::{Purpose, Stream};

/// How tables come about.
#[derive(Clone, Copy, Debug)]
pub struct Law {
    /// Share of the pictures that have a label.
    pub base: f32,
    /// Number of labels, all alike.
    pub labels: usize,
    /// What says yes; see [`Judge`].
    pub judge: Judge,
    /// Share of the judge's noise that all labels of a picture have in common.
    pub common: f32,
}

/// What gives probabilities.
#[derive(Clone, Copy, Debug)]
pub enum Judge {
    /// A score around .62 with the label and .28 without, .12 wide: rare labels get many a wrong yes.
    Scores,
    /// A calibrated probability by evidence that is so strong: rare labels hardly get a yes.
    Calibrated(f32),
}

/// A table and its labels' names.
pub struct Drawn {
    names: Vec<String>,
    probabilities: Vec<f32>,
    targets: Vec<f32>,
}

impl Drawn {
    /// The table; above .5 is a yes.
    pub fn table(&self) -> Table<'_> {
        let table = Table::new(&self.probabilities, &self.targets, &self.names, &[0.5]);
        table.unwrap_or_else(|error| panic!("a drawn table is a table: {error}"))
    }
}

impl Law {
    /// A table of so many pictures; `number` names it.
    pub fn draw(&self, pictures: usize, number: u64) -> Drawn {
        let mut draws = Stream::new(number, Purpose::Bootstrap, 7, pictures as u64);
        let cells = pictures * self.labels;
        let (mut probabilities, mut targets) =
            (Vec::with_capacity(cells), Vec::with_capacity(cells));
        for _ in 0..pictures {
            let shared = draws.normal() * self.common.sqrt();
            for _ in 0..self.labels {
                let present = draws.chance(self.base);
                let noise = shared + draws.normal() * (1.0 - self.common).sqrt();
                let side = if present { 1.0 } else { -1.0 };
                probabilities.push(match self.judge {
                    Judge::Scores => (0.45 + 0.17 * side + 0.12 * noise).clamp(0.001, 0.999),
                    Judge::Calibrated(strength) => {
                        let evidence = 2.0 * strength * (side * strength + noise);
                        let logit = (self.base / (1.0 - self.base)).ln() + evidence;
                        1.0 / (1.0 + (-logit).exp())
                    }
                });
                targets.push(f32::from(u8::from(present)));
            }
        }
        Drawn {
            names: (0..self.labels)
                .map(|label| format!("label {label}"))
                .collect(),
            probabilities,
            targets,
        }
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

/// How often each score's interval holds the score of `truth`, over the tables `numbers`.
///
/// # Panics
/// Where an interval does not hold its own score.
pub fn coverage(
    law: &Law,
    truth: &Evaluation,
    pictures: usize,
    numbers: std::ops::Range<u64>,
) -> BTreeMap<String, Coverage> {
    let value = |evaluation: &Evaluation| serde_json::to_value(evaluation).unwrap_or_default();
    let truth = value(truth);
    let mut all: BTreeMap<String, Coverage> = BTreeMap::new();
    for number in numbers {
        let drawn = law.draw(pictures, number);
        let table = drawn.table();
        let scores = value(&table.evaluate());
        let intervals = serde_json::to_value(table.intervals()).unwrap_or_default();
        for (name, interval) in intervals.as_object().into_iter().flatten() {
            let ends = [
                &interval["low"],
                &scores[name],
                &truth[name],
                &interval["high"],
            ];
            let [low, score, truth, high] = ends.map(|end| end.as_f64().unwrap_or(f64::NAN));
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
