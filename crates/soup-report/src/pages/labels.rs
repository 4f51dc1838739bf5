//! The labels: their scores, which are confused, and how well probabilities are calibrated.

use maud::{Markup, html};

use super::{grid, share};
use crate::facts::{Confusion, Pair, Reliability, label_counts, threshold_curve};
use crate::plots::{
    Axis, Bar, Columns, Frame, Key, Line, Matrix, bars, columns, figure, lines, matrix, number,
};
use crate::{Run, Validation};

/// More labels than this do not fit into a plot; the worst are drawn.
const MOST_BARS: usize = 60;
const MOST_CELLS: usize = 32;
const BINS: usize = 10;
/// A pair this many standard deviations above chance is shown; a few of a thousand get there by chance.
const SIGNIFICANT: f64 = 3.0;
/// The darkest cell is at least so far above chance.
const DARKEST: f64 = 6.0;
/// Cells this little above chance are left out.
const FAINTEST: f64 = 0.5;
/// Pairs in the table.
const PAIRS: usize = 12;

pub(super) fn section(run: &Run, validation: &Validation) -> Markup {
    html! {
        h2 { "Labels" }
        div.plots { (accuracy(validation)) (confusion(validation)) }
        (table(validation))
        h2 { "Probabilities and answers" }
        div.plots { (reliability(validation)) (threshold(validation)) (counts(run, validation)) }
    }
}

fn accuracy(validation: &Validation) -> Markup {
    let rows = validation.rows.len() as f64;
    let mut all: Vec<_> = validation.evaluation.labels.iter().collect();
    all.sort_by(|a, b| a.accuracy.total_cmp(&b.accuracy));
    let (worst, best) = (all[0], all[all.len() - 1]);
    let alternative = format!(
        "Accuracy of each label: from {} for {} to {} for {}; the table has all.",
        share(worst.accuracy),
        worst.label,
        share(best.accuracy),
        best.label
    );
    let cut = all.len() > MOST_BARS;
    if cut {
        all.truncate(MOST_BARS);
    } else {
        all = validation.evaluation.labels.iter().collect();
    }
    let drawn: Vec<Bar> = (all.iter())
        .map(|label| {
            let present = label.support as f64 / rows;
            Bar {
                name: label.label.clone(),
                value: label.accuracy,
                mark: Some(present.max(1.0 - present)),
                words: format!(
                    "{}: accuracy {}, always the more frequent answer {}",
                    label.label,
                    share(label.accuracy),
                    share(present.max(1.0 - present))
                ),
            }
        })
        .collect();
    let plot = bars(
        &Axis::share("accuracy, share of right answers"),
        &drawn,
        &alternative,
    );
    let note = match cut {
        true => format!(
            "The mark is what the more frequent answer alone would score. The worst {MOST_BARS} of {} labels.",
            validation.labels().len()
        ),
        false => "The mark is what the more frequent answer alone would score.".to_owned(),
    };
    figure("Accuracy of each label", &plot, &[], &note)
}

fn table(validation: &Validation) -> Markup {
    let rows: Vec<Vec<String>> = (validation.evaluation.labels.iter())
        .map(|label| {
            vec![
                label.label.clone(),
                label.support.to_string(),
                label.predicted.to_string(),
                share(label.accuracy),
                share(label.precision),
                share(label.recall),
                share(label.f1),
                label.average_precision.map_or("-".into(), share),
                share(label.loss),
            ]
        })
        .collect();
    grid(
        &[
            "label",
            "#true",
            "#predicted",
            "#accuracy",
            "#precision",
            "#recall",
            "#F1",
            "#AP",
            "#loss",
        ],
        &rows,
    )
}

