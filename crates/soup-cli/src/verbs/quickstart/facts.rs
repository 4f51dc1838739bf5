//! What a quickstart came to.

use std::{path::PathBuf, time::Instant};

use serde::Serialize;
use soup_decide::{Decision, metrics::Interval, views::Views};
use soup_train::trainer::TrainSummary;

use super::plan::{Places, Plan};
use crate::verbs::evaluate::Score;

#[derive(Debug, Serialize)]
pub struct Facts {
    /// On images of glyphs that the training never saw.
    test_accuracy: f64,
    test_accuracy_interval: Interval,
    /// On the labelled images that the trained folds held out.
    oof_accuracy: f64,
    /// What saying no to everything would score on the test images.
    accuracy_of_all_zeros: f64,
    #[serde(rename = "pictures")]
    images: u32,
    #[serde(rename = "test_pictures")]
    test_images: u32,
    #[serde(rename = "oof_pictures")]
    oof_images: usize,
    folds_trained: usize,
    folds: usize,
    /// Folds whose minutes were over before their schedule was at its end.
    folds_cut_short: Vec<usize>,
    /// Views of the test images.
    views: Views,
    /// How probabilities became answers.
    decision: Option<PathBuf>,
    seconds: f64,
    run: PathBuf,
    data: PathBuf,
    packs: [PathBuf; 2],
    fold_file: PathBuf,
    predictions: PathBuf,
    sample_submission: PathBuf,
    submission: PathBuf,
}

impl Facts {
    pub fn new(
        summary: &TrainSummary,
        decision: Option<&Decision>,
        folds_trained: usize,
        score: &Score,
        plan: &Plan,
        places: Places,
        started: Instant,
    ) -> Self {
        Self {
            test_accuracy: score.accuracy(),
            test_accuracy_interval: score.accuracy_interval(),
            oof_accuracy: summary.out_of_fold.accuracy,
            accuracy_of_all_zeros: score.accuracy_of_all_zeros(),
            images: plan.images,
            test_images: plan.test_images,
            oof_images: summary.out_of_fold_images,
            folds_trained,
            folds: summary.fold_count,
            folds_cut_short: (summary.folds.iter())
                .filter(|fold| fold.cut_short.is_some())
                .map(|fold| fold.fold)
                .collect(),
            views: decision
                .and_then(Decision::views)
                .cloned()
                .unwrap_or_default(),
            decision: decision.map(|_| places.decision),
            seconds: started.elapsed().as_secs_f64(),
            run: places.run,
            data: places.data,
            packs: [places.train_pack, places.test_pack],
            fold_file: places.folds,
            predictions: places.predictions,
            sample_submission: places.sample,
            submission: places.submission,
        }
    }

    pub fn text(&self) -> String {
        let (run, data) = (self.run.display(), self.data.display());
        let [train_pack, test_pack] = self.packs.each_ref().map(|path| path.display());
        let mut text = format!(
            "Learned to read noisy letters in {:.0} s.\n\n\
             test accuracy         {:.4}  (95 % interval {:.4} to {:.4}) on {} images of glyphs \
             that training never saw\n\
             out-of-fold accuracy  {:.4}  on the {} labelled images that {} held out, by which \
             the best epoch was chosen\n\
             all zeros             {:.4}  the score of answering no to everything\n\n",
            self.seconds,
            self.test_accuracy,
            self.test_accuracy_interval.low,
            self.test_accuracy_interval.high,
            self.test_images,
            self.oof_accuracy,
            self.oof_images,
            self.folds_in_words(),
            self.accuracy_of_all_zeros,
        );
        if self.folds_trained < self.folds {
            text.push_str(&format!(
                "Only {} of {} folds, as a few minutes do not suffice for more: the same command with \
                 --folds {} trains the others too.\n\n",
                self.folds_trained, self.folds, self.folds
            ));
        }
        let (decision, decided) = match &self.decision {
            Some(file) => (
                format!(" --decision {}", file.display()),
                format!(
                    "  {}  views of images ({}) and how answers are decided\n",
                    file.display(),
                    self.views
                ),
            ),
            None => Default::default(),
        };
        text.push_str(&format!(
            "What it made:\n  \
             {data}/train  {} labelled images, answer.csv, boxes.csv\n  \
             {data}/test  {} test images of other glyphs, with their answers\n  \
             {train_pack}, {test_pack}  both decoded once; NumPy opens pictures.npy\n  \
             {}  which image is held out in which of {} folds\n  \
             {run}  settings, metrics, log, best weights, out-of-fold probabilities\n  \
             {}  probabilities of the test images\n  \
             {}  the submission, in the shape of {}\n{decided}\n",
            self.images,
            self.test_images,
            self.fold_file.display(),
            self.folds,
            self.predictions.display(),
            self.submission.display(),
            self.sample_submission.display(),
        ));
        text.push_str(&format!(
            "Next:\n  \
             soup evaluate {run}\n  \
             soup evaluate {run} --data {test_pack}{decision}\n  \
             soup report   {run}\n\n\
             The same on images of your own (labels.csv: an id column, then a 0/1 column a label):\n  \
             soup pack     --images images/ --labels labels.csv --out pack/\n  \
             soup folds    --data pack/ --kind stratified --k 5 --seed 42 --out folds.json\n  \
             soup train    --preset dacon12 --data pack/ --out runs/first folds.file=folds.json\n  \
             soup evaluate runs/first\n  \
             soup predict  runs/first --images test/ --out probs.csv\n  \
             soup submit   probs.csv --sample sample_submission.csv --out submission.csv\n"
        ));
        text
    }

    fn folds_in_words(&self) -> String {
        match self.folds_trained {
            1 => format!("fold 0 of {}", self.folds),
            trained => format!("{trained} of {} folds", self.folds),
        }
    }
}
