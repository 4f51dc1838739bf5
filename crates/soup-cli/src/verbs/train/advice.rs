//! What a new run does where something is missing that its preset counts on, and what would help.

use std::path::Path;

use soup_data::{
    dataset::{Columns, Dataset, LabelTable},
    pack::Pack,
};
use soup_train::config::Config;

use crate::console::Console;

/// Begins with public weights.
const WITH_WEIGHTS: &str = "photo";
/// The same from nothing.
const WITHOUT: &str = "photo-scratch";

/// The preset that is taken: without weights the one that begins from nothing.
pub fn preset<'a>(
    asked: Option<&'a str>,
    settings: &[String],
    console: Console,
) -> Option<&'a str> {
    let has_weights = |setting: &String| {
        let value = setting.strip_prefix("model.weights=");
        value.is_some_and(|value| !value.trim_matches(['\'', '"']).is_empty())
    };
    if asked != Some(WITH_WEIGHTS) || settings.iter().any(has_weights) {
        return asked;
    }
    console.warn(
        "no weights are given, so the network begins from nothing, by the preset photo-scratch; public weights learn more \
         from few images: soup models --weights says which fit, model.weights=FILE begins with them",
    );
    Some(WITHOUT)
}

/// Settings that fit few images, and what a person should know of the labels.
pub fn settings_for(config: &Config, given: &[String], console: Console) -> Vec<String> {
    let path = Path::new(&config.data.path);
    if config.data.only_composed() || config.data.subset.is_some() {
        return Vec::new();
    }
    // What is wrong with it is said where it is opened to be trained on.
    let table = match Pack::is_pack(path) {
        true => Pack::open(path).ok().map(|pack| pack.table().clone()),
        false => {
            let dataset = Dataset::open(path, &Columns::default()).ok();
            dataset.map(|dataset| dataset.table().clone())
        }
    };
    let Some(table) = table else {
        return Vec::new();
    };
    for note in labels_that_teach_nothing(&table) {
        console.warn(&note);
    }
    let train = &config.train;
    let held_out = table.len().div_ceil(config.folds.k.max(1) as usize);
    let learned = table.len() - held_out;
    let is_given = |key: &str| given.iter().any(|setting| setting.starts_with(key));
    let step = train.batch * train.accumulate;
    if learned == 0 || step <= learned || is_given("train.batch=") || is_given("train.accumulate=")
    {
        return Vec::new();
    }
    // Some steps an epoch, or there is nothing to average over.
    let batch = (learned / 4).clamp(1, train.batch);
    console.warn(&format!(
        "{} images are few: a step takes {batch} of them and not {step}; scores of so few vary much from fold to fold \
         (--fold all trains all)",
        table.len()
    ));
    vec![
        format!("train.batch={batch}"),
        "train.accumulate=1".to_owned(),
    ]
}

/// Labels that are on no image or on all.
fn labels_that_teach_nothing(table: &LabelTable) -> Vec<String> {
    let mut counts = vec![0; table.label_names().len()];
    for row in (0..table.len()).filter_map(|row| table.labels(row)) {
        for (count, label) in counts.iter_mut().zip(row) {
            *count += usize::from(*label == 1);
        }
    }
    let named = |wanted: usize| {
        let names = table.label_names().iter().zip(&counts);
        let names: Vec<&str> = names
            .filter(|(_, count)| **count == wanted)
            .map(|(name, _)| name.as_str())
            .collect();
        names.join(", ")
    };
    let (none, all) = (named(0), named(table.len()));
    let mut notes = Vec::new();
    if !none.is_empty() {
        notes.push(format!(
            "labels on no image: {none}; of these the network learns only to say no, and scores leave them out"
        ));
    }
    if !all.is_empty() {
        notes.push(format!(
            "labels on every image: {all}; of these the network learns only to say yes"
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_without_two_sides_are_named() {
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        let ids = ["1", "2"].map(str::to_owned).to_vec();
        let table = LabelTable::new(ids, names, vec![1, 0, 0, 1, 0, 1]);
        let notes = labels_that_teach_nothing(&table);
        assert_eq!(notes.len(), 2);
        assert!(notes[0].starts_with("labels on no image: b;"), "{notes:?}");
        assert!(
            notes[1].starts_with("labels on every image: a;"),
            "{notes:?}"
        );
    }
}
