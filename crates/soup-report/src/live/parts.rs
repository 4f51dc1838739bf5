//! The pieces of the page, each drawn anew when it changes.

use maud::{Markup, html};
use soup_train::runs::log::timestamp;

use super::{Live, Now, State};
use crate::{
    pages::{cards, curves, duration_in, grid, overview::mean, settings, share},
    words::Words,
};

/// One piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panel {
    /// How the run is doing, in a sentence.
    Status,
    /// Its figures.
    Facts,
    /// Its curves.
    Curves,
    /// Its folds.
    Folds,
    /// Its settings.
    Settings,
    /// What its log said last.
    Log,
}

/// All pieces, in the order of the page.
pub const PANELS: [Panel; 6] = [
    Panel::Status,
    Panel::Facts,
    Panel::Curves,
    Panel::Folds,
    Panel::Settings,
    Panel::Log,
];

impl Panel {
    /// Its name in a page and in a stream of events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Facts => "facts",
            Self::Curves => "curves",
            Self::Folds => "folds",
            Self::Settings => "settings",
            Self::Log => "log",
        }
    }

    /// The piece as HTML.
    pub fn draw(self, live: &Live, words: &Words) -> Markup {
        match (&live.state, self) {
            (State::Missing, Self::Status) => html! { p { (words.live.no_run) } },
            (State::Damaged(problem), Self::Status) => html! {
                p { (words.live.damaged) }
                p.note { (problem) }
            },
            (State::There(now), Self::Status) => status(now, words),
            (State::There(now), Self::Facts) => facts(now, words),
            (State::There(now), Self::Folds) => folds(now, words),
            (State::There(now), Self::Settings) => settings::body(&now.run, words),
            (State::There(now), Self::Log) if !now.log.is_empty() => html! {
                pre tabindex="0" { (now.log) }
            },
            (State::There(now), Self::Curves) if now.run.epochs.is_empty() => html! {
                p.soft { (words.live.no_epoch) }
            },
            (State::There(now), Self::Curves) => curves::plots(&now.run, words),
            _ => html! {},
        }
    }
}

fn status(now: &Now, words: &Words) -> Markup {
    let live = &words.live;
    let sentence = if now.is_ended() {
        Some(live.ended.to_owned())
    } else if now.is_diverged() {
        None
    } else if now.is_quiet {
        Some(live.quiet.to_owned())
    } else {
        let begun = (now.training()).map(|(fold, at)| (live.progress)(*fold, at.done, at.epochs));
        Some((live.trains)(&begun.collect::<Vec<_>>().join(" ")))
    };
    html! {
        @if let Some(sentence) = sentence { p { (sentence) } }
        @for found in &now.run.diverged { p.note { ((live.diverged)(found)) } }
    }
}

fn facts(now: &Now, words: &Words) -> Markup {
    let (run, live) = (&now.run, &words.live);
    let mut facts: Vec<(&str, String, String)> = Vec::new();
    if let Some(accuracy) = run.best_accuracy() {
        let note = live.best_note.to_owned();
        facts.push((live.best_accuracy, share(accuracy), note));
    }
    let done: usize = now.folds.iter().map(|(_, at)| at.done).sum();
    let ended = now.folds.iter().filter(|(_, at)| at.is_done()).count();
    facts.push((
        live.epochs,
        done.to_string(),
        (live.folds_done)(ended, run.folds),
    ));
    let left = match now.is_quiet {
        true => None,
        false => now.seconds_left(),
    };
    let left = left.map(|seconds| (live.left)(&duration_in(words, seconds)));
    facts.push((
        live.time,
        duration_in(words, run.seconds()),
        left.unwrap_or_default(),
    ));
    if let Some(speed) = mean(run.epochs.iter().map(|record| record.images_per_second)) {
        let note = live.speed_unit.to_owned();
        facts.push((live.speed, format!("{speed:.0}"), note));
    }
    let memory = run.epochs.iter().map(|record| record.memory_mib);
    if let Some(memory) = memory.reduce(f64::max) {
        let note = live.memory_note.to_owned();
        facts.push((live.memory, format!("{memory:.0} MiB"), note));
    }
    let written = now.written.map(timestamp);
    html! {
        (cards(&facts))
        @if let Some(written) = written {
            p.soft { (live.last_sign) " " time datetime=(written) { (written) } }
        }
    }
}

fn folds(now: &Now, words: &Words) -> Markup {
    let live = &words.live;
    let best = now.run.best();
    let rows: Vec<Vec<String>> = (now.folds.iter())
        .map(|(fold, at)| {
            let best = best.iter().find(|record| record.fold == *fold);
            let figure = |value: Option<f64>| value.map_or("-".to_owned(), share);
            vec![
                fold.to_string(),
                match at.epochs {
                    Some(epochs) => format!("{} / {epochs}", at.done),
                    None => at.done.to_string(),
                },
                best.map_or("-".to_owned(), |record| record.epoch.to_string()),
                figure(best.map(|record| record.valid_accuracy)),
                figure(best.map(|record| record.valid_loss)),
                figure(best.map(|record| record.valid_map)),
                match (at.is_done(), at.loss) {
                    _ if now.run.divergence(*fold).is_some() => live.is_diverged.to_owned(),
                    (false, Some(loss)) if at.step > 0 => format!(
                        "{}, {} {}",
                        (words.live.step)(at.step, at.epoch_steps),
                        words.live.loss,
                        share(loss)
                    ),
                    _ => "-".to_owned(),
                },
            ]
        })
        .collect();
    html! {
        @if !rows.is_empty() {
            (grid(&words.live.fold_columns, &rows))
            p.soft { (words.live.fold_note) }
        }
    }
}
