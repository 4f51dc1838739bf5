//! How training went: loss, accuracy and rate by epoch, a colour a fold.

use maud::{Markup, html};
use soup_learn::runs::EpochRecord;

use crate::Run;
use crate::plots::{Axis, Frame, Key, Line, figure, lines, number};

pub(super) fn section(run: &Run) -> Markup {
    if run.epochs.is_empty() {
        return html! {};
    }
    let loss = Curve {
        title: "Loss by epoch",
        axis: "loss, mean binary cross-entropy",
        sides: &[(true, |of| of.train_loss), (false, |of| of.valid_loss)],
        from_zero: false,
        note: match run.config.boxes.is_on() {
            true => "Training counts what boxes teach the maps too, so its loss lies higher.",
            false => "",
        },
    };
    let accuracy = Curve {
        title: "Accuracy by epoch",
        axis: "accuracy, share of right cells",
        sides: &[
            (true, |of| of.train_accuracy),
            (false, |of| of.valid_accuracy),
        ],
        from_zero: false,
        note: "Training pictures are counted as they are learned from, augmented and with dropout.",
    };
    let precision = Curve {
        title: "Mean average precision by epoch",
        axis: "mAP of held-out pictures",
        sides: &[(false, |of| of.valid_map)],
        from_zero: false,
        note: "",
    };
    let rate = Curve {
        title: "Learning rate by epoch",
        axis: "learning rate at the end of the epoch",
        sides: &[(false, |of| of.rate)],
        from_zero: true,
        note: "",
    };
    html! {
        h2 { "Training" }
        div.plots {
            @for curve in [loss, accuracy, precision, rate] { (curve.draw(run)) }
        }
    }
}

/// Whether it is the training's side, and its figure.
type Side = (bool, fn(&EpochRecord) -> f64);

struct Curve<'a> {
    title: &'a str,
    axis: &'a str,
    sides: &'a [Side],
    from_zero: bool,
    note: &'a str,
}

impl Curve<'_> {
    fn draw(&self, run: &Run) -> Markup {
        let folds = run.begun();
        let mut drawn = Vec::new();
        for (colour, fold) in folds.iter().enumerate() {
            for (training, figure) in self.sides {
                drawn.push(Line {
                    name: format!("fold {fold}{}", self.side(*training)),
                    colour,
                    dashed: *training,
                    points: (run.of_fold(*fold))
                        .map(|record| (record.epoch as f64, figure(record)))
                        .collect(),
                });
            }
        }
        let values = drawn
            .iter()
            .flat_map(|line| &line.points)
            .map(|point| point.1);
        let axis = match self.from_zero {
            true => Axis::from_zero(self.axis, values),
            false => Axis::by_range(self.axis, values),
        };
        let frame = Frame::new(epochs(run), axis);
        let mut keys: Vec<Key> = (folds.iter().enumerate())
            .map(|(colour, fold)| Key::Line(colour, false, format!("fold {fold}")))
            .collect();
        if self.sides.len() > 1 {
            keys.push(Key::Line(7, true, "training".to_owned()));
            keys.push(Key::Line(7, false, "held out".to_owned()));
        }
        let alternative = format!("{}: {}", self.title, self.words(run, &folds));
        let plot = lines(&frame, &drawn, &html! {}, &alternative);
        figure(self.title, &plot, &keys, self.note)
    }

    /// Which side of a fold it is, where there are two.
    fn side(&self, training: bool) -> &'static str {
        match (self.sides.len(), training) {
            (1, _) => "",
            (_, true) => ", training",
            (_, false) => ", held out",
        }
    }

    /// The curves in words: where each ends.
    fn words(&self, run: &Run, folds: &[usize]) -> String {
        let mut words = Vec::new();
        for fold in folds {
            for (training, figure) in self.sides {
                let side = self.side(*training);
                let known = || {
                    run.of_fold(*fold)
                        .filter(|record| figure(record).is_finite())
                };
                if let (Some(first), Some(last)) = (known().next(), known().last()) {
                    let [from, to] = [first, last].map(|record| number(figure(record)));
                    words.push(format!(
                        "fold {fold}{side} from {from} to {to} in epoch {}",
                        last.epoch
                    ));
                }
            }
        }
        words.join("; ")
    }
}

/// The axis of the epochs.
pub(super) fn epochs(run: &Run) -> Axis {
    let last = run
        .epochs
        .iter()
        .map(|record| record.epoch)
        .max()
        .unwrap_or(1);
    match last {
        1 => Axis::new("epoch", 0.0, 2.0).whole(),
        last => Axis::new("epoch", 1.0, last as f64).whole(),
    }
}
