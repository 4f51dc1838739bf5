//! How far every score may lie from the truth.

use std::thread;

use serde::{Deserialize, Serialize};

use super::bootstrap::{Bootstrap, Interval};
use super::evaluation::{Counts, harmonic, mean};
use super::table::{RowMetric, Table};

/// The bootstrap interval of every score of an [`Evaluation`](super::Evaluation), under its names.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the scores are explained at Evaluation")]
pub struct Intervals {
    pub accuracy: Interval,
    pub exact_match: Interval,
    /// None where no label occurs.
    #[serde(rename = "mAP")]
    pub mean_average_precision: Option<Interval>,
    #[serde(rename = "CP")]
    pub class_precision: Interval,
    #[serde(rename = "CR")]
    pub class_recall: Interval,
    #[serde(rename = "CF1")]
    pub class_f1: Interval,
    #[serde(rename = "CF1_harmonic")]
    pub class_f1_harmonic: Interval,
    #[serde(rename = "OP")]
    pub overall_precision: Interval,
    #[serde(rename = "OR")]
    pub overall_recall: Interval,
    #[serde(rename = "OF1")]
    pub overall_f1: Interval,
    pub loss: Interval,
}

/// Number of scores in [`Sampled`].
const SCORES: usize = 11;
/// Place of mAP, which may be missing, among them.
const MEAN_AVERAGE_PRECISION: usize = 2;

/// The scores of one sample, in the order of [`Intervals`]; NaN for mAP where no label occurs.
type Sampled = [f64; SCORES];

/// One label's cells from the highest probability down.
struct Ranked {
    rows: Vec<Ranking>,
}

struct Ranking {
    row: u32,
    answer: bool,
    present: bool,
    /// Whether the next row has a lower probability.
    last_of_ties: bool,
}

impl Ranked {
    fn new(table: &Table<'_>, label: usize) -> Self {
        let cells: Vec<_> = table.column(label).collect();
        let mut order: Vec<u32> = (0..cells.len() as u32).collect();
        let probability = |row: u32| cells[row as usize].probability;
        order.sort_by(|a, b| probability(*b).total_cmp(&probability(*a)));
        let rows = order.iter().enumerate().map(|(place, row)| Ranking {
            row: *row,
            answer: cells[*row as usize].answer,
            present: cells[*row as usize].present,
            last_of_ties: (order.get(place + 1))
                .is_none_or(|next| probability(*next) != probability(*row)),
        });
        Self {
            rows: rows.collect(),
        }
    }

    /// Counts and average precision where each picture is there as often as `picks` says.
    fn score(&self, picks: &[u32]) -> (Counts, Option<f64>) {
        let mut counts = Counts::default();
        let (mut seen, mut found, mut gained, mut sum) = (0usize, 0usize, 0usize, 0.0);
        for ranking in &self.rows {
            let times = picks[ranking.row as usize] as usize;
            counts.add(ranking.answer, ranking.present, times);
            seen += times;
            gained += if ranking.present { times } else { 0 };
            if ranking.last_of_ties && gained > 0 {
                found += gained;
                sum += gained as f64 * (found as f64 / seen as f64);
                gained = 0;
            }
        }
        (counts, (found > 0).then(|| sum / found as f64))
    }
}

impl Table<'_> {
    /// The interval of every score: all of them over the same samples of the pictures. Takes time
    /// in proportion to samples x cells, on all cores; their number does not change the result.
    pub fn intervals(&self, bootstrap: &Bootstrap) -> Intervals {
        let labels: Vec<Ranked> = (0..self.labels().len())
            .map(|label| Ranked::new(self, label))
            .collect();
        let means = [RowMetric::Accuracy, RowMetric::ExactMatch, RowMetric::Loss]
            .map(|metric| self.row_values(metric));
        let samples: Vec<u32> = (0..bootstrap.samples.max(1)).collect();
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let part = samples.len().div_ceil(threads);
        let rows = self.rows();
        let (labels, means) = (&labels, &means);
        let sampled: Vec<Sampled> = thread::scope(|scope| {
            let parts: Vec<_> = samples
                .chunks(part)
                .map(|samples| {
                    scope.spawn(move || {
                        let picks = samples.iter().map(|sample| bootstrap.picks(*sample, rows));
                        picks
                            .map(|picks| scores(labels, means, &picks))
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            // A part that panicked is a bug of ours, and stays one here.
            let join = |part: thread::ScopedJoinHandle<'_, Vec<Sampled>>| {
                part.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            parts.into_iter().flat_map(join).collect()
        });
        let interval = |score: usize| {
            let values: Vec<f64> = (sampled.iter().map(|scores| scores[score]))
                .filter(|value| !value.is_nan())
                .collect();
            (!values.is_empty()).then(|| Interval::of(values))
        };
        let nothing = Interval {
            low: f64::NAN,
            high: f64::NAN,
        };
        let all: [Interval; SCORES] =
            std::array::from_fn(|score| interval(score).unwrap_or(nothing));
        Intervals {
            accuracy: all[0],
            exact_match: all[1],
            mean_average_precision: interval(MEAN_AVERAGE_PRECISION),
            class_precision: all[3],
            class_recall: all[4],
            class_f1: all[5],
            class_f1_harmonic: all[6],
            overall_precision: all[7],
            overall_recall: all[8],
            overall_f1: all[9],
            loss: all[10],
        }
    }
}

/// All scores of one sample; `means` are accuracy, exact match and loss of each picture.
fn scores(labels: &[Ranked], means: &[Vec<f64>; 3], picks: &[u32]) -> Sampled {
    let mut all = Counts::default();
    let mut ranked = Vec::with_capacity(labels.len());
    let by_label: Vec<Counts> = labels
        .iter()
        .map(|label| {
            let (counts, average_precision) = label.score(picks);
            ranked.extend(average_precision);
            all.right_yes += counts.right_yes;
            all.wrong_yes += counts.wrong_yes;
            all.missed += counts.missed;
            counts
        })
        .collect();
    let [accuracy, exact_match, loss] = means.each_ref().map(|values| {
        let sum: f64 = (values.iter().zip(picks))
            .map(|(value, times)| value * f64::from(*times))
            .sum();
        sum / values.len() as f64
    });
    let precision = mean(by_label.iter().map(|counts| counts.precision()));
    let recall = mean(by_label.iter().map(|counts| counts.recall()));
    [
        accuracy,
        exact_match,
        if ranked.is_empty() {
            f64::NAN
        } else {
            mean(ranked.into_iter())
        },
        precision,
        recall,
        mean(by_label.iter().map(|counts| counts.f1())),
        harmonic(precision, recall),
        all.precision(),
        all.recall(),
        all.f1(),
        loss,
    ]
}
