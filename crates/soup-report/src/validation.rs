//! Scores of a run's out-of-fold predictions, and the images they were made for.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use soup_data::ImageShape;
use soup_decide::metrics::{Evaluation, Intervals, RowMetric};
use soup_devices::DeviceName;
use soup_model::{ErrorKind, Predictor, Question, Session};
use soup_train::{
    Error,
    config::CheckedConfig,
    runs::RunDirectory,
    trainer::{OutOfFold, OwnedData},
};

use crate::{
    Run,
    images::{InlineImage, Prediction, Sample},
    run::{held_out, table},
};

/// How many images of a run are shown.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Images of the largest loss that are shown with their maps.
    pub wrong: usize,
    /// Images that are shown of the data.
    pub samples: usize,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            wrong: 12,
            samples: 8,
        }
    }
}

/// The predictions of a run's held-out images, their labels, and the scores.
#[derive(Debug)]
pub struct Validation {
    /// Predictions, labels and folds of all images.
    pub found: OutOfFold,
    /// Rows of `found` that have a prediction.
    pub rows: Vec<usize>,
    /// Their probabilities.
    pub probabilities: Vec<f32>,
    /// Their labels, 0 or 1.
    pub targets: Vec<f32>,
    /// Their answers: a yes is a probability above .5.
    pub answers: Vec<bool>,
    /// Scores of the answers.
    pub evaluation: Evaluation,
    /// Their 95 % intervals.
    pub intervals: Intervals,
    /// Size of the images, where they are there.
    pub image: Option<ImageShape>,
    /// Why the images could not be read, where they could not. The scores need the run's own files only.
    pub no_images: Option<String>,
    /// Trainable parameters and multiply-adds of a network.
    pub network: Option<(usize, u64)>,
    /// The images of the largest loss.
    pub wrong: Vec<Prediction>,
    /// Some images of the data.
    pub samples: Vec<Sample>,
}

impl Validation {
    /// Scores a run, and reads the images that are shown.
    ///
    /// # Errors
    /// As [`OutOfFold::read`] and [`OwnedData::held_out`]; [`Error::Format`] for predictions that are none.
    pub fn read(run: &Run, wanted: Wanted, stop: &AtomicBool) -> Result<Self, Error> {
        let found = OutOfFold::read(&run.path, stop)?;
        let (rows, probabilities, targets) = held_out(&found);
        let table = table(&found, &probabilities, &targets)?;
        let (evaluation, intervals) = (table.evaluate(), table.intervals());
        let losses = table.row_values(RowMetric::Loss);
        let mut validation = Self {
            answers: probabilities.iter().map(|p| *p > 0.5).collect(),
            evaluation,
            intervals,
            image: None,
            no_images: None,
            network: None,
            wrong: Vec::new(),
            samples: Vec::new(),
            found,
            rows,
            probabilities,
            targets,
        };
        let config = run.config.clone().check()?;
        match OwnedData::held_out(&config, &RunDirectory::at(&run.path)) {
            Ok(owned) => {
                validation.add_images(&run.path, &config, &owned, &losses, wanted, stop)?
            }
            Err(error) => validation.no_images = Some(error.to_string()),
        }
        Ok(validation)
    }

    /// As [`read`](Self::read), with the reason in words where the run can be shown without.
    ///
    /// # Errors
    /// Only for a stop.
    pub fn if_possible(
        run: &Run,
        wanted: Wanted,
        stop: &AtomicBool,
    ) -> Result<Result<Self, String>, Error> {
        match Self::read(run, wanted, stop) {
            Err(error) if error.kind() == ErrorKind::Interrupted => Err(error),
            outcome => Ok(outcome.map_err(|error| error.to_string())),
        }
    }

    /// Names of the labels.
    pub fn labels(&self) -> &[String] {
        &self.found.label_names
    }

    /// Accuracy of answering no to everything.
    pub fn accuracy_of_all_zeros(&self) -> f64 {
        let known = self.targets.iter().filter(|target| !target.is_nan());
        let positives: f64 = known.clone().map(|target| f64::from(*target)).sum();
        1.0 - positives / known.count().max(1) as f64
    }

