//! What a person sees of a training: a table with a row an epoch, and a bar below it. Whole at 60 columns.

use soup_train::{
    progress::{Event, Progress},
    runs::EpochRecord,
};

use super::{Bar, left};
use crate::console::Console;

/// Names of the columns of [`row`], in its widths.
const HEADER: &str = " epoch    loss   valid    acc     mAP   rate   img/s    left";

/// A bar for the epoch at hand, a row of a table for each that is over.
pub struct TrainingProgress {
    console: Console,
    bar: Option<Bar>,
    /// Whether the last line belongs to the table, so that a row needs no header.
    in_table: bool,
    epochs: usize,
    seconds_left: Option<f64>,
}

impl TrainingProgress {
    pub fn new(console: Console) -> Self {
        Self {
            console,
            bar: None,
            in_table: false,
            epochs: 0,
            seconds_left: None,
        }
    }

    fn show(&mut self, bar: Bar) -> &Bar {
        self.clear();
        self.bar.insert(bar)
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish();
        }
    }

    fn note(&mut self, line: &str) {
        self.clear();
        self.in_table = false;
        self.console.note(line);
    }

    fn row(&mut self, record: &EpochRecord) {
        self.clear();
        if !self.in_table {
            self.console.note(HEADER);
            self.in_table = true;
        }
        self.console
            .note(&row(record, self.epochs, self.seconds_left));
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
                self.epochs = *epochs;
                self.seconds_left = None;
                self.note(&format!(
                    "fold {fold}: {model}, {train_images} images, {valid_images} held out"
                ));
                let resumed = match steps_done {
                    0 => String::new(),
                    done => format!(", going on after step {done}"),
                };
                self.note(&format!("{epochs} epochs, {steps} steps{resumed}"));
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
                epoch,
                epochs,
                steps,
                steps_done,
                ..
            } => {
                self.epochs = *epochs;
                let what = format!("epoch {epoch}/{epochs}");
                let bar = Bar::telling(self.console, &what, *steps, "steps");
                self.show(bar).set(*steps_done);
            }
            Event::Step(step) => {
                self.seconds_left = Some(step.seconds_left);
                if let Some(bar) = &self.bar {
                    bar.say(format!(
                        "loss {}, {:.1} img/s, {} left",
                        figure(step.mean_loss).trim_start(),
                        step.images_per_second,
                        left(step.seconds_left)
                    ));
                    bar.set(step.step);
                }
            }
            Event::Evaluating { done, images, .. } => {
                if *done == 0 {
                    let bar = Bar::new(self.console, "validation", *images, "images");
                    self.show(bar);
                }
                if let Some(bar) = &self.bar {
                    bar.set(*done);
                }
            }
            Event::EpochFinished(record) => self.row(record),
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
                fold, best
            } => self.note(&format!(
                "fold {fold} is done: best epoch {}, {}",
                best.epoch,
                shares(best.accuracy, best.mean_average_precision)
            )),
        }
    }
}

impl Drop for TrainingProgress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Scores in words, a line's worth.
pub fn scores(loss: f64, accuracy: f64, map: Option<f64>) -> String {
    format!("loss {loss:.4}, {}", shares(accuracy, map))
}

fn shares(accuracy: f64, map: Option<f64>) -> String {
    let map = map.map_or(String::new(), |map| format!(", mAP {map:.4}"));
    format!("accuracy {accuracy:.4}{map}")
}

/// An epoch in a line: losses of the training and validation images, accuracy (`*`: the best so far), mAP, rate of the
/// last step, training images a second, time to the fold's end.
fn row(record: &EpochRecord, epochs: usize, seconds_left: Option<f64>) -> String {
    format!(
        "{:>6}{}{}{:>7.4}{}{:>7.4}{:>7.0e}{:>8.1}{:>8}",
        format!("{}/{epochs}", record.epoch),
        figure(record.train_loss),
        figure(record.valid_loss),
        record.valid_accuracy,
        if record.best { '*' } else { ' ' },
        record.valid_map,
        record.rate,
        record.images_per_second,
        seconds_left.map(left).unwrap_or_default()
    )
    .trim_end()
    .to_owned()
}

/// A loss in eight columns.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size < 100.0 => format!("{value:>8.4}"),
        size if size < 1e5 => format!("{value:>8.1}"),
        _ => format!("{value:>8.0e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: usize, loss: f64, best: bool) -> EpochRecord {
        EpochRecord {
            fold: 0,
            epoch,
            step: 2400,
            rate: 1.43e-2,
            train_loss: loss,
            train_accuracy: 0.8395,
            valid_loss: 0.6419,
            valid_accuracy: 0.6553,
            valid_exact_match: 0.0,
            valid_map: 0.8083,
            best,
            seconds: 516.0,
            images_per_second: 38.2,
            memory_mib: 294.0,
        }
    }

    #[test]
    fn rows_stand_below_their_names_and_fit_into_60_columns() {
        let rows = [
            row(&record(1, 7.98812, true), 7, Some(3120.4)),
            row(&record(25, 0.4239, false), 25, Some(86_400.0)),
            row(&record(2, 1234.5, false), 7, None),
            row(&record(3, f64::NAN, false), 7, Some(0.2)),
        ];
        assert_eq!(
            rows[0],
            "   1/7  7.9881  0.6419 0.6553* 0.8083   1e-2    38.2  52 min"
        );
        assert_eq!(HEADER.len(), rows[0].len());
        for row in &rows {
            assert!(row.len() <= 60, "{row}");
        }
        insta::assert_snapshot!(format!("{HEADER}\n{}", rows.join("\n")));
    }
}
