//! The page of a sweep: the ranking and who is tied, what each option does, accuracy against speed, and the
//! cost.

use std::path::Path;

use maud::{Markup, html};
use soup_decide::metrics::Interval;
use soup_sweep::{
    Metric, Ranking, SweepFile,
    race::Status,
    ranking::{Effect, Ranked},
    space::{Point as Place, SweepOption},
};

use super::{between, cards, document, duration, grid, share};
use crate::{
    plots::{Axis, Frame, Key, Point, Row, Thread, figure, intervals, number, parallel, points},
    run::name,
};

/// Candidates that are drawn; the table has all.
const DRAWN: usize = 40;
/// Names beside points of the plot of speed, apart from those on the front.
const NAMED: usize = 12;

/// The page of a sweep's folder.
pub fn of_sweep(path: &Path, ranking: &Ranking, file: &SweepFile) -> String {
    let title = format!("soup report: sweep {}", name(path));
    let body = html! {
        header { h1 { "Sweep " (name(path)) } }
        main {
            (overview(ranking))
            h2 { "Ranking" }
            div.plots {
                @match ranking.reference {
                    Some(reference) => { (gains(ranking, reference)) }
                    None => { (ranked(ranking)) }
                }
                (speed(ranking))
            }
            (table(ranking))
            // Of one option the effects say all, and of one that is compared with a reference the gains do.
            @let (several, gained) = (file.options.len() > 1, ranking.reference.is_some());
            @if several || !gained {
                h2 { "Options" }
                div.plots {
                    @if several { (coordinates(ranking, file)) }
                    @if !gained { (effects(ranking)) }
                }
            }
        }
        footer { p.soft { "Made by soup " (env!("CARGO_PKG_VERSION")) " from " (path.display()) } }
    };
    document(&title, &body)
}

/// What the scores are; losses count below 0, so that larger is better.
fn metric(metric: Metric) -> &'static str {
    match metric {
        Metric::Accuracy => "accuracy",
        Metric::ExactMatch => "exact match",
        Metric::Loss => "loss, below 0",
        Metric::MeanAveragePrecision => "mAP",
    }
}

fn overview(ranking: &Ranking) -> Markup {
    let tied: Vec<String> = ranking.tied.iter().map(ToString::to_string).collect();
    let best = ranking.candidates.first();
    let cost = &ranking.cost;
    let facts = [
        (
            "best score",
            best.and_then(|row| row.score).map_or("-".into(), share),
            best.and_then(|row| row.interval)
                .map_or(String::new(), |interval| {
                    format!(
                        "{}, 95 % interval {}",
                        metric(ranking.metric),
                        between(interval)
                    )
                }),
        ),
        (
            "tied with the best",
            format!("{} of {}", tied.len(), ranking.candidates.len()),
            format!("candidates {}", tied.join(", ")),
        ),
        (
            "cost",
            duration(cost.seconds),
            format!(
                "{} trials, {:.1} trainings, {:.0} % of all candidates with all seeds",
                cost.trials,
                cost.trainings,
                100.0 * cost.share_of_full
            ),
        ),
        (
            "noise of one training",
            ranking.noise.map_or("-".into(), share),
            "standard deviation of its score".to_owned(),
        ),
    ];
    html! {
        (cards(&facts))
        p {
            @match (best, tied.len()) {
                (None, _) | (_, 0) => { "No candidate is trained to its end yet." },
                (Some(best), 1) => { "The best is candidate " (best.candidate) ": " (values(best)) "." },
                (Some(best), _) => {
                    "The highest score is that of candidate " (best.candidate) " (" (values(best)) "), and those called \
                     tied are not significantly worse."
                },
            }
            @if best.is_some() && ranking.candidates.iter().all(|row| row.seeds < 2) {
                " No candidate was trained twice, so how much one training differs from the next is not known, and none can \
                 be called worse: soup sweep with more --trials trains the best ones again."
            }
        }
        @if !ranking.complete {
            p.note { "The sweep is not over: soup sweep goes on with it." }
        }
    }
}

fn values(row: &Ranked) -> String {
    let values: Vec<String> = row
        .values
        .iter()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    values.join(", ")
}

