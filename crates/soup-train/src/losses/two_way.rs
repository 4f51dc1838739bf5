//! Two-way loss.

use serde::{Deserialize, Serialize};
use soup_engine::setting::{InvalidSetting, require};

use super::sigmoid::{sigmoid, softplus};

/// Two-way loss (Kobayashi, "Two-way multi-label loss", CVPR 2023): the hardest negative against
/// the hardest positive, among the labels of each image and among the images of each label.
///
/// The loss is the mean over the images that have a label plus the mean over the labels that
/// occur in the batch, so it depends on how the images are batched. Logits are ranks: they are
/// not calibrated as probabilities. Targets above 0.5 are positive, unknown ones (NaN) neither.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TwoWay {
    /// Temperature of the soft minimum over positive logits; above 0.
    pub temperature_positive: f64,
    /// Temperature of the soft maximum over negative logits; above 0.
    pub temperature_negative: f64,
}

impl Default for TwoWay {
    fn default() -> Self {
        Self {
            temperature_positive: 4.0,
            temperature_negative: 1.0,
        }
    }
}

impl TwoWay {
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        for (key, temperature) in [
            ("loss.temperature_positive", self.temperature_positive),
            ("loss.temperature_negative", self.temperature_negative),
        ] {
            require(
                temperature > 0.0 && temperature.is_finite(),
                key,
                temperature,
                "must be a number above 0",
            )?;
        }
        Ok(())
    }

    pub(super) fn evaluate(
        &self,
        logits: &[f32],
        targets: &[f32],
        labels: usize,
        gradient: &mut [f32],
    ) -> f64 {
        let rows = logits.len() / labels;
        let mut derivatives = vec![0.0; logits.len()];
        let of_labels = self.one_way(
            logits,
            targets,
            (labels, 1),
            (rows, labels),
            &mut derivatives,
        );
        let of_rows = self.one_way(
            logits,
            targets,
            (rows, labels),
            (labels, 1),
            &mut derivatives,
        );
        for (to, from) in gradient.iter_mut().zip(derivatives) {
            *to = from as f32;
        }
        of_labels + of_rows
    }

    /// One way: `groups` and `members` are (count, distance) in the table. Adds to `derivatives`.
    fn one_way(
        &self,
        logits: &[f32],
        targets: &[f32],
        groups: (usize, usize),
        members: (usize, usize),
        derivatives: &mut [f64],
    ) -> f64 {
        let cells = |group: usize| {
            let cells = (0..members.0).map(move |m| group * groups.1 + m * members.1);
            cells.filter(|cell| !targets[*cell].is_nan())
        };
        let is_positive = |cell: usize| targets[cell] > 0.5;
        let hardness = |cell: usize| {
            let logit = f64::from(logits[cell]);
            if is_positive(cell) {
                -logit / self.temperature_positive
            } else {
                logit / self.temperature_negative
            }
        };
        let counted = (0..groups.0)
            .filter(|&group| cells(group).any(is_positive))
            .count();
        let mut sum = 0.0;
        for group in 0..groups.0 {
            let positive = log_sum_exp(cells(group).filter(|&c| is_positive(c)).map(hardness));
            let negative = log_sum_exp(cells(group).filter(|&c| !is_positive(c)).map(hardness));
            // A group without positives does not count; one without negatives has nothing to learn.
            let (Some(positive), Some(negative)) = (positive, negative) else {
                continue;
            };
            let margin =
                self.temperature_positive * positive + self.temperature_negative * negative;
            sum += softplus(margin);
            let derivative = sigmoid(margin) / counted as f64;
            for cell in cells(group) {
                derivatives[cell] += if is_positive(cell) {
                    -derivative * (hardness(cell) - positive).exp()
                } else {
                    derivative * (hardness(cell) - negative).exp()
                };
            }
        }
        sum / counted.max(1) as f64
    }
}

/// `ln(sum(exp(x)))`, or nothing for no values.
fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let largest = values.clone().reduce(f64::max)?;
    Some(largest + values.map(|x| (x - largest).exp()).sum::<f64>().ln())
}
