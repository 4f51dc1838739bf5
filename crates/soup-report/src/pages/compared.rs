//! Several runs beside each other: scores on the same images, curves, and settings that differ.

use std::collections::BTreeMap;

use maud::{Markup, html};
use soup_decide::metrics::Difference;
use soup_train::{Error, config::compare::flatten};

use super::{between, duration, grid, overview::mean, run::ReportedRun, share};
use crate::{
    Run, Validation,
    plots::{Axis, Frame, Key, Line, Row, figure, intervals, lines},
};

pub(super) fn section(runs: &[ReportedRun]) -> Result<Markup, Error> {
    let best = (0..runs.len()).reduce(|a, b| {
        let accuracy = |of: usize| match &runs[of].validation {
            Ok(validation) => validation.evaluation.accuracy,
            Err(_) => f64::NEG_INFINITY,
        };
        if accuracy(b) > accuracy(a) { b } else { a }
    });
    let mut behind = Vec::new();
    for (place, shown) in runs.iter().enumerate() {
        behind.push(match (best, &shown.validation) {
            (Some(best), Ok(validation)) if best != place => match &runs[best].validation {
                Ok(best) => paired(best, validation)?,
                Err(_) => None,
            },
            _ => None,
        });
    }
    let rows: Vec<Vec<String>> = (runs.iter().zip(&behind))
        .map(|(shown, behind)| row(shown, behind.as_ref()))
        .collect();
    Ok(html! {
        section id="comparison" {
            (grid(
                &[
                    "run", "#accuracy", "#95 % interval", "#behind the best", "#95 % interval, paired", "#images",
                    "#epochs", "#time",
                ],
                &rows,
            ))
            p.soft {
                "Out of fold, a yes is a probability above .5. The difference to the best is measured on the images \
                 that both runs held out, where these are the same. An interval that holds 0 shows no difference. Without \
                 predictions the accuracy is the mean of the folds' best epochs."
            }
            div.plots { (scores(runs)) (curves(runs)) }
            h2 { "Settings that differ" }
            (settings(runs))
        }
    })
}

/// Whether labels are the same; unknown ones too.
fn are_same(ours: &[f32], theirs: &[f32]) -> bool {
    let bits =
        |labels: &[f32]| -> Vec<u32> { labels.iter().map(|label| label.to_bits()).collect() };
    bits(ours) == bits(theirs)
}

/// By how much `best` is better on the images that both held out; none where they held out others. Images
/// that are composed anew for each seed have the same ids and other labels, so they are others.
fn paired(best: &Validation, other: &Validation) -> Result<Option<Difference>, Error> {
    fn by_id(validation: &Validation) -> Result<BTreeMap<&str, (f64, &[f32])>, Error> {
        let ids = validation
            .rows
            .iter()
            .map(|row| validation.found.ids[*row].as_str());
        let labels = validation.targets.chunks_exact(validation.labels().len());
        Ok(ids
            .zip(validation.accuracies()?.into_iter().zip(labels))
            .collect())
    }
    let (best, other) = (by_id(best)?, by_id(other)?);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for (id, (accuracy, labels)) in &best {
        match other.get(id) {
            Some((_, their_labels)) if !are_same(labels, their_labels) => return Ok(None),
            Some((their_accuracy, _)) => {
                ours.push(*accuracy);
                theirs.push(*their_accuracy);
            }
            None => {}
        }
    }
    Ok((!ours.is_empty()).then(|| Difference::of(&ours, &theirs)))
}

fn row(shown: &ReportedRun, behind: Option<&Difference>) -> Vec<String> {
    let run = &shown.run;
    let dash = || "-".to_owned();
    let (accuracy, interval, images) = match &shown.validation {
        Ok(validation) => (
            share(validation.evaluation.accuracy),
            between(validation.intervals.accuracy),
            validation.rows.len().to_string(),
        ),
        Err(_) => (run.best_accuracy().map_or_else(dash, share), dash(), dash()),
    };
    vec![
        run.name.clone(),
        accuracy,
        interval,
        behind.map_or_else(dash, |of| share(of.mean)),
        behind.map_or_else(dash, |of| {
            format!("{} to {}", share(of.low), share(of.high))
        }),
        images,
        run.epochs
            .iter()
            .map(|record| record.epoch)
            .max()
            .unwrap_or(0)
            .to_string(),
        duration(run.seconds()),
    ]
}

