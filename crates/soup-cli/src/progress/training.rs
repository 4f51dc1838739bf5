//! What a person sees of a training.

use std::time::Duration;

use soup_train::{
    progress::{Event, Progress},
    runs::EpochRecord,
};

use super::Bar;
use crate::console::Console;

/// A bar for the epoch at hand, a line for each epoch and fold that is over.
pub struct TrainingProgress {
    console: Console,
    bar: Option<Bar>,
}

impl TrainingProgress {
    pub fn new(console: Console) -> Self {
        Self { console, bar: None }
    }

    fn bar(&mut self, what: &str, total: u64, unit: &'static str) -> &Bar {
        self.clear();
        self.bar.insert(Bar::new(self.console, what, total, unit))
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish();
        }
    }

    fn note(&mut self, line: &str) {
        self.clear();
        self.console.note(line);
    }
}

impl Progress for TrainingProgress {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::FoldStarted {
                fold,
                model,
                train_images,
                valid_images,
                epochs,
                steps,
                steps_done,
            } => {
                let resumed = match steps_done {
                    0 => String::new(),
                    done => format!(", going on after step {done}"),
                };
                self.note(&format!(
                    "fold {fold}: {model}, {train_images} images to learn from, {valid_images} \
                     held out, {epochs} epochs, {steps} steps{resumed}"
                ));
            }
            Event::OwnImages { given, pack } => self.note(&format!(
                "{given} is not there any more; the run goes on with the images that it packed, {}",
                pack.display()
            )),
            Event::WeightsLoaded { fold, what } => {
                self.note(&format!("fold {fold}: weights of {what}"));
            }
            Event::Measuring { fold } => {
                self.note(&format!("fold {fold}: timing a few steps to plan the rest"));
            }
            Event::EpochStarted {
                fold,
                epoch,
                epochs,
                steps,
                steps_done,
            } => {
                let what = format!("fold {fold}, epoch {epoch}/{epochs}");
                self.bar(&what, *steps, "steps").set(*steps_done);
            }
            Event::Step(step) => {
                if let Some(bar) = &self.bar {
                    bar.say(format!(
                        "fold {}, epoch {}: loss {:.4}, accuracy {:.4}, {:.1} images/s, {} to the \
                         fold's end",
                        step.fold,
                        step.epoch,
                        step.mean_loss,
                        step.accuracy,
                        step.images_per_second,
                        minutes(step.seconds_left)
                    ));
                    bar.set(step.step);
                }
            }
            Event::Evaluating { fold, done, images } => {
                if *done == 0 {
                    self.bar(&format!("fold {fold}, held out"), *images, "images");
                }
                if let Some(bar) = &self.bar {
                    bar.set(*done);
                }
            }
            Event::EpochFinished(record) => self.note(&epoch_line(record)),
            Event::Checkpoint(_) => {}
            Event::FoldDiverged(found) => self.note(&format!(
                "fold {} diverged in epoch {}, step {}: {}",
                found.fold, found.epoch, found.step, found.what
            )),
            Event::CutShort {
                fold,
                steps,
                planned,
            } => self.note(&format!(
                "fold {fold}: the time budget is spent, {steps} steps of the {planned} that the schedule was laid out \
                 for"
            )),
            Event::FoldFinished {
                fold,
                best_epoch,
                best_loss,
                best_accuracy,
            } => self.note(&format!(
                "fold {fold} is done: best epoch {best_epoch}, loss {best_loss:.4}, accuracy \
                 {best_accuracy:.4}"
            )),
        }
    }
}

impl Drop for TrainingProgress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn epoch_line(record: &EpochRecord) -> String {
    format!(
        "fold {}, epoch {}: loss {:.4} ({:.4} held out), accuracy {:.4} ({:.4} held out), mAP \
         {:.4}, rate {:.2e}, {:.1} images/s, {:.0} MiB{}",
        record.fold,
        record.epoch,
        record.train_loss,
        record.valid_loss,
        record.train_accuracy,
        record.valid_accuracy,
        record.valid_map,
        record.rate,
        record.images_per_second,
        record.memory_mib,
        if record.best { ", best so far" } else { "" }
    )
}

/// `3 min 20 s`.
fn minutes(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds).map_or(0, |time| time.as_secs());
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}
