//! The decision: everything between a network's probabilities and the answers, as one small file.

mod trials;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use soup_data::files::{read_unpacked, write_whole};
pub use trials::{Metric, RECIPES, Trial, trials};

use crate::{
    DecideError, Predictions, Result, Sample,
    calibration::{Calibration, CalibrationKind},
    decoding::{CountDecoder, CountPrior},
    threshold::ThresholdKind,
    views::Views,
};

const FORMAT: &str = "soup-decision";
const VERSION: u32 = 1;

/// How probabilities become answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "snake_case")]
pub enum Decoding {
    /// Each label by its threshold.
    Threshold,
    /// Each label by its probability given the labels' counts, above one half: for right cells.
    Count,
    /// The most probable set of labels given their counts: for right images.
    Set,
}

/// What is fitted, and how answers are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Recipe {
    /// Which calibration.
    pub calibration: CalibrationKind,
    /// Which thresholds.
    pub thresholds: ThresholdKind,
    /// Which answers.
    pub decoding: Decoding,
}

impl Recipe {
    /// Probabilities as they are, above one half.
    pub const PLAIN: Self = Self {
        calibration: CalibrationKind::None,
        thresholds: ThresholdKind::Half,
        decoding: Decoding::Threshold,
    };
}

/// Calibration, thresholds and label counts, fitted together, and how answers are made of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    format: String,
    version: u32,
    labels: Vec<String>,
    /// Images that it was fitted on.
    #[serde(rename = "pictures")]
    images: usize,
    /// The views of test-time augmentation; nothing for the plain one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    views: Option<Views>,
    decoding: Decoding,
    calibration: Calibration,
    /// One a label, for calibrated probabilities.
    thresholds: Vec<f32>,
    prior: CountPrior,
}

/// Answers, and the probabilities that they were made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// Calibrated and, for [`Decoding::Count`] and [`Decoding::Set`], given the labels' counts.
    pub probabilities: Predictions,
    /// One a cell, row by row.
    pub answers: Vec<bool>,
}

impl Decision {
    /// Fewest images that one is fitted on; of fewer, a part of five would hold less than ten.
    pub const FEWEST_IMAGES: usize = 50;

    /// Fits a recipe on predictions beside the truth; the labels' counts are learned from `counted`
    /// (rows of labels, 0 or 1), which may be of many more images.
    ///
    /// # Errors
    /// [`DecideError::TooFewImages`] for fewer than 50 images, [`DecideError::CountPrior`]
    /// where nothing is counted.
    pub fn fit(
        recipe: Recipe,
        labels: &[String],
        sample: &Sample,
        counted: &[f32],
    ) -> Result<Self> {
        sample.at_least(Self::FEWEST_IMAGES, "a decision")?;
        let calibration = Calibration::fit(recipe.calibration, sample);
        Self::fit_on(recipe, calibration, labels, sample, counted)
    }

    /// Fits what stands on a calibration that was fitted on the same sample.
    fn fit_on(
        recipe: Recipe,
        calibration: Calibration,
        labels: &[String],
        sample: &Sample,
        counted: &[f32],
    ) -> Result<Self> {
        let prior = CountPrior::learn(counted, labels.len(), CountPrior::PSEUDO_IMAGES)?;
        let calibrated = Sample {
            probabilities: calibrated(&calibration, &sample.probabilities, labels.len()),
            ..sample.clone()
        };
        Ok(Self {
            format: FORMAT.into(),
            version: VERSION,
            labels: labels.to_vec(),
            images: sample.images(),
            views: None,
            decoding: recipe.decoding,
            thresholds: recipe.thresholds.fit(&calibrated),
            calibration,
            prior,
        })
    }

    /// Sets the views of the predictions that it was fitted on.
    pub fn with_views(mut self, views: Option<Views>) -> Self {
        self.views = views;
        self
    }

    /// The views of test-time augmentation; nothing for the plain one.
    pub fn views(&self) -> Option<&Views> {
        self.views.as_ref()
    }

    /// Names of the labels, in the order of all that is fitted.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Images that it was fitted on.
    pub fn images(&self) -> usize {
        self.images
    }

    /// How answers are made where nobody says otherwise.
    pub fn decoding(&self) -> Decoding {
        self.decoding
    }

    /// The calibration of probabilities.
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// The thresholds of calibrated probabilities, one a label.
    pub fn thresholds(&self) -> &[f32] {
        &self.thresholds
    }

    /// What is known of the labels' counts.
    pub fn prior(&self) -> &CountPrior {
        &self.prior
    }

    /// Answers for raw predictions, as a network gave them; columns are found by name. `decoding`
    /// overrules the decision's own.
    ///
    /// # Errors
    /// Other labels than the decision's.
    pub fn answer(&self, predictions: &Predictions, decoding: Option<Decoding>) -> Result<Answers> {
        let labels = &self.labels;
        let source = predictions.source();
        let arranged =
            predictions.arranged(predictions.ids(), labels, Path::new("the decision"))?;
        let (values, answers) =
            self.answers_of(arranged.values(), decoding.unwrap_or(self.decoding))?;
        Ok(Answers {
            probabilities: Predictions::new(
                source,
                arranged.ids().to_vec(),
                labels.clone(),
                values,
            )?,
            answers,
        })
    }

