//! How training went: loss, accuracy and rate by epoch, a colour a fold.

use maud::{Markup, html};
use soup_train::runs::EpochRecord;

use crate::{
    Run,
    plots::{Axis, Frame, Key, Line, figure, lines, number},
    words::{ENGLISH, Words},
};

pub(super) fn section(run: &Run) -> Markup {
    if run.epochs.is_empty() {
        return html! {};
    }
    html! {
        h2 { "Training" }
        (plots(run, &ENGLISH))
    }
}

/// The curves of a run that has an epoch.
pub(crate) fn plots(run: &Run, words: &Words) -> Markup {
    let loss = Curve {
        title: words.loss_by_epoch,
        axis: words.loss_axis,
        sides: &[(true, |of| of.train_loss), (false, |of| of.valid_loss)],
        from_zero: false,
        note: match run.config.boxes.is_on() {
            true => words.boxes_note,
            false => "",
        },
        words,
    };
    let accuracy = Curve {
        title: words.accuracy_by_epoch,
        axis: words.accuracy_axis,
        sides: &[
            (true, |of| of.train_accuracy),
            (false, |of| of.valid_accuracy),
        ],
        from_zero: false,
        note: words.training_note,
        words,
    };
    let precision = Curve {
        title: words.precision_by_epoch,
        axis: words.precision_axis,
        sides: &[(false, |of| of.valid_map)],
        from_zero: false,
        note: "",
        words,
    };
    let rate = Curve {
        title: words.rate_by_epoch,
        axis: words.rate_axis,
        sides: &[(false, |of| of.rate)],
        from_zero: true,
        note: "",
        words,
    };
    html! {
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
    words: &'a Words,
}

impl Curve<'_> {
    fn draw(&self, run: &Run) -> Markup {
        let folds = run.begun();
        let mut drawn = Vec::new();
        for (colour, fold) in folds.iter().enumerate() {
            for (training, figure) in self.sides {
                drawn.push(Line {
                    name: self.name(*fold, *training),
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
        let frame = Frame::new(epochs(run, self.words), axis);
        let mut keys: Vec<Key> = (folds.iter().enumerate())
            .map(|(colour, fold)| Key::Line(colour, false, (self.words.fold)(*fold)))
            .collect();
        if self.sides.len() > 1 {
            keys.push(Key::Line(7, true, self.words.training.to_owned()));
            keys.push(Key::Line(7, false, self.words.held_out.to_owned()));
        }
        let alternative = format!("{}: {}", self.title, self.said(run, &folds));
        let plot = lines(&frame, &drawn, &html! {}, &alternative);
        figure(self.title, &plot, &keys, self.note)
    }

    /// A fold and, where there are two, its side.
    fn name(&self, fold: usize, training: bool) -> String {
        let fold = (self.words.fold)(fold);
        match (self.sides.len(), training) {
            (1, _) => fold,
            (_, true) => format!("{fold}, {}", self.words.training),
            (_, false) => format!("{fold}, {}", self.words.held_out),
        }
    }

    /// The curves in words: where each ends.
    fn said(&self, run: &Run, folds: &[usize]) -> String {
        let mut said = Vec::new();
        for fold in folds {
            for (training, figure) in self.sides {
                let name = self.name(*fold, *training);
                let known = || {
                    run.of_fold(*fold)
                        .filter(|record| figure(record).is_finite())
                };
                if let (Some(first), Some(last)) = (known().next(), known().last()) {
                    let [from, to] = [first, last].map(|record| number(figure(record)));
                    said.push((self.words.goes)(&name, &from, &to, last.epoch));
                }
            }
        }
        said.join("; ")
    }
}

/// The axis of the epochs.
pub(super) fn epochs(run: &Run, words: &Words) -> Axis {
    let last = run
        .epochs
        .iter()
        .map(|record| record.epoch)
        .max()
        .unwrap_or(1);
    match last {
        1 => Axis::new(words.epoch, 0.0, 2.0).whole(),
        last => Axis::new(words.epoch, 1.0, last as f64).whole(),
    }
}