/// The colour of a status; words say it too.
fn colour(status: Status) -> usize {
    match status {
        Status::Tied => 2,
        Status::Worse => 0,
        Status::Undecided => 6,
        Status::Dropped => 7,
        Status::Failed => 4,
    }
}

fn keys(ranking: &Ranking) -> Vec<Key> {
    let all = [
        (Status::Tied, "tied with the best"),
        (Status::Worse, "worse"),
        (Status::Undecided, "undecided"),
        (Status::Dropped, "dropped early"),
        (Status::Failed, "failed"),
    ];
    let seen = |status: Status| ranking.candidates.iter().any(|row| row.status == status);
    all.into_iter()
        .filter(|(status, _)| seen(*status))
        .map(|(status, words)| Key::Area(colour(status), words.to_owned()))
        .collect()
}

fn words(row: &Ranked) -> String {
    let mut words = format!(
        "candidate {} ({}): {}",
        row.candidate,
        row.status.word(),
        values(row)
    );
    if let Some(score) = row.score {
        words.push_str(&format!("; score {}", share(score)));
    }
    words
}

fn ranked(ranking: &Ranking) -> Markup {
    // Scores after a part of a training do not stand beside those of whole ones.
    let furthest = ranking
        .candidates
        .iter()
        .map(|row| row.share)
        .fold(0.0, f64::max);
    let rows: Vec<Row> = (ranking.candidates.iter())
        .filter(|row| row.share >= furthest)
        .take(DRAWN)
        .filter_map(|row| {
            Some(Row {
                name: format!("{} {}", row.candidate, row.status.word()),
                colour: colour(row.status),
                value: row.score?,
                interval: row.interval.map(|Interval { low, high }| (low, high)),
                words: words(row),
            })
        })
        .collect();
    if rows.is_empty() {
        return html! { p { "Nothing is trained yet." } };
    }
    let ends = rows.iter().flat_map(|row| {
        let (low, high) = row.interval.unwrap_or((row.value, row.value));
        [low, high, row.value]
    });
    let name = metric(ranking.metric);
    let axis = Axis::around(&format!("{name}, with its 95 % interval"), ends);
    let best = rows.first().map(|row| row.value);
    let said: Vec<&str> = rows.iter().take(3).map(|row| row.words.as_str()).collect();
    let alternative = format!(
        "The best candidates: {}. The table has all.",
        said.join("; ")
    );
    let plot = intervals(&axis, &rows, best, &alternative);
    let rest = ranking.candidates.len() - rows.len();
    let note = match rest {
        0 => String::new(),
        rest => format!(
            "{rest} candidates that were not trained as far, or are further down, stand in the table only."
        ),
    };
    figure("Score of each candidate", &plot, &keys(ranking), &note)
}

/// What a point is called: the value where only one option was searched, else the candidate's number.
fn called(row: &Ranked) -> String {
    let mut values = row.values.iter();
    match (values.next(), values.next()) {
        (Some((_, value)), None) => value.trim_matches('"').to_owned(),
        _ => row.candidate.to_string(),
    }
}

fn speed(ranking: &Ranking) -> Markup {
    let mut whole: Vec<&Ranked> = (ranking.candidates.iter())
        .filter(|row| row.share >= 1.0 && row.score.is_some())
        .collect();
    if whole.is_empty() {
        return html! {};
    }
    // Names are given room in this order.
    whole.sort_by_key(|row| !row.on_front);
    let score = |row: &Ranked| row.score.unwrap_or(f64::NAN);
    let drawn: Vec<Point> = (whole.iter().enumerate())
        .map(|(place, row)| Point {
            x: row.images_per_second,
            y: score(row),
            colour: colour(row.status),
            name: (row.on_front || place < NAMED).then(|| called(row)),
            words: format!("{}; {:.1} images/s", words(row), row.images_per_second),
        })
        .collect();
    let mut front: Vec<&Ranked> = whole.iter().copied().filter(|row| row.on_front).collect();
    front.sort_by(|a, b| a.images_per_second.total_cmp(&b.images_per_second));
    let line: Vec<(f64, f64)> = front
        .iter()
        .map(|row| (row.images_per_second, score(row)))
        .collect();
    let frame = Frame::new(
        Axis::by_range(
            "training speed, images/s",
            drawn.iter().map(|point| point.x),
        ),
        Axis::around(metric(ranking.metric), drawn.iter().map(|point| point.y)),
    );
    let said: Vec<String> = (front.iter())
        .map(|row| {
            let (speed, score) = (number(row.images_per_second), share(score(row)));
            format!(
                "candidate {} with {score} at {speed} images/s",
                row.candidate
            )
        })
        .collect();
    let alternative = format!(
        "Score against training speed. No other is both better and faster than: {}.",
        said.join("; ")
    );
    let plot = points(&frame, &drawn, &line, &alternative);
    let mut keys = keys(ranking);
    if front.len() > 1 {
        let words = "no other is both better and faster (Pareto)";
        keys.push(Key::Line(7, true, words.to_owned()));
    }
    let note = "Speed is that of the trainings, measured as they ran; trainings that shared the machine slowed each \
                other down. Where there is room, a point has the name of its candidate beside it.";
    figure("Score against speed", &plot, &keys, note)
}