    /// Probabilities and answers of rows of raw probabilities.
    fn answers_of(&self, raw: &[f32], decoding: Decoding) -> Result<(Vec<f32>, Vec<bool>)> {
        let labels = self.labels.len();
        let mut values = calibrated(&self.calibration, raw, labels);
        if decoding == Decoding::Threshold {
            let answers = (values.iter().enumerate())
                .map(|(cell, value)| *value > self.thresholds[cell % labels]);
            let answers = answers.collect();
            return Ok((values, answers));
        }
        let mut decoder = CountDecoder::new(&self.prior, labels)?;
        let mut answers = Vec::with_capacity(values.len());
        let mut marginals = vec![0.0; labels];
        for row in values.chunks_exact_mut(labels) {
            decoder.marginals(row, &mut marginals);
            if decoding == Decoding::Set {
                answers.extend(decoder.most_probable_set(row));
            } else {
                answers.extend(marginals.iter().map(|marginal| *marginal > 0.5));
            }
            row.copy_from_slice(&marginals);
        }
        Ok((values, answers))
    }

    /// Makes of an image's raw probabilities those that answers are read from, above [`cuts`](Self::cuts): calibrated
    /// and, where it decodes by counts, given the labels' counts.
    ///
    /// # Errors
    /// Another number of labels.
    pub fn decide(&self, probabilities: &mut [f32]) -> Result<()> {
        if probabilities.len() != self.labels.len() {
            return Err(DecideError::CountPrior {
                problem: format!(
                    "the decision is for {} labels, not {}",
                    self.labels.len(),
                    probabilities.len()
                ),
            });
        }
        let (values, _) = self.answers_of(probabilities, self.decoding)?;
        probabilities.copy_from_slice(&values);
        Ok(())
    }

    /// Above which a decided probability is a positive prediction, one a label; nothing where whole sets are decoded, of which single
    /// probabilities do not tell.
    pub fn cuts(&self) -> Option<Vec<f32>> {
        match self.decoding {
            Decoding::Threshold => Some(self.thresholds.clone()),
            Decoding::Count => Some(vec![0.5; self.labels.len()]),
            Decoding::Set => None,
        }
    }

    /// As it stands in `decision.json`.
    ///
    /// # Errors
    /// None: every decision can be written.
    pub fn to_json(&self) -> Result<serde_json::Value> {
        serde_json::to_value(self).map_err(|error| DecideError::Decision {
            path: PathBuf::new(),
            problem: format!("it cannot be written: {error}"),
        })
    }

    /// Reads a decision.
    ///
    /// # Errors
    /// [`DecideError::Decision`] for any other or a damaged file, and what the system says.
    pub fn read(path: &Path) -> Result<Self> {
        let value = serde_json::from_slice(&read_unpacked(path)?);
        let value = value.map_err(|error| DecideError::Decision {
            path: path.to_path_buf(),
            problem: format!("it is no decision: {error}"),
        })?;
        Self::from_json(value, path)
    }

    /// The decision in a JSON object; `path` is the file that errors name.
    ///
    /// # Errors
    /// [`DecideError::Decision`] for anything else.
    pub fn from_json(value: serde_json::Value, path: &Path) -> Result<Self> {
        let broken = |problem: String| DecideError::Decision {
            path: path.to_path_buf(),
            problem,
        };
        let decision: Self = serde_json::from_value(value)
            .map_err(|error| broken(format!("it is no decision: {error}")))?;
        if decision.format != FORMAT || decision.version != VERSION {
            return Err(broken(format!(
                "format `{}` version {}; this program reads `{FORMAT}` version {VERSION}",
                decision.format, decision.version
            )));
        }
        let labels = decision.labels.len();
        decision
            .prior
            .check(labels)
            .map_err(|error| broken(error.to_string()))?;
        if let Some(problem) = decision.calibration.problem(labels) {
            return Err(broken(problem));
        }
        let is_probability = |threshold: &f32| (0.0..=1.0).contains(threshold);
        if decision.thresholds.len() != labels || !decision.thresholds.iter().all(is_probability) {
            return Err(broken(format!(
                "it needs one threshold from 0 to 1 for each of its {labels} labels"
            )));
        }
        Ok(decision)
    }

    /// As the text of `decision.json`.
    ///
    /// # Errors
    /// None: every decision can be written.
    pub fn text(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| DecideError::Decision {
            path: PathBuf::new(),
            problem: format!("it cannot be written: {error}"),
        })?;
        Ok(text + "\n")
    }

    /// Writes the decision, whole or not at all.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, path: &Path) -> Result<()> {
        Ok(write_whole(path, self.text()?.as_bytes())?)
    }
}

impl Answers {
    /// The answers as a table of 0 and 1.
    ///
    /// # Errors
    /// None that [`Predictions::new`] had not found for the probabilities already.
    pub fn table(&self) -> Result<Predictions> {
        let values = self
            .answers
            .iter()
            .map(|answer| f32::from(u8::from(*answer)));
        Predictions::new(
            self.probabilities.source(),
            self.probabilities.ids().to_vec(),
            self.probabilities.labels().to_vec(),
            values.collect(),
        )
    }
}

fn calibrated(calibration: &Calibration, raw: &[f32], labels: usize) -> Vec<f32> {
    (raw.iter().enumerate())
        .map(|(cell, probability)| calibration.of(cell % labels, *probability))
        .collect()
}