    /// The share of right cells of each image that was held out.
    ///
    /// # Errors
    /// [`Error::Format`] for predictions that are none.
    pub fn accuracies(&self) -> Result<Vec<f64>, Error> {
        Ok(table(&self.found, &self.probabilities, &self.targets)?.row_values(RowMetric::Accuracy))
    }

    /// Reads the images that are shown.
    fn add_images(
        &mut self,
        run: &Path,
        config: &CheckedConfig,
        owned: &OwnedData,
        losses: &[f64],
        wanted: Wanted,
        stop: &AtomicBool,
    ) -> Result<(), Error> {
        let data = owned.borrow();
        let examples = data.validation()?;
        let image = examples.shape();
        self.image = Some(image);
        let input = config.transforms.evaluation().output_shape(image);
        self.network = input.ok().and_then(|shape| {
            let graph = config.model.build(shape, self.labels().len()).ok()?;
            Some((graph.trainable_len(), graph.multiply_adds()))
        });

        let load = |row: usize| -> Result<Vec<u8>, Error> {
            let mut pixels = vec![0; image.len()];
            let mut labels = vec![0.0; self.found.label_names.len()];
            examples.read(row as u64, &mut pixels, &mut labels)?;
            Ok(pixels)
        };
        let all = self.found.ids.len();
        let samples: Vec<Sample> = (0..wanted.samples.min(all))
            .map(|place| place * all / wanted.samples.min(all))
            .map(|row| Ok(self.sample(row, &load(row)?, image)))
            .collect::<Result<_, Error>>()?;

        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        order.sort_by(|a, b| losses[*b].total_cmp(&losses[*a]).then(a.cmp(b)));
        order.truncate(wanted.wrong);
        let mut wrong: Vec<(usize, Prediction, Vec<u8>)> = Vec::new();
        for place in order {
            let pixels = load(self.rows[place])?;
            let of = self.prediction(place, losses[place], &pixels, image);
            wrong.push((place, of, pixels));
        }
        self.add_heats(run, &mut wrong, image, stop)?;
        self.wrong = wrong.into_iter().map(|of| of.1).collect();
        self.samples = samples;
        Ok(())
    }

    fn sample(&self, row: usize, pixels: &[u8], image: ImageShape) -> Sample {
        let labels = self.labels().len();
        let targets = &self.found.targets[row * labels..][..labels];
        Sample {
            id: self.found.ids[row].clone(),
            fold: self.found.folds[row],
            labels: (0..labels).filter(|at| targets[*at] > 0.5).collect(),
            image: InlineImage::image(pixels, image),
        }
    }

    fn prediction(&self, place: usize, loss: f64, pixels: &[u8], image: ImageShape) -> Prediction {
        let labels = self.labels().len();
        let probabilities = &self.probabilities[place * labels..][..labels];
        let sample = self.sample(self.rows[place], pixels, image);
        Prediction::of(sample, loss, probabilities)
    }

    /// Adds the heat maps of the worst answers, by the network of the fold that held the image out.
    fn add_heats(
        &self,
        path: &Path,
        wrong: &mut [(usize, Prediction, Vec<u8>)],
        image: ImageShape,
        stop: &AtomicBool,
    ) -> Result<(), Error> {
        let mut folds: Vec<u32> = wrong.iter().map(|of| of.1.sample.fold).collect();
        folds.sort_unstable();
        folds.dedup();
        let device = DeviceName::Auto.with_threads(0);
        for fold in folds {
            let file = RunDirectory::at(path)
                .fold(fold as usize)
                .file(soup_model::WEIGHTS_FILE);
            if !file.is_file() {
                // Perhaps removed; the predictions do not need it.
                continue;
            }
            let predictor = Predictor::open(&[path.to_owned()], Some(&[fold as usize]))?;
            let model = predictor.model(Some(image))?;
            let mut session = Session::new(&model, image, &device)?;
            if session.map_size().is_none() {
                return Ok(());
            }
            let own = wrong.iter_mut().filter(|of| of.1.sample.fold == fold);
            for (_, wrong, pixels) in own {
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::STOPPED);
                }
                let maps = true;
                session.run_all(&model, &[Question { pixels, maps }], &mut |_, reply| {
                    if let Some(maps) = &reply.maps {
                        wrong.add_heats(maps);
                    }
                })?;
            }
        }
        Ok(())
    }
}
