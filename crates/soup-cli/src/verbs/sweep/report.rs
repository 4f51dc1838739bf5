//! What a sweep found, in words.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use serde::Serialize;
use soup_decide::metrics::Interval;
use soup_sweep::{Ranking, ranking::Ranked};

/// Candidates that are shown; the files hold all.
const SHOWN: usize = 30;

/// What a sweep found.
#[derive(Serialize)]
pub struct Facts {
    sweep: PathBuf,
    /// Whether the budget ended it before all was known that was asked.
    budget_used_up: bool,
    #[serde(flatten)]
    ranking: Ranking,
    /// Seconds of this command.
    seconds: f64,
}

impl Facts {
    pub fn new(sweep: &Path, ranking: Ranking, budget_used_up: bool, started: Instant) -> Self {
        Self {
            sweep: sweep.to_path_buf(),
            budget_used_up: budget_used_up && !ranking.complete,
            ranking,
            seconds: started.elapsed().as_secs_f64(),
        }
    }

    pub fn text(&self) -> String {
        let ranking = &self.ranking;
        let compared = match ranking.reference {
            Some(_) => "gain",
            None => "behind",
        };
        let mut text = format!(
            "rank status     score   95 % interval    {compared:>7}  95 % interval       seeds share  images/s  candidate\n",
        );
        for row in ranking.candidates.iter().take(SHOWN) {
            text.push_str(&line(row, ranking.reference));
        }
        if ranking.candidates.len() > SHOWN {
            text.push_str(&format!(
                "... and {} more\n",
                ranking.candidates.len() - SHOWN
            ));
        }
        if ranking.candidates.iter().any(|row| row.on_front) {
            text.push_str("* no other is both better and faster\n");
        }
        match ranking.reference {
            // The gains show it better.
            Some(reference) => text.push_str(&format!(
                "\ngain: over candidate {reference}, each by itself, on the same seeds and images\n"
            )),
            None => text.push_str(&effects(ranking)),
        }
        let tied: Vec<String> = ranking.tied.iter().map(ToString::to_string).collect();
        text.push_str(&match tied.len() {
            0 => "\nno candidate is trained to its end yet\n".to_owned(),
            1 => format!("\nthe best is candidate {}\n", tied[0]),
            _ => format!("\ntied with the best: candidates {}\n", tied.join(", ")),
        });
        if let Some(noise) = ranking.noise {
            text.push_str(&format!("noise of one training: {noise:.4}\n"));
        }
        let cost = &ranking.cost;
        text.push_str(&format!(
            "{} trials, {:.1} trainings ({} of all candidates with all seeds), {} of training\n",
            cost.trials,
            cost.trainings,
            percent(cost.share_of_full),
            duration(cost.seconds)
        ));
        if self.budget_used_up {
            text.push_str("the budget is used up; the same command goes on\n");
        }
        let sweep = self.sweep.display();
        text.push_str(&format!(
            "all of it: {sweep}/ranking.csv, {sweep}/ranking.json\n"
        ));
        text
    }
}

fn effects(ranking: &Ranking) -> String {
    let mut text =
        "\neffect of each value (compared with the mean of all, at the first rung):\n".to_owned();
    for effect in &ranking.effects {
        let error = effect
            .standard_error
            .map_or(String::new(), |error| format!(" +- {error:.4}"));
        text.push_str(&format!(
            "  {} = {}: {:+.4}{error} ({} candidates)\n",
            effect.option, effect.value, effect.effect, effect.candidates
        ));
    }
    text
}

fn line(row: &Ranked, reference: Option<usize>) -> String {
    let figure = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
    let between = |interval: Option<Interval>| {
        interval.map_or("-".to_owned(), |interval| {
            format!("{:.4} to {:.4}", interval.low, interval.high)
        })
    };
    let (compared, interval) = match reference {
        Some(_) => (
            row.gain.map(|gain| format!("{gain:+.4}")),
            row.gain_interval,
        ),
        None => (
            row.behind.map(|behind| format!("{behind:.4}")),
            row.behind_interval,
        ),
    };
    let values: Vec<String> = row
        .values
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!(
        "{:>4} {:<9} {:>7} {:>17}  {:>7} {:>18}  {:>5} {:>5} {:>9.1}  {}: {}{}\n",
        row.rank,
        row.status.word(),
        figure(row.score),
        between(row.interval),
        compared.as_deref().unwrap_or("-"),
        between(interval),
        row.seeds,
        percent(row.share),
        row.images_per_second,
        row.candidate,
        values.join(" "),
        if row.on_front { " *" } else { "" },
    )
}

/// `25 %`.
pub fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// `3 min 20 s`.
pub fn duration(seconds: f64) -> String {
    match (seconds as u64 / 60, seconds as u64 % 60) {
        (0, _) => format!("{seconds:.1} s"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}