fn scores(runs: &[ReportedRun]) -> Markup {
    let rows: Vec<Row> = (runs.iter().enumerate())
        .filter_map(|(colour, shown)| {
            let validation = shown.validation.as_ref().ok()?;
            let (value, interval) = (
                validation.evaluation.accuracy,
                validation.intervals.accuracy,
            );
            Some(Row {
                name: shown.run.name.clone(),
                colour,
                value,
                interval: Some((interval.low, interval.high)),
                words: format!(
                    "{}: {}, {}",
                    shown.run.name,
                    share(value),
                    between(interval)
                ),
            })
        })
        .collect();
    if rows.is_empty() {
        return html! {};
    }
    let ends = rows.iter().filter_map(|row| row.interval);
    let axis = Axis::around(
        "accuracy out of fold, with its 95 % interval",
        ends.flat_map(|(low, high)| [low, high]),
    );
    let said: Vec<&str> = rows.iter().map(|row| row.words.as_str()).collect();
    let alternative = format!("Accuracy of the runs: {}.", said.join("; "));
    figure(
        "Scores",
        &intervals(&axis, &rows, None, &alternative),
        &[],
        "",
    )
}

/// Held-out accuracy by epoch, the mean of the folds that got so far.
fn curves(runs: &[ReportedRun]) -> Markup {
    let drawn: Vec<Line> = (runs.iter().enumerate())
        .map(|(colour, shown)| Line {
            name: shown.run.name.clone(),
            colour,
            dashed: false,
            points: means(&shown.run),
        })
        .collect();
    let all = || drawn.iter().flat_map(|line| &line.points);
    if all().count() == 0 {
        return html! {};
    }
    let last = all().map(|point| point.0).fold(2.0, f64::max);
    let frame = Frame::new(
        Axis::new("epoch", 1.0, last).whole(),
        Axis::around("accuracy of held-out images", all().map(|point| point.1)),
    );
    let keys: Vec<Key> = (drawn.iter())
        .map(|line| Key::Line(line.colour, false, line.name.clone()))
        .collect();
    let said: Vec<String> = (drawn.iter())
        .filter_map(|line| {
            Some(format!(
                "{} ends at {}",
                line.name,
                share(line.points.last()?.1)
            ))
        })
        .collect();
    let alternative = format!("Held-out accuracy by epoch: {}.", said.join("; "));
    let plot = lines(&frame, &drawn, &html! {}, &alternative);
    figure("Accuracy by epoch, the mean of the folds", &plot, &keys, "")
}

fn means(run: &Run) -> Vec<(f64, f64)> {
    let last = run
        .epochs
        .iter()
        .map(|record| record.epoch)
        .max()
        .unwrap_or(0);
    (1..=last)
        .filter_map(|epoch| {
            let own = run.epochs.iter().filter(|record| record.epoch == epoch);
            Some((epoch as f64, mean(own.map(|record| record.valid_accuracy))?))
        })
        .collect()
}

fn settings(runs: &[ReportedRun]) -> Markup {
    let configs: Vec<&Run> = runs.iter().map(|shown| &shown.run).collect();
    let rows = differing(&configs);
    let mut columns = vec!["setting"];
    columns.extend(configs.iter().map(|run| run.name.as_str()));
    html! {
        @if rows.is_empty() { p { "None." } }
        @else {
            (grid(&columns, &rows.into_iter().map(|(key, mut values)| {
                values.insert(0, key);
                values
            }).collect::<Vec<_>>()))
        }
    }
}

/// The settings in which runs differ, with the value of each run; `-` where it has none.
pub(crate) fn differing(runs: &[&Run]) -> Vec<(String, Vec<String>)> {
    let flat: Vec<BTreeMap<String, String>> = runs
        .iter()
        .map(|run| flatten(&run.config.to_table()))
        .collect();
    let mut keys: Vec<&String> = flat.iter().flat_map(BTreeMap::keys).collect();
    keys.sort_unstable();
    keys.dedup();
    let values = |key: &String| -> Vec<String> {
        let of = |settings: &BTreeMap<String, String>| settings.get(key).cloned();
        flat.iter()
            .map(|settings| of(settings).unwrap_or_else(|| "-".to_owned()))
            .collect()
    };
    keys.into_iter()
        .map(|key| (key.clone(), values(key)))
        .filter(|(_, values)| values.iter().any(|value| *value != values[0]))
        .collect()
}
