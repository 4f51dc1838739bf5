//! Predictions of a few held-out images by the newest weights.

use std::{path::Path, time::SystemTime};

use maud::{Markup, html};
use soup_decide::metrics::{RowMetric, ScoredPredictions};
use soup_devices::DeviceName;
use soup_model::{LabelMaps, Predictor, Question, Session};
use soup_train::{Error, runs::RunDirectory, trainer::OwnedData};

use super::modified;
use crate::{
    images::{HEATS, HeatMap, InlineImage, Prediction, Sample},
    pages::wrong,
    words::Words,
};

/// Images that are shown at once.
const COUNT: usize = 4;
/// Threads that predict; the others are the training's.
const THREADS: usize = 1;

/// The newest weights of a run, and which images they predict. The same selection gives the same predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    fold: usize,
    written: SystemTime,
    set: usize,
}

/// Images and what was predicted of them.
#[derive(Clone, Debug)]
pub struct PredictedImages {
    /// Fold and epoch of the weights.
    origin: [usize; 2],
    label_names: Vec<String>,
    images: Vec<Prediction>,
}

impl Selection {
    /// The newest weights of the run in a folder, and which of its images: another `set` is others.
    /// None before the first weights are written.
    pub fn newest(path: &Path, set: usize) -> Option<Self> {
        let run = RunDirectory::at(path);
        let folds = run.folds().unwrap_or_default().into_iter();
        let weights = folds.filter_map(|fold| {
            let written = modified(&run.fold(fold).file(soup_model::WEIGHTS_FILE))?;
            Some(Self { fold, written, set })
        });
        weights.max_by_key(|of| of.written)
    }

    /// Predicts the images.
    ///
    /// # Errors
    /// Where the run, its images or its weights cannot be read.
    pub fn predict(&self, path: &Path) -> Result<PredictedImages, Error> {
        let run = RunDirectory::at(path);
        let owned = OwnedData::held_out(&run.config()?.check()?, &run)?;
        let data = owned.borrow();
        let examples = data.validation()?;
        let rows = data
            .held_out_rows
            .get(self.fold)
            .map_or(&[][..], Vec::as_slice);
        let (shape, names) = (examples.shape(), data.label_names);
        let model = Predictor::open(&[path.to_owned()], Some(&[self.fold]))?.model(Some(shape))?;
        let mut session = Session::new(&model, shape, &DeviceName::Auto.with_threads(THREADS))?;
        let mut images = Vec::new();
        for place in 0..COUNT.min(rows.len()) {
            // Far from one another, as images beside each other may be alike.
            let place = (place * rows.len() / COUNT.min(rows.len()) + self.set) % rows.len();
            let row = rows[place];
            let (mut pixels, mut targets) = (vec![0; shape.len()], vec![0.0; names.len()]);
            examples.read(row, &mut pixels, &mut targets)?;
            let sample = Sample {
                id: data.ids[row as usize].clone(),
                fold: self.fold as u32,
                labels: (0..names.len()).filter(|at| targets[*at] > 0.5).collect(),
                image: InlineImage::image(&pixels, shape),
            };
            let question = Question {
                pixels: &pixels,
                maps: true,
            };
            let mut replies = Vec::new();
            session.run_all(&model, &[question], &mut |_, reply| replies.push(reply))?;
            for reply in replies {
                let table = ScoredPredictions::new(&reply.probabilities, &targets, names, &[0.5]);
                let loss = table.map(|table| table.row_values(RowMetric::Loss));
                let loss = loss.ok().and_then(|of| of.first().copied());
                let mut wrong = Prediction::of(
                    sample.clone(),
                    loss.unwrap_or(f64::NAN),
                    &reply.probabilities,
                );
                if let Some(maps) = &reply.maps {
                    add_heats(&mut wrong, maps, &reply.probabilities);
                }
                images.push(wrong);
            }
        }
        let origin = model.members.first().map(|member| &member.origin);
        Ok(PredictedImages {
            origin: origin.map_or([self.fold, 0], |of| [of.fold, of.epoch]),
            label_names: names.to_vec(),
            images,
        })
    }
}

/// The maps of the worst answers and, where there are few, of the labels with the highest probability.
fn add_heats(wrong: &mut Prediction, maps: &LabelMaps, probabilities: &[f32]) {
    wrong.add_heats(maps);
    let is_right =
        |label: &usize| wrong.sample.labels.contains(label) && probabilities[*label] > 0.5;
    let mut right: Vec<usize> = (0..probabilities.len()).filter(is_right).collect();
    right.sort_by(|a, b| {
        probabilities[*b]
            .total_cmp(&probabilities[*a])
            .then(a.cmp(b))
    });
    let room = HEATS - wrong.heats.len();
    let right = right.into_iter().take(room);
    wrong
        .heats
        .extend(right.map(|label| HeatMap::of(maps, label)));
}

impl PredictedImages {
    /// The images as HTML.
    pub fn draw(&self, words: &Words) -> Markup {
        let [fold, epoch] = self.origin;
        let has_maps = self.images.iter().any(|of| !of.heats.is_empty());
        html! {
            p.soft {
                ((words.live.predicted_by)(fold, epoch)) " "
                @if has_maps { (words.live.maps_note) } @else { (words.live.no_maps) }
            }
            ol.wrong {
                @for (place, of) in self.images.iter().enumerate() {
                    li { (wrong::of(words, &self.label_names, of, &format!("p{place}"))) }
                }
            }
        }
    }
}