fn table(ranking: &Ranking) -> Markup {
    let figure = |value: Option<f64>| value.map_or("-".to_owned(), share);
    let span = |interval: Option<Interval>| interval.map_or("-".to_owned(), between);
    let signed = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:+.4}"));
    let rows: Vec<Vec<String>> = (ranking.candidates.iter())
        .map(|row| {
            let (compared, interval) = match ranking.reference {
                Some(_) => (signed(row.gain), row.gain_interval),
                None => (figure(row.behind), row.behind_interval),
            };
            vec![
                row.rank.to_string(),
                row.candidate.to_string(),
                row.status.word().to_owned(),
                figure(row.score),
                span(row.interval),
                compared,
                span(interval),
                row.seeds.to_string(),
                format!("{:.0} %", 100.0 * row.share),
                number(row.images_per_second),
                duration(row.seconds),
                values(row),
            ]
        })
        .collect();
    let columns = [
        "#rank",
        "#candidate",
        "status",
        "#score",
        "#95 % interval",
        match ranking.reference {
            Some(_) => "#gain",
            None => "#behind",
        },
        "#95 % interval, paired",
        "#seeds",
        "#trained",
        "#images/s",
        "#time",
        "values",
    ];
    grid(&columns, &rows)
}

/// The axis of an option: places from 0 to 1 with words.
fn option_axis(option: &SweepOption) -> (String, Vec<(f64, String)>) {
    let ticks = match option.count() {
        Some(count) => (0..count)
            .map(|value| (value_place(value, count), option.show(Place::Value(value))))
            .collect(),
        None => [0.0, 0.5, 1.0]
            .map(|share| (share, option.show(Place::Range(share))))
            .to_vec(),
    };
    (option.name().to_owned(), ticks)
}

fn value_place(value: usize, count: usize) -> f64 {
    match count {
        1 => 0.5,
        count => value as f64 / (count - 1) as f64,
    }
}

/// Where a value that was shown in words stands on the axis of its option.
fn place(option: &SweepOption, word: &str) -> Option<f64> {
    match option.count() {
        Some(count) => {
            let value = (0..count).find(|value| option.show(Place::Value(*value)) == word)?;
            Some(value_place(value, count))
        }
        None => {
            let axis = Axis::new("", option.low?, option.high?);
            let axis = if option.log { axis.log() } else { axis };
            Some(axis.place(word.parse().ok()?))
        }
    }
}

