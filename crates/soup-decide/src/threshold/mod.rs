//! Thresholds: from a probability to a positive or negative prediction.

mod fit;

use std::collections::BTreeMap;
use std::str::FromStr;

use soup_data::ids::{composed, place_of_name};

use crate::{DecideError, Predictions, Result};

pub use fit::ThresholdKind;

/// A probability **above** the threshold is a positive prediction, as in torchmetrics; one that equals it is a negative one.
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholds {
    default: f32,
    by_label: BTreeMap<String, f32>,
}

/// Why a threshold is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThresholdError {
    /// The text is no number.
    #[error("`{0}` is not a number; write `0.5` or `0.5,a=0.4,b=0.6`")]
    NotANumber(String),
    /// The number is no probability.
    #[error("a threshold must lie between 0 and 1, `{0}` does not")]
    OutOfRange(String),
    /// A label or the default is given twice.
    #[error("the threshold of `{0}` is given twice")]
    Twice(String),
}

impl Default for Thresholds {
    /// 0.5 for every label.
    fn default() -> Self {
        Self {
            default: 0.5,
            by_label: BTreeMap::new(),
        }
    }
}

impl Thresholds {
    /// The same threshold for every label.
    ///
    /// # Errors
    /// A threshold below 0, above 1 or not a number.
    pub fn same(threshold: f32) -> Result<Self, ThresholdError> {
        Ok(Self {
            default: checked(threshold)?,
            by_label: BTreeMap::new(),
        })
    }

    /// Gives one label its own threshold.
    ///
    /// # Errors
    /// A threshold below 0, above 1 or not a number, or a label that has its own already.
    pub fn with(mut self, label: &str, threshold: f32) -> Result<Self, ThresholdError> {
        let threshold = checked(threshold)?;
        // In one Unicode form, however a label is written.
        match self
            .by_label
            .insert(composed(label).into_owned(), threshold)
        {
            Some(_) => Err(ThresholdError::Twice(label.to_owned())),
            None => Ok(self),
        }
    }

    /// The threshold of a label.
    pub fn of(&self, label: &str) -> f32 {
        let own = self.by_label.get(&*composed(label));
        own.copied().unwrap_or(self.default)
    }

    /// Whether a label with this probability is in the image.
    pub fn decide(&self, label: &str, probability: f32) -> bool {
        probability > self.of(label)
    }

    /// How many labels an image gets on average.
    pub fn labels_per_image(&self, predictions: &Predictions) -> f64 {
        let labels = predictions.labels();
        let found = (predictions.values().iter().enumerate())
            .filter(|(cell, value)| self.decide(&labels[cell % labels.len()], **value))
            .count();
        found as f64 / predictions.len().max(1) as f64
    }

    /// The thresholds in the order of `labels`.
    ///
    /// # Errors
    /// A threshold for a label that is not among `labels`.
    pub fn in_order(&self, labels: &[String]) -> Result<Vec<f32>> {
        let is_unknown = |label: &&String| place_of_name(labels, label).is_none();
        if let Some(label) = self.by_label.keys().find(is_unknown) {
            return Err(DecideError::UnknownThresholdLabel {
                label: label.clone(),
                labels: labels.to_vec(),
            });
        }
        Ok(labels.iter().map(|label| self.of(label)).collect())
    }
}

fn checked(threshold: f32) -> Result<f32, ThresholdError> {
    if (0.0..=1.0).contains(&threshold) {
        Ok(threshold)
    } else {
        Err(ThresholdError::OutOfRange(threshold.to_string()))
    }
}

impl FromStr for Thresholds {
    type Err = ThresholdError;

    /// `0.5`, or `0.5,a=0.4,b=0.6`, or `a=0.4` with 0.5 for the other labels.
    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        let number = |text: &str| {
            let text = text.trim();
            text.parse::<f32>()
                .map_err(|_| ThresholdError::NotANumber(text.to_owned()))
        };
        let (mut default, mut labels) = (None, Vec::new());
        for part in text.split(',') {
            match part.split_once('=') {
                Some((label, value)) => labels.push((label.trim(), number(value)?)),
                None if default.is_some() => {
                    return Err(ThresholdError::Twice("all labels".into()));
                }
                None => default = Some(number(part)?),
            }
        }
        labels.into_iter().try_fold(
            Self::same(default.unwrap_or(0.5))?,
            |all, (label, value)| all.with(label, value),
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn a_probability_on_the_threshold_is_a_no() {
        let thresholds = Thresholds::default();
        assert!(!thresholds.decide("a", 0.5));
        assert!(thresholds.decide("a", 0.500_001));
    }

    #[test]
    fn a_label_may_have_its_own() {
        let thresholds: Thresholds = "0.3, b=0.7".parse().unwrap();
        let labels = ["a", "b"].map(String::from);
        assert_eq!(thresholds.in_order(&labels).unwrap(), [0.3, 0.7]);
        let accented = "\u{e9}=0.2".parse::<Thresholds>().unwrap();
        assert_eq!(accented.in_order(&["e\u{301}".to_owned()]).unwrap(), [0.2]);
        let error = thresholds.in_order(&labels[..1]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no label `b` to give a threshold to; the labels are `a`"
        );
        assert_eq!("b=0.7".parse::<Thresholds>().unwrap().of("a"), 0.5);
    }

    #[test]
    fn nonsense_is_refused() {
        for (text, message) in [
            (
                "1.5",
                "a threshold must lie between 0 and 1, `1.5` does not",
            ),
            (
                "NaN",
                "a threshold must lie between 0 and 1, `NaN` does not",
            ),
            (
                "a lot",
                "`a lot` is not a number; write `0.5` or `0.5,a=0.4,b=0.6`",
            ),
            ("0.5,0.6", "the threshold of `all labels` is given twice"),
            ("a=0.1,a=0.2", "the threshold of `a` is given twice"),
            ("", "`` is not a number; write `0.5` or `0.5,a=0.4,b=0.6`"),
        ] {
            let error = text.parse::<Thresholds>().unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}