fn confusion(validation: &Validation) -> Markup {
    let names = validation.labels();
    let confusion = Confusion::of(&validation.answers, &validation.targets, names.len());
    let mut shown: Vec<usize> = (0..names.len()).collect();
    if shown.len() > MOST_CELLS {
        shown.sort_by_key(|label| std::cmp::Reverse(confusion.wrong(*label)));
        shown.truncate(MOST_CELLS);
        shown.sort_unstable();
    }
    let own: Vec<String> = shown.iter().map(|label| names[*label].clone()).collect();
    let words = |negative: usize, positive: usize, images: usize, expected: f64| {
        format!(
            "false negative {}, false positive {}: {images} images, {} by chance",
            names[negative],
            names[positive],
            number(expected)
        )
    };
    let pairs = confusion.above_chance(SIGNIFICANT);
    let alternative = match pairs.first() {
        None => {
            "No false negative goes with a false positive more often than by chance.".to_owned()
        }
        Some(pair) => format!(
            "Pairs of a false negative and a false positive above chance: {}. The furthest is {}.",
            pairs.len(),
            words(
                pair.false_negative,
                pair.false_positive,
                pair.images,
                pair.expected
            )
        ),
    };
    if confusion.above_chance(FAINTEST).is_empty() {
        return html! {
            div {
                h3 { "Confused labels" }
                p { "No false negative goes with a false positive more often than by chance." }
            }
        };
    }
    let furthest = pairs.first().map_or(0.0, Pair::excess);
    let darkest = furthest.max(DARKEST);
    let plot = matrix(
        &Matrix {
            names: &own,
            rows: "false negative",
            columns: "false positive, in the same order",
        },
        |row, column| {
            let pair = confusion.pair(shown[row], shown[column]);
            let dark = match pair.excess() {
                excess if excess > FAINTEST => excess / darkest,
                _ => 0.0,
            };
            (
                dark,
                words(
                    pair.false_negative,
                    pair.false_positive,
                    pair.images,
                    pair.expected,
                ),
            )
        },
        &alternative,
    );
    let mut note = String::from(
        "Images in which one label is a false negative and another a false positive, compared with chance. \
         The darker, the further above chance.",
    );
    if names.len() > MOST_CELLS {
        note.push_str(&format!(
            " The {MOST_CELLS} labels with the most wrong answers of {}.",
            names.len()
        ));
    }
    if pairs.is_empty() {
        note.push_str(" No pair is clearly above chance.");
    }
    let rows: Vec<Vec<String>> = (pairs.iter().take(PAIRS))
        .map(|pair| {
            vec![
                names[pair.false_negative].clone(),
                names[pair.false_positive].clone(),
                pair.images.to_string(),
                number(pair.expected),
            ]
        })
        .collect();
    html! {
        div {
            (figure("Confused labels", &plot, &[], &note))
            @if !rows.is_empty() { (grid(&["false negative", "false positive", "#images", "#by chance"], &rows)) }
        }
    }
}

fn reliability(validation: &Validation) -> Markup {
    let diagram = Reliability::of(&validation.probabilities, &validation.targets, BINS);
    let frame = Frame::new(
        Axis::share("mean probability"),
        Axis::share("share of cells whose label is true"),
    )
    .square();
    let curve = Line {
        name: "all cells".to_owned(),
        colour: 0,
        dashed: false,
        points: (diagram.bins.iter())
            .map(|bin| (bin.probability, bin.present))
            .collect(),
    };
    let perfect = Line {
        name: "perfect calibration".to_owned(),
        colour: 7,
        dashed: true,
        points: vec![(0.0, 0.0), (1.0, 1.0)],
    };
    let largest = diagram.bins.iter().map(|bin| bin.count).max().unwrap_or(1) as f64;
    let (_, _, _, bottom) = frame.edges();
    // Cells of each point, as bars at the bottom.
    let behind = html! {
        @for bin in &diagram.bins {
            @let height = bin.count as f64 / largest * 40.0;
            rect.area.c7 x=(format!("{:.1}", frame.x(bin.probability) - 6.0)) y=(format!("{:.1}", bottom - height))
                width="12" height=(format!("{height:.1}")) fill-opacity=".35" {
                title { (bin.count) " cells" }
            }
        }
    };
    let said: Vec<String> = (diagram.bins.iter())
        .map(|bin| format!("{:.2} is true {:.2}", bin.probability, bin.present))
        .collect();
    let alternative = format!(
        "Reliability: a mean probability of {}. Expected calibration error {:.4}.",
        said.join(", "),
        diagram.error
    );
    let plot = lines(&frame, &[perfect, curve], &behind, &alternative);
    let keys = [
        Key::Line(0, false, "all cells, in tenths of probability".to_owned()),
        Key::Line(7, true, "perfect calibration".to_owned()),
        Key::Area(7, "number of cells".to_owned()),
    ];
    let note = format!(
        "Expected calibration error {:.4}: the mean distance of probability and truth over all cells. Below \
         the line, probabilities are too high.",
        diagram.error
    );
    figure("Calibration of probabilities", &plot, &keys, &note)
}