fn coordinates(ranking: &Ranking, file: &SweepFile) -> Markup {
    let furthest = ranking
        .candidates
        .iter()
        .map(|row| row.share)
        .fold(0.0, f64::max);
    let scored = || {
        ranking
            .candidates
            .iter()
            .filter(|row| row.share >= furthest)
    };
    let score_axis = Axis::around(metric(ranking.metric), scored().filter_map(|row| row.score));
    let mut axes: Vec<_> = file.options.iter().map(option_axis).collect();
    let ticks = score_axis.ticks(4).into_iter();
    let ticks = ticks.map(|(value, word)| (score_axis.place(value), word));
    axes.push((format!("{} at the end", score_axis.name), ticks.collect()));
    let mut threads: Vec<Thread> = (ranking.candidates.iter())
        .map(|row| {
            let value = |option: &SweepOption| place(option, row.values.get(option.name())?);
            let mut places: Vec<Option<f64>> = file.options.iter().map(value).collect();
            let score = row.score.filter(|_| row.share >= furthest);
            places.push(score.map(|score| score_axis.place(score)));
            Thread {
                colour: colour(row.status),
                bold: row.status == Status::Tied,
                places,
                words: words(row),
            }
        })
        .collect();
    // The best are drawn last, over the others.
    threads.reverse();
    let said: Vec<String> = (ranking.candidates.iter())
        .filter(|row| row.status == Status::Tied)
        .map(values)
        .collect();
    let alternative = format!(
        "Each candidate as a line through its values and its score. Tied with the best: {}.",
        said.join("; ")
    );
    let plot = parallel(&axes, &threads, &alternative);
    let note = "A line is a candidate, read from the top down. Those that were not trained to the end have no score.";
    figure("Values and scores", &plot, &keys(ranking), note)
}

/// How far each candidate lies above the one that all are compared with.
fn gains(ranking: &Ranking, reference: usize) -> Markup {
    let rows: Vec<Row> = (ranking.candidates.iter())
        .filter_map(|row| {
            let gain = row.gain?;
            Some(Row {
                name: called(row),
                colour: 0,
                value: gain,
                interval: row.gain_interval.map(|of| (of.low, of.high)),
                words: format!("{}: {gain:+.4}", values(row)),
            })
        })
        .take(DRAWN)
        .collect();
    let of_reference = ranking
        .candidates
        .iter()
        .find(|row| row.candidate == reference);
    let Some(of_reference) = of_reference.filter(|_| !rows.is_empty()) else {
        return html! {};
    };
    let ends = rows.iter().flat_map(|row| {
        let (low, high) = row.interval.unwrap_or((row.value, row.value));
        [low, high, 0.0]
    });
    let name = format!(
        "{} above candidate {reference}, with its 95 % interval",
        metric(ranking.metric)
    );
    let axis = Axis::around(&name, ends);
    let said: Vec<&str> = rows.iter().map(|row| row.words.as_str()).collect();
    let alternative = format!("Gain of each candidate: {}.", said.join("; "));
    let note = format!(
        "Compared with candidate {reference} ({}) on the same seeds and images. Each interval holds by itself: of \
         twenty that change nothing, one lies beside zero by chance.",
        values(of_reference)
    );
    figure(
        "Gain over the reference",
        &intervals(&axis, &rows, Some(0.0), &alternative),
        &[],
        &note,
    )
}

fn effects(ranking: &Ranking) -> Markup {
    let effects = &ranking.effects;
    if effects.is_empty() {
        return html! {};
    }
    let error = |of: &Effect| 2.0 * of.standard_error.unwrap_or(0.0);
    let axis = Axis::around(
        &format!("{} beside the mean of all", metric(ranking.metric)),
        effects
            .iter()
            .flat_map(|of| [of.effect - error(of), of.effect + error(of), 0.0]),
    );
    let mut options: Vec<&str> = effects.iter().map(|of| of.option.as_str()).collect();
    options.dedup();
    html! {
        div {
            @for option in options {
                @let own: Vec<&Effect> = effects.iter().filter(|of| of.option == option).collect();
                @let rows: Vec<Row> = own.iter().map(|of| Row {
                    name: of.value.trim_matches('"').to_owned(),
                    colour: 0,
                    value: of.effect,
                    interval: of.standard_error.map(|_| (of.effect - error(of), of.effect + error(of))),
                    words: format!("{} = {}: {:+.4}, {} candidates", of.option, of.value, of.effect, of.candidates),
                }).collect();
                @let said: Vec<&str> = rows.iter().map(|row| row.words.as_str()).collect();
                @let alternative = format!("What each value does: {}.", said.join("; "));
                (figure(&format!("Effect of {option}"), &intervals(&axis, &rows, Some(0.0), &alternative), &[], ""))
            }
            p.soft {
                "The mean of the candidates with a value less that of all, at the first rung, which every candidate \
                 reached. Bars are two standard errors."
            }
        }
    }
}
