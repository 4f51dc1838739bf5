//! What was trained, how good it is, and what it cost.

use maud::{Markup, html};
use soup_decide::metrics::Interval;

use super::{between, cards, duration, grid, run::ReportedRun, share};
use crate::{Run, Validation};

pub(super) fn section(shown: &ReportedRun) -> Markup {
    let run = &shown.run;
    html! {
        p { (what(shown)) }
        (cards(&facts(shown)))
        @for found in &run.diverged { p.note { "Diverged: " (found) "." } }
        @if let Err(reason) = &shown.validation {
            p.note { "The predictions of held-out images are not shown: " (reason) }
        } @else if run.trained.len() < run.folds {
            p.note {
                (run.trained.len()) " of " (run.folds) " folds are trained to their end; only the images that they \
                 hold out are scored."
            }
        }
        @if let Ok(validation) = &shown.validation { (scores(validation)) }
        (folds(run))
    }
}

/// The run in a sentence.
fn what(shown: &ReportedRun) -> String {
    let Run { config, .. } = &shown.run;
    let mut text = config.model.name.clone();
    if let Ok(validation) = &shown.validation {
        if let Some((parameters, multiply_adds)) = validation.network {
            text.push_str(&format!(
                " ({parameters} parameters, {:.0} million multiply-adds an image)",
                multiply_adds as f64 / 1e6
            ));
        }
        let size = validation.image.map(|image| format!(" of {image}"));
        text.push_str(&format!(
            " on images{} with {} labels",
            size.unwrap_or_default(),
            validation.labels().len()
        ));
    }
    let data = &config.data;
    text.push_str(&match (data.only_composed(), data.compose_share > 0.0) {
        (true, _) => ", all composed on the fly".to_owned(),
        (_, true) => format!(
            ", from {} and {:.0} % composed on the fly",
            data.path,
            100.0 * data.compose_share
        ),
        _ => format!(", from {}", data.path),
    });
    text.push('.');
    text
}

fn facts(shown: &ReportedRun) -> Vec<(&'static str, String, String)> {
    let run = &shown.run;
    let mut facts = Vec::new();
    match &shown.validation {
        Ok(validation) => facts.push((
            "accuracy out of fold",
            share(validation.evaluation.accuracy),
            format!(
                "95 % interval {}; all zeros {}",
                between(validation.intervals.accuracy),
                share(validation.accuracy_of_all_zeros())
            ),
        )),
        Err(_) => facts.extend(run.best_accuracy().map(|accuracy| {
            let words = "mean of the folds at their best epochs".to_owned();
            ("accuracy held out", share(accuracy), words)
        })),
    }
    let most = run.epochs.iter().map(|record| record.epoch).max();
    facts.push((
        "trained",
        match most {
            Some(epochs) => format!("{epochs} epochs"),
            None => "no epoch yet".to_owned(),
        },
        format!("{} of {} folds ended", run.trained.len(), run.folds),
    ));
    let speed = mean(run.epochs.iter().map(|record| record.images_per_second));
    facts.push((
        "cost",
        duration(run.seconds()),
        speed.map_or(String::new(), |speed| {
            format!("{speed:.0} images/s in training")
        }),
    ));
    let memory = run.epochs.iter().map(|record| record.memory_mib);
    facts.extend(memory.reduce(f64::max).map(|memory| {
        let words = "peak of the process".to_owned();
        ("memory", format!("{memory:.0} MiB"), words)
    }));
    facts
}

pub(crate) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn scores(validation: &Validation) -> Markup {
    let (all, of) = (&validation.evaluation, &validation.intervals);
    let row = |name: &str, value: f64, interval: Option<Interval>, words: &str| {
        let none = || {
            of.missing
                .get(name)
                .map_or("-".to_owned(), |why| format!("none: {why}"))
        };
        let interval = interval.map_or_else(none, between);
        vec![format!("{name}: {words}"), share(value), interval]
    };
    let mut rows = vec![
        row(
            "accuracy",
            all.accuracy,
            Some(of.accuracy),
            "share of right cells",
        ),
        row(
            "exact match",
            all.exact_match,
            Some(of.exact_match),
            "share of images with every label right",
        ),
    ];
    if let Some(value) = all.mean_average_precision {
        rows.push(row(
            "mAP",
            value,
            of.mean_average_precision,
            "mean over the labels of average precision",
        ));
    }
    rows.extend([
        row("CF1", all.class_f1, of.class_f1, "mean of the labels' F1"),
        row("OF1", all.overall_f1, of.overall_f1, "F1 over all cells"),
        row(
            "OP",
            all.overall_precision,
            of.overall_precision,
            "precision over all cells",
        ),
        row(
            "OR",
            all.overall_recall,
            of.overall_recall,
            "recall over all cells",
        ),
        row("loss", all.loss, of.loss, "mean binary cross-entropy"),
    ]);
    html! {
        h2 { "Scores" }
        p.soft {
            (validation.rows.len()) " images, each predicted by the fold that held it out. A yes is a probability above .5."
        }
        (grid(&["score", "#value", "#95 % interval"], &rows))
    }
}

fn folds(run: &Run) -> Markup {
    let best = run.best();
    let rows: Vec<Vec<String>> = (run.begun().into_iter())
        .map(|fold| {
            let own: Vec<_> = run.of_fold(fold).collect();
            let best = best.iter().find(|record| record.fold == fold);
            let figure = |value: Option<f64>| value.map_or("-".into(), share);
            vec![
                fold.to_string(),
                own.len().to_string(),
                best.map_or("-".into(), |record| record.epoch.to_string()),
                figure(best.map(|record| record.valid_accuracy)),
                figure(best.map(|record| record.valid_loss)),
                figure(best.map(|record| record.valid_map)),
                duration(own.iter().map(|record| record.seconds).sum()),
                mean(own.iter().map(|record| record.images_per_second))
                    .map_or("-".into(), |speed| format!("{speed:.0}")),
                match (run.divergence(fold), run.trained.contains(&fold)) {
                    (Some(_), _) => "diverged",
                    (None, true) => "ended",
                    (None, false) => "not ended",
                }
                .to_owned(),
            ]
        })
        .collect();
    html! {
        @if !rows.is_empty() {
            h2 { "Folds" }
            (grid(
                &["#fold", "#epochs", "#best epoch", "#accuracy", "#loss", "#mAP", "#time", "#images/s", "state"],
                &rows,
            ))
            p.soft { "Accuracy, loss and mAP of the held-out images at the best epoch." }
        }
    }
}