fn threshold(validation: &Validation) -> Markup {
    let curve = threshold_curve(&validation.probabilities, &validation.targets);
    type Figure = fn(&crate::facts::AtThreshold) -> f64;
    let figures: [(&str, Figure); 4] = [
        ("accuracy", |at| at.accuracy),
        ("precision", |at| at.precision),
        ("recall", |at| at.recall),
        ("F1", |at| at.f1),
    ];
    let drawn: Vec<Line> = (figures.iter().enumerate())
        .map(|(colour, (name, figure))| Line {
            name: (*name).to_owned(),
            colour,
            dashed: false,
            points: curve.iter().map(|at| (at.threshold, figure(at))).collect(),
        })
        .collect();
    let best = |figure: Figure| {
        // The one nearest to one half where several are equally good.
        let distance = |at: &crate::facts::AtThreshold| (at.threshold - 0.5).abs();
        curve.iter().max_by(|a, b| {
            (figure(a).total_cmp(&figure(b))).then(distance(b).total_cmp(&distance(a)))
        })
    };
    let said = match (best(|at| at.accuracy), best(|at| at.f1)) {
        (Some(accuracy), Some(f1)) => format!(
            "Accuracy is highest at {:.2} ({}), F1 at {:.2} ({}).",
            accuracy.threshold,
            share(accuracy.accuracy),
            f1.threshold,
            share(f1.f1)
        ),
        _ => String::new(),
    };
    let frame = Frame::new(
        Axis::share("threshold: a probability above it is a yes"),
        Axis::share("score over all cells"),
    );
    let keys: Vec<Key> = (figures.iter().enumerate())
        .map(|(colour, (name, _))| Key::Line(colour, false, (*name).to_owned()))
        .collect();
    let alternative = format!("Scores at every threshold. {said}");
    let plot = lines(&frame, &drawn, &html! {}, &alternative);
    let note = format!(
        "{said} The score of a threshold on the images that it was chosen on is too high; soup decide scores \
         it on others."
    );
    figure("Scores by threshold", &plot, &keys, &note)
}

fn counts(run: &Run, validation: &Validation) -> Markup {
    let labels = validation.labels().len();
    let rows = validation.rows.len() as f64;
    let truth = label_counts(
        validation.targets.iter().map(|target| *target > 0.5),
        labels,
    );
    let predicted = label_counts(validation.answers.iter().copied(), labels);
    let rule = rule(run, labels);
    let used = |count: usize| {
        truth[count] + predicted[count] > 0 || rule.as_ref().is_some_and(|rule| rule[count] > 0.0)
    };
    let first = (0..=labels).find(|count| used(*count)).unwrap_or(0);
    let last = (0..=labels).rev().find(|count| used(*count)).unwrap_or(0);
    let shares = |counts: &[usize]| -> Vec<f64> {
        let shares = counts[first..=last]
            .iter()
            .map(|count| *count as f64 / rows);
        shares.collect()
    };
    let heights = [shares(&truth), shares(&predicted)];
    let mean = |counts: &[usize]| {
        let sum: usize = counts
            .iter()
            .enumerate()
            .map(|(of, count)| of * count)
            .sum();
        sum as f64 / rows
    };
    let said = format!(
        "Images have {:.2} labels on average; {:.2} are predicted.",
        mean(&truth),
        mean(&predicted)
    );
    let expected: Option<Vec<f64>> = rule.as_ref().map(|rule| {
        let height = |share: &f64| if *share > 0.0 { *share } else { f64::NAN };
        rule[first..=last].iter().map(height).collect()
    });
    let data = Columns {
        x: "labels in an image",
        y: "share of the images",
        first,
        heights: &heights,
        rule: expected.as_deref(),
    };
    let mut note = said.clone();
    if let Some([fewest, most]) = rule.map(|_| run.config.compose.letters) {
        note.push_str(&format!(
            " The marks are the distribution of composed images: {fewest} to {most}, equally likely."
        ));
    }
    let alternative = format!("How many labels images have, and how many are predicted. {said}");
    let plot = columns(&data, &alternative);
    let keys = [
        Key::Area(0, "true".to_owned()),
        Key::Area(1, "predicted".to_owned()),
    ];
    figure("How many labels an image has", &plot, &keys, &note)
}

/// The share of images with each number of labels, where they are composed and it is known.
fn rule(run: &Run, labels: usize) -> Option<Vec<f64>> {
    let [fewest, most] = run.config.compose.letters.map(|count| count as usize);
    if run.config.data.compose_share == 0.0 || most > labels {
        return None;
    }
    let share = 1.0 / (most - fewest + 1) as f64;
    let inside = |count| (fewest..=most).contains(&count);
    Some(
        (0..=labels)
            .map(|count| if inside(count) { share } else { 0.0 })
            .collect(),
    )
}
