//! Whether the folds are alike.

use super::{Finding, Inputs, Verdict};
use crate::{dataset::UNKNOWN, folds::FoldKind};

/// A chance of one in a thousand that any label of any fold lies further off, were folds cut at
/// random.
const CHANCE: f64 = 1e-3;

/// Labels that are much more or less frequent in one fold than in all.
pub(super) fn balance(inputs: &Inputs<'_>) -> Finding {
    const CHECK: &str = "label balance over folds";
    let table = inputs.table;
    let Some(folds) = inputs.folds else {
        return Finding::skipped(CHECK, "no fold file was given (--folds)");
    };
    let names = table.label_names();
    if names.is_empty() {
        return Finding::skipped(CHECK, "there are no labels");
    }
    // Rows that no fold holds out stand past the last one.
    let k = folds.k() as usize + usize::from(folds.kind() == FoldKind::Given);
    let mut known = vec![0usize; k * names.len()];
    let mut positives = vec![0usize; k * names.len()];
    for (row, fold) in folds.of_rows().iter().enumerate() {
        let first = *fold as usize * names.len();
        for (at, label) in (first..).zip(table.labels(row).unwrap_or(&[])) {
            known[at] += usize::from(*label != UNKNOWN);
            positives[at] += usize::from(*label == 1);
        }
    }
    // Mill's bound on the normal tail, both sides, for so many comparisons.
    let limit = (2.0 * (2.0 * (k * names.len()) as f64 / CHANCE).ln()).sqrt();
    let mut off: Vec<(f64, String)> = Vec::new();
    for (label, name) in names.iter().enumerate() {
        let over_folds = |counts: &[usize]| -> usize {
            (0..k).map(|fold| counts[fold * names.len() + label]).sum()
        };
        let images = over_folds(&known);
        let share = over_folds(&positives) as f64 / images as f64;
        for fold in 0..k {
            let (size, found) = (
                known[fold * names.len() + label],
                positives[fold * names.len() + label],
            );
            let rest = 1.0 - size as f64 / images as f64;
            let spread = (size as f64 * share * (1.0 - share) * rest).sqrt();
            let distance = (found as f64 - size as f64 * share).abs() / spread;
            if spread > 0.0 && distance > limit {
                let here = found as f64 / size as f64;
                let place = match fold == folds.k() as usize {
                    true => "the images to train on".to_owned(),
                    false => format!("fold {fold}"),
                };
                let text = format!(
                    "`{name}` is in {:.1} % of {place}, in {:.1} % of all",
                    100.0 * here,
                    100.0 * share
                );
                off.push((distance, text));
            }
        }
    }
    off.sort_by(|a, b| b.0.total_cmp(&a.0));
    if off.is_empty() {
        return Finding::fine(
            CHECK,
            "no label is more or less frequent in a fold than chance allows",
        );
    }
    Finding::bad(
        CHECK,
        Verdict::Warning,
        format!(
            "{} labels of folds are further off than chance allows",
            off.len()
        ),
        "folds by group may differ so with reason; otherwise cut stratified ones (soup folds --kind \
         stratified)",
        off.into_iter().map(|(_, text)| text),
    )
}
