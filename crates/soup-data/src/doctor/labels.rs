//! Labels from which nothing can be learned.

use super::{EXAMPLES, Finding, Inputs, Verdict, counted};

/// How often each label is there.
fn supports(inputs: &Inputs<'_>) -> Vec<(String, usize)> {
    let table = inputs.table;
    let mut supports: Vec<(String, usize)> = (table.label_names().iter())
        .map(|name| (name.clone(), 0))
        .collect();
    for row in 0..table.len() {
        for (support, label) in supports.iter_mut().zip(table.labels(row).unwrap_or(&[])) {
            support.1 += usize::from(*label);
        }
    }
    supports
}

/// Labels that are the same in every image.
pub(super) fn constant(inputs: &Inputs<'_>) -> Finding {
    const CHECK: &str = "constant labels";
    let images = inputs.table.len();
    let supports = supports(inputs);
    if supports.is_empty() {
        return Finding::skipped(CHECK, "there are no labels");
    }
    let constant: Vec<String> = (supports.iter())
        .filter(|(_, support)| *support == 0 || *support == images)
        .map(|(name, support)| {
            let always = if *support == 0 { 0 } else { 1 };
            format!("`{name}` is always {always}")
        })
        .collect();
    if constant.is_empty() {
        return Finding::fine(
            CHECK,
            "every label is there in some images and not in others",
        );
    }
    Finding::bad(
        CHECK,
        Verdict::Warning,
        format!(
            "{} the same in all {images} images: they raise accuracy and teach nothing",
            if constant.len() == 1 {
                "1 label is".into()
            } else {
                format!("{} labels are", constant.len())
            }
        ),
        "leave those columns out (soup pack --ignore COLUMN), or check the table of labels",
        constant,
    )
}

/// Labels too rare for every fold to have some.
pub(super) fn rare(inputs: &Inputs<'_>) -> Finding {
    const CHECK: &str = "rare labels";
    let parts = inputs.folds.map_or(5, |folds| folds.k() as usize);
    let images = inputs.table.len();
    let rare: Vec<String> = supports(inputs)
        .into_iter()
        .filter(|(_, support)| {
            let fewer = (*support).min(images - *support);
            fewer > 0 && fewer < 2 * parts
        })
        .map(|(name, support)| format!("`{name}` is 1 in {support} of {images} images"))
        .collect();
    if rare.is_empty() {
        return Finding::fine(
            CHECK,
            format!("each is there and missing often enough for {parts} folds"),
        );
    }
    Finding::bad(
        CHECK,
        Verdict::Warning,
        format!(
            "{} too rare to be validated fold by fold",
            counted(rare.len(), "label")
        ),
        "stratified folds (soup folds --kind stratified) share them out; trust no score of such a label",
        rare.into_iter().take(EXAMPLES),
    )
}
