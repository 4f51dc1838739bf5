//! How answers are made of what the networks say: views, calibration, thresholds, label counts.

use maud::{Markup, html};
use soup_decide::{Decision, calibration::Calibration, decision::Decoding, views::Views};

use super::{cards, grid};
use crate::{
    Run,
    plots::{Axis, Columns, Frame, Key, Line, columns, figure, lines},
};

/// Points of a drawn calibration.
const POINTS: usize = 40;

/// Nothing where neither `soup tta` nor `soup decide` was there.
pub(super) fn section(run: &Run) -> Markup {
    if run.views.is_none() && run.decision.is_none() {
        return html! {};
    }
    html! {
        h2 { "How answers are made" }
        @match &run.views {
            Some(Ok(views)) => p { (views_in_words(views)) },
            Some(Err(problem)) => p.note { "The views cannot be read: " (problem) },
            None => {}
        }
        @match &run.decision {
            Some(Ok(decision)) => (fitted(run, decision)),
            Some(Err(problem)) => p.note { "The decision cannot be read: " (problem) },
            None => p.soft { "No decision is fitted: a yes is a probability above .5. soup decide fits one." },
        }
    }
}

fn views_in_words(views: &Views) -> String {
    format!(
        "soup tta kept {} views of an image, merged by {}: {}.",
        views.views().len(),
        views.merge().name(),
        views.to_string().replace(',', ", ")
    )
}

fn fitted(run: &Run, decision: &Decision) -> Markup {
    let kept = run.views.as_ref().and_then(|views| views.as_ref().ok());
    html! {
        p {
            "soup decide fitted this on " (decision.images()) " images that were held out. Predictions are raw; \
             it is used where they are given --decision. Each part was kept only where images that it was not \
             fitted on proved a gain; soup decide says how large."
        }
        @if decision.views() != kept {
            p.note {
                "It was fitted on other views than those that soup tta kept last; run soup decide again."
            }
        }
        (cards(&facts(decision)))
        div.plots {
            (calibration(decision))
            (counts(decision))
        }
        @if decision.thresholds().iter().any(|threshold| *threshold != 0.5) { (thresholds(decision)) }
    }
}

fn facts(decision: &Decision) -> Vec<(&'static str, String, String)> {
    let calibration = match decision.calibration() {
        Calibration::None => (
            "none".to_owned(),
            "probabilities stay as they are".to_owned(),
        ),
        Calibration::Temperature { temperature } => {
            let words = match *temperature > 1.0 {
                true => "the probabilities were overconfident",
                false => "the probabilities were underconfident",
            };
            (format!("temperature {temperature:.3}"), words.to_owned())
        }
        Calibration::Platt { .. } => {
            let words = "gradient and intercept for each label".to_owned();
            ("Platt".to_owned(), words)
        }
    };
    let thresholds = decision.thresholds();
    let (low, high) = (thresholds.iter()).fold((1.0f32, 0.0f32), |(low, high), threshold| {
        (low.min(*threshold), high.max(*threshold))
    });
    let threshold = match low == high {
        true => (format!("{low:.3}"), "for every label".to_owned()),
        false => (
            format!("{low:.3} to {high:.3}"),
            "for each label its own".to_owned(),
        ),
    };
    let answers = match decision.decoding() {
        Decoding::Threshold => ("threshold", "each label for itself"),
        Decoding::Count => (
            "label counts, cells",
            "each label given how many an image has",
        ),
        Decoding::Set => (
            "label counts, sets",
            "the likeliest set given how many an image has",
        ),
    };
    let (fewest, most) = decision.prior().range();
    vec![
        ("calibration", calibration.0, calibration.1),
        ("threshold", threshold.0, threshold.1),
        ("answers by", answers.0.to_owned(), answers.1.to_owned()),
        (
            "labels an image",
            format!("{fewest} to {most}"),
            format!("of {} images", decision.prior().images()),
        ),
    ]
}

/// From raw to calibrated probabilities: one curve, or one a label.
fn calibration(decision: &Decision) -> Markup {
    let (labels, note): (&[String], _) = match decision.calibration() {
        Calibration::None => return html! {},
        Calibration::Temperature { .. } => (&[], "The same for every label."),
        Calibration::Platt { .. } => (
            decision.labels(),
            "A curve a label; point at one for its name.",
        ),
    };
    let curve = |label: usize| -> Vec<(f64, f64)> {
        let points = (0..=POINTS).map(|at| at as f64 / POINTS as f64);
        points
            .map(|raw| {
                let better = decision.calibration().of(label, raw as f32);
                (raw, f64::from(better))
            })
            .collect()
    };
    let drawn: Vec<Line> = (0..labels.len().max(1))
        .map(|label| Line {
            name: labels
                .get(label)
                .map_or("every label", |name| name)
                .to_owned(),
            colour: label,
            dashed: false,
            points: curve(label),
        })
        .chain([Line {
            name: "unchanged".to_owned(),
            colour: 7,
            dashed: true,
            points: vec![(0.0, 0.0), (1.0, 1.0)],
        }])
        .collect();
    let frame = Frame::new(
        Axis::share("probability as predicted"),
        Axis::share("calibrated probability"),
    )
    .square();
    let said: Vec<String> = [0.1f32, 0.5, 0.9]
        .iter()
        .map(|raw| {
            let all = (0..labels.len().max(1)).map(|label| decision.calibration().of(label, *raw));
            let mean = all.clone().map(f64::from).sum::<f64>() / all.len() as f64;
            format!("{raw} becomes {mean:.3}")
        })
        .collect();
    let alternative = format!(
        "What calibration makes of a probability: {}",
        said.join(", ")
    );
    let plot = lines(&frame, &drawn, &html! {}, &alternative);
    let keys = [Key::Line(7, true, "unchanged".to_owned())];
    figure("Calibration", &plot, &keys, note)
}

/// How many labels images have, as counted.
fn counts(decision: &Decision) -> Markup {
    let prior = decision.prior();
    let (first, last) = prior.range();
    let images = prior.images() as f64;
    let shares: Vec<f64> = (prior.with_count()[first..=last].iter())
        .map(|with| *with as f64 / images)
        .collect();
    let data = Columns {
        x: "labels in an image",
        y: "share of the images",
        first,
        heights: &[shares],
        rule: None,
    };
    let alternative = format!("How many labels images have: from {first} to {last}");
    let note = match decision.decoding() {
        Decoding::Threshold => "Counted; answers do not use it.",
        Decoding::Count | Decoding::Set => "Answers are made with these counts.",
    };
    figure("Label counts", &columns(&data, &alternative), &[], note)
}

fn thresholds(decision: &Decision) -> Markup {
    let rows: Vec<Vec<String>> = (decision.labels().iter().zip(decision.thresholds()))
        .map(|(label, threshold)| vec![label.clone(), format!("{threshold:.3}")])
        .collect();
    html! {
        details {
            summary { "Thresholds of calibrated probabilities" }
            (grid(&["label", "#threshold"], &rows))
        }
    }
}
