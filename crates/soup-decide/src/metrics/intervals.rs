//! How far every score may lie from the truth.

use std::collections::BTreeMap;

use serde::Serialize;

use super::interval::{Influence, Interval};
use super::scored_predictions::{RowMetric, ScoredPredictions};

/// A score of fewer cases of a label (or of all labels, for scores over all cells) has no interval: they do not tell
/// how far it varies, and average precisions of few positives lie above the truth. With fewer, intervals do not hold
/// as often as they say (`records/2026-11-30-intervals`).
const FEWEST: usize = 12;
/// Labels that a reason names.
const NAMED: usize = 5;

/// The 95 % interval of every score of an [`Evaluation`](super::Evaluation), under its names.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the scores are explained at Evaluation")]
pub struct Intervals {
    pub accuracy: Interval,
    pub exact_match: Interval,
    #[serde(rename = "mAP", skip_serializing_if = "Option::is_none")]
    pub mean_average_precision: Option<Interval>,
    #[serde(rename = "CP", skip_serializing_if = "Option::is_none")]
    pub class_precision: Option<Interval>,
    #[serde(rename = "CR", skip_serializing_if = "Option::is_none")]
    pub class_recall: Option<Interval>,
    #[serde(rename = "CF1", skip_serializing_if = "Option::is_none")]
    pub class_f1: Option<Interval>,
    #[serde(rename = "CF1_harmonic", skip_serializing_if = "Option::is_none")]
    pub class_f1_harmonic: Option<Interval>,
    #[serde(rename = "OP", skip_serializing_if = "Option::is_none")]
    pub overall_precision: Option<Interval>,
    #[serde(rename = "OR", skip_serializing_if = "Option::is_none")]
    pub overall_recall: Option<Interval>,
    #[serde(rename = "OF1", skip_serializing_if = "Option::is_none")]
    pub overall_f1: Option<Interval>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Interval>,
    /// Why a score has no interval, by its name.
    #[serde(skip)]
    pub missing: BTreeMap<&'static str, String>,
}

/// Predicted and true positives of one label or of all, a number an image.
#[derive(Clone)]
struct Cells {
    /// True positives.
    true_positives: Vec<f64>,
    /// Predicted positives.
    predicted: Vec<f64>,
    /// True labels.
    targets: Vec<f64>,
}

impl Cells {
    fn none(rows: usize) -> Self {
        Self {
            true_positives: vec![0.0; rows],
            predicted: vec![0.0; rows],
            targets: vec![0.0; rows],
        }
    }

    fn precision(&self) -> Influence {
        Influence::ratio(&self.true_positives, &self.predicted)
    }

    fn recall(&self) -> Influence {
        Influence::ratio(&self.true_positives, &self.targets)
    }

    fn f1(&self) -> Influence {
        let twice: Vec<f64> = self
            .true_positives
            .iter()
            .map(|count| 2.0 * count)
            .collect();
        let both = self.predicted.iter().zip(&self.targets).map(|(a, b)| a + b);
        Influence::ratio(&twice, &both.collect::<Vec<_>>())
    }
}

/// How many cases each label has; too few of them are a reason.
struct Cases<'a> {
    names: &'a [String],
    counts: Vec<usize>,
    what: &'static str,
}

impl Cases<'_> {
    fn all(&self) -> usize {
        self.counts.iter().sum()
    }

    /// What is wrong where a label has fewer than `fewest`.
    fn each(&self, fewest: usize) -> Option<String> {
        let few: Vec<&str> = (self.names.iter().zip(&self.counts))
            .filter(|(_, count)| **count < fewest)
            .map(|(name, _)| name.as_str())
            .collect();
        if few.is_empty() {
            return None;
        }
        let names = few[..few.len().min(NAMED)].join(", ");
        let more = match few.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!(
            "{} of {} labels have fewer than {fewest} {}: {names}{more}",
            few.len(),
            self.names.len(),
            self.what
        ))
    }

    /// What is wrong where all labels together have fewer than `fewest`.
    fn together(&self, fewest: usize) -> Option<String> {
        let all = self.all();
        (all < fewest).then(|| format!("there are {all} {}, fewer than {fewest}", self.what))
    }
}

