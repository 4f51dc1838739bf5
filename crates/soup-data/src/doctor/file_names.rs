//! Labels that can be predicted without the image: from its name, or from its place in the
//! order.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Inputs, Verdict};

/// Rarer or more common words than that tell little.
const FEWEST: usize = 5;
/// Least correlation of a word with a label that is worth a word itself.
const LEAST_CORRELATION: f64 = 0.1;
/// Chance of a finding where names and labels have nothing to do with each other.
const CHANCE: f64 = 1e-3;

pub(super) fn findings(inputs: &Inputs<'_>) -> [Finding; 2] {
    const WORDS: &str = "labels in file names";
    const ORDER: &str = "labels in the order";
    let table = inputs.table;
    if table.label_names().is_empty() {
        return [WORDS, ORDER].map(|check| Finding::skipped(check, "there are no labels"));
    }
    let names = inputs.file_names.unwrap_or(table.ids());
    let words = predicted_by_words(inputs, names);
    let words = if words.is_empty() {
        Finding::fine(WORDS, "no word in them goes with a label")
    } else {
        Finding::bad(
            WORDS,
            Verdict::Warning,
            format!("{} words in file names go with a label", words.len()),
            "a network does not see names, but whatever named the files (place, day, camera) may be seen \
             in the images too: cut folds by it (soup folds --kind group), and make sure that new \
             images will have it",
            words,
        )
    };
    let order = predicted_by_order(inputs, names);
    let order = if order.is_empty() {
        Finding::fine(ORDER, "neighbours by number are no more alike than others")
    } else {
        Finding::bad(
            ORDER,
            Verdict::Warning,
            format!(
                "{} labels change less often from one image to the next than chance allows",
                order.len()
            ),
            "the order comes from somewhere (films, sessions, patients, sorting): images of one source \
             stand together; find the source and cut folds by it (soup folds --kind group)",
            order,
        )
    };
    [words, order]
}

/// Words of a name, in lower case: runs of letters, and runs of digits.
fn words(name: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut word = String::new();
    let mut kind = None;
    for letter in name.chars().chain(['/']) {
        let now = match letter {
            letter if letter.is_ascii_digit() => Some(true),
            letter if letter.is_alphabetic() => Some(false),
            _ => None,
        };
        if now != kind && !word.is_empty() {
            words.insert(std::mem::take(&mut word));
        }
        kind = now;
        if now.is_some() {
            word.extend(letter.to_lowercase());
        }
    }
    words
}

/// Each label that a word goes with, the strongest first.
fn predicted_by_words(inputs: &Inputs<'_>, names: &[String]) -> Vec<String> {
    let table = inputs.table;
    let (images, labels) = (table.len(), table.label_names().len());
    let mut supports = vec![0usize; labels];
    let mut by_word: BTreeMap<String, (usize, Vec<usize>)> = BTreeMap::new();
    for (row, name) in names.iter().enumerate() {
        let present = table.labels(row).unwrap_or(&[]);
        for (support, label) in supports.iter_mut().zip(present) {
            *support += usize::from(*label == 1);
        }
        for word in words(name) {
            let (uses, together) = by_word.entry(word).or_insert_with(|| (0, vec![0; labels]));
            *uses += 1;
            for (together, label) in together.iter_mut().zip(present) {
                *together += usize::from(*label == 1);
            }
        }
    }
    by_word.retain(|_, (uses, _)| *uses >= FEWEST && *uses + FEWEST <= images);
    // A correlation r of independent things is normal with spread 1 / sqrt(n).
    let comparisons = (by_word.len() * labels).max(1) as f64;
    let limit = (2.0 * (2.0 * comparisons / CHANCE).ln() / images as f64)
        .sqrt()
        .max(LEAST_CORRELATION);
    let mut found = Vec::new();
    for (word, (uses, together)) in &by_word {
        for (label, name) in table.label_names().iter().enumerate() {
            let n = images as f64;
            let (with, has) = (*uses as f64 / n, supports[label] as f64 / n);
            let spread = (with * (1.0 - with) * has * (1.0 - has)).sqrt();
            let correlation = (together[label] as f64 / n - with * has) / spread;
            if spread > 0.0 && correlation.abs() > limit {
                let inside = 100.0 * together[label] as f64 / *uses as f64;
                let outside =
                    100.0 * (supports[label] - together[label]) as f64 / (images - uses) as f64;
                let text = format!(
                    "`{name}` is in {inside:.0} % of {uses} images with `{word}` in the name, in \
                     {outside:.0} % of the others"
                );
                found.push((correlation.abs(), text));
            }
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.into_iter().map(|(_, text)| text).collect()
}

/// Each label that changes too seldom along the numbers of the files (the runs test of Wald and
/// Wolfowitz, 1940), the strongest first.
fn predicted_by_order(inputs: &Inputs<'_>, names: &[String]) -> Vec<String> {
    let table = inputs.table;
    let labels = table.label_names();
    let number = |name: &String| -> Option<u128> {
        let stem = name.rsplit_once('.').map_or(&name[..], |(stem, _)| stem);
        let end = stem.rfind(|letter: char| letter.is_ascii_digit())? + 1;
        let start = stem[..end].rfind(|letter: char| !letter.is_ascii_digit());
        stem[start.map_or(0, |place| {
            place + stem[place..].chars().next().map_or(1, char::len_utf8)
        })..end]
            .parse()
            .ok()
    };
    let mut order: Vec<(Option<u128>, usize)> = (names.iter().enumerate())
        .map(|(row, name)| (number(name), row))
        .collect();
    order.sort();
    let n = order.len() as f64;
    let limit = (2.0 * (2.0 * labels.len() as f64 / CHANCE).ln()).sqrt();
    let mut found = Vec::new();
    for (label, name) in labels.iter().enumerate() {
        let present = |place: usize| {
            let row = order[place].1;
            table.labels(row).is_some_and(|labels| labels[label] == 1)
        };
        let with = (0..order.len()).filter(|place| present(*place)).count() as f64;
        let changes = (1..order.len())
            .filter(|place| present(*place) != present(place - 1))
            .count() as f64;
        let twice = 2.0 * with * (n - with);
        let expected = twice / n;
        let spread = (twice * (twice - n) / (n * n * (n - 1.0))).max(0.0).sqrt();
        if spread > 0.0 && (expected - changes) / spread > limit {
            let text =
                format!("`{name}` changes {changes} times, by chance it would {expected:.0}");
            found.push(((expected - changes) / spread, text));
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.into_iter().map(|(_, text)| text).collect()
}
