//! What each epoch of each fold came to.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use soup_decide::metrics::Metric;

/// One epoch of one fold: a line of `metrics.jsonl` and a row of `metrics.csv`. A figure that could
/// not be computed is NaN here, `null` in JSON and empty in CSV.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Fold, counted from 0.
    pub fold: usize,
    /// Epoch, counted from 1.
    pub epoch: usize,
    /// Optimiser steps since the run began.
    pub step: u64,
    /// Learning rate of the last step.
    #[serde(with = "null_as_nan")]
    pub rate: f64,
    /// Mean loss of the training batches, augmented and with dropout.
    #[serde(with = "null_as_nan")]
    pub train_loss: f64,
    /// Share of right cells in the training batches at threshold 0.5.
    #[serde(with = "null_as_nan")]
    pub train_accuracy: f64,
    /// Loss on the fold's held-out images.
    #[serde(with = "null_as_nan")]
    pub valid_loss: f64,
    /// Share of right cells on the held-out images at threshold 0.5.
    #[serde(with = "null_as_nan")]
    pub valid_accuracy: f64,
    /// Share of held-out images with every cell right.
    #[serde(with = "null_as_nan")]
    pub valid_exact_match: f64,
    /// Mean over the labels of average precision on the held-out images.
    #[serde(rename = "valid_mAP", with = "null_as_nan")]
    pub valid_map: f64,
    /// Whether this is the fold's best epoch so far.
    pub best: bool,
    /// Seconds of the epoch, by all processes that worked on it; time in which none ran does not count.
    pub seconds: f64,
    /// Training images a second.
    pub images_per_second: f64,
    /// Peak resident memory of the process in MiB.
    pub memory_mib: f64,
}

/// Columns of `metrics.csv`.
const COLUMNS: &str = "fold,epoch,step,rate,train_loss,train_accuracy,valid_loss,valid_accuracy,\
valid_exact_match,valid_mAP,best,seconds,images_per_second,memory_mib";

impl EpochRecord {
    /// The score of the held-out images, larger for better; NaN where it has none.
    pub fn score(&self, metric: Metric) -> f64 {
        match metric {
            Metric::Accuracy => self.valid_accuracy,
            Metric::ExactMatch => self.valid_exact_match,
            Metric::Loss => -self.valid_loss,
            Metric::MeanAveragePrecision => self.valid_map,
        }
    }

    fn csv_row(&self, out: &mut String) {
        let figure = |value: f64| {
            if value.is_finite() {
                value.to_string()
            } else {
                String::new()
            }
        };
        let _ = writeln!(
            out,
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            self.fold,
            self.epoch,
            self.step,
            figure(self.rate),
            figure(self.train_loss),
            figure(self.train_accuracy),
            figure(self.valid_loss),
            figure(self.valid_accuracy),
            figure(self.valid_exact_match),
            figure(self.valid_map),
            self.best,
            figure(self.seconds),
            figure(self.images_per_second),
            figure(self.memory_mib),
        );
    }
}

/// `metrics.jsonl`: a line an epoch.
///
/// # Errors
/// Never for records whose figures are numbers; the signature is serde's.
pub fn to_json_lines(records: &[EpochRecord]) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    for record in records {
        text.push_str(&serde_json::to_string(record)?);
        text.push('\n');
    }
    Ok(text)
}

/// Reads `metrics.jsonl`.
///
/// # Errors
/// The number of the line, counted from 1, and what is wrong with it.
pub fn from_json_lines(text: &str) -> Result<Vec<EpochRecord>, (usize, serde_json::Error)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| serde_json::from_str(line).map_err(|error| (index + 1, error)))
        .collect()
}

/// `metrics.csv`: a header and a row an epoch.
pub fn to_csv(records: &[EpochRecord]) -> String {
    let mut text = format!("{COLUMNS}\n");
    for record in records {
        record.csv_row(&mut text);
    }
    text
}

/// JSON has no NaN; `null` stands for it.
mod null_as_nan {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            serializer.serialize_f64(*value)
        } else {
            serializer.serialize_none()
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn records_come_back_and_tables_have_their_columns() {
        let record = EpochRecord {
            fold: 2,
            epoch: 1,
            step: 40,
            rate: 1e-3,
            train_loss: 0.1 + 0.2,
            train_accuracy: 0.54,
            valid_loss: f64::NAN,
            valid_accuracy: 0.55,
            valid_exact_match: 0.0,
            valid_map: 0.5,
            best: true,
            seconds: 2.5,
            images_per_second: 12.0,
            memory_mib: 100.0,
        };
        let text = to_json_lines(&[record.clone(), record.clone()]).unwrap();
        let back = from_json_lines(&text).unwrap();
        assert_eq!(back.len(), 2);
        assert_eq!(back[0].train_loss.to_bits(), record.train_loss.to_bits());
        assert!(back[0].valid_loss.is_nan());
        let (line, _) = from_json_lines(&format!("{text}{{\"fold\":")).unwrap_err();
        assert_eq!(line, 3);
        let csv = to_csv(&back);
        let rows: Vec<&str> = csv.lines().collect();
        assert_eq!(rows.len(), 3);
        assert_eq!(
            rows[1],
            "2,1,40,0.001,0.30000000000000004,0.54,,0.55,0,0.5,true,2.5,12,100"
        );
        assert_eq!(rows[0].split(',').count(), rows[1].split(',').count());
    }
}