impl ScoredPredictions<'_> {
    /// The interval of every score, or why it has none; see the [module](super).
    pub fn intervals(&self) -> Intervals {
        let (rows, labels) = (self.rows(), self.labels().len());
        let mut all = Cells::none(rows);
        let cells_of = |label: usize| {
            let mut cells = Cells::none(rows);
            for (row, cell) in self.column(label).enumerate() {
                let number = |flag: bool| f64::from(u8::from(flag));
                cells.true_positives[row] = number(cell.predicted && cell.target);
                cells.predicted[row] = number(cell.predicted && cell.is_known);
                cells.targets[row] = number(cell.target);
            }
            cells
        };
        let count = |values: &[f64]| values.iter().sum::<f64>() as usize;
        let (mut predicted, mut positives) = (Vec::new(), Vec::new());
        for label in 0..labels {
            let cells = cells_of(label);
            predicted.push(count(&cells.predicted));
            positives.push(count(&cells.targets));
            for (all, own) in [
                (&mut all.true_positives, &cells.true_positives),
                (&mut all.predicted, &cells.predicted),
                (&mut all.targets, &cells.targets),
            ] {
                all.iter_mut().zip(own).for_each(|(all, own)| *all += own);
            }
        }
        let by_label = |score: fn(&Cells) -> Influence| {
            Influence::mean_of((0..labels).map(|label| score(&cells_of(label))))
        };
        let cases = |counts, what| Cases {
            names: self.labels(),
            counts,
            what,
        };
        let (predicted, positives) = (
            cases(predicted, "predicted positives"),
            cases(positives, "positives"),
        );
        let mut missing = BTreeMap::new();
        let mut unless =
            |name, reason: Option<String>, interval: &dyn Fn() -> Option<Interval>| match reason {
                Some(reason) => {
                    missing.insert(name, reason);
                    None
                }
                None => interval(),
            };
        let ranked = Influence::mean_of((0..labels).filter_map(|label| {
            let cells = self.column(label).filter(|cell| cell.is_known);
            let cells: Vec<_> = cells.map(|cell| (cell.probability, cell.target)).collect();
            Influence::average_precision(&cells)
        }));
        let few_ranks = positives.each(FEWEST).or_else(|| {
            let is_perfect = ranked.as_ref().is_some_and(|ranked| ranked.value >= 1.0);
            is_perfect.then(|| {
                "every image with a label ranks above all without it, so nothing shows how far it varies".to_owned()
            })
        });
        let share = |influence: Influence| Some(influence.share_interval());
        let rare = || positives.each(FEWEST);
        let of_rows = |metric| {
            let (parts, wholes) = self.row_parts(metric);
            // An image of which nothing is known says nothing of how far a score varies.
            let rows = parts.into_iter().zip(wholes);
            let (parts, wholes): (Vec<f64>, Vec<f64>) =
                rows.filter(|(_, whole)| *whole > 0.0).unzip();
            Influence::ratio(&parts, &wholes)
        };
        Intervals {
            accuracy: of_rows(RowMetric::Accuracy).share_interval(),
            exact_match: of_rows(RowMetric::ExactMatch).share_interval(),
            mean_average_precision: unless("mAP", few_ranks, &|| {
                ranked.as_ref()?.precision_interval()
            }),
            class_precision: unless("CP", predicted.each(FEWEST), &|| {
                share(by_label(Cells::precision)?)
            }),
            class_recall: unless("CR", rare(), &|| share(by_label(Cells::recall)?)),
            class_f1: unless("CF1", rare(), &|| share(by_label(Cells::f1)?)),
            class_f1_harmonic: unless(
                "CF1_harmonic",
                predicted.each(FEWEST).or_else(rare),
                &|| share(by_label(Cells::precision)?.harmonic(&by_label(Cells::recall)?)),
            ),
            overall_precision: unless("OP", predicted.together(FEWEST), &|| share(all.precision())),
            overall_recall: unless("OR", positives.together(FEWEST), &|| share(all.recall())),
            overall_f1: unless("OF1", positives.together(FEWEST), &|| share(all.f1())),
            loss: unless("loss", positives.together(FEWEST), &|| {
                Some(of_rows(RowMetric::Loss).positive_interval())
            }),
            missing,
        }
    }
}
