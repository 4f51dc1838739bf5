//! Labels from which nothing can be learned.

use super::{EXAMPLES, Finding, Inputs, Verdict, counted};
use crate::dataset::UNKNOWN;

/// How often a label is there, and of how many images that is known.
struct Support {
    name: String,
    images: usize,
    known: usize,
}

fn supports(inputs: &Inputs<'_>) -> Vec<Support> {
    let table = inputs.table;
    let mut supports: Vec<Support> = (table.label_names().iter())
        .map(|name| Support {
            name: name.clone(),
            images: 0,
            known: 0,
        })
        .collect();
    for row in 0..table.len() {
        for (support, label) in supports.iter_mut().zip(table.labels(row).unwrap_or(&[])) {
            support.images += usize::from(*label == 1);
            support.known += usize::from(*label != UNKNOWN);
        }
    }
    supports
}

/// Cells of which nobody knows, where there are any.
pub(super) fn unknown(inputs: &Inputs<'_>) -> Option<Finding> {
    let images = inputs.table.len();
    let mut supports = supports(inputs);
    supports.retain(|support| support.known < images);
    supports.sort_by_key(|support| support.known);
    let cells: usize = supports.iter().map(|support| images - support.known).sum();
    let listed: Vec<String> = (supports.iter().take(EXAMPLES))
        .map(|support| format!("`{}` {}", support.name, images - support.known))
        .collect();
    (cells > 0).then(|| {
        let all = images * inputs.table.label_names().len();
        Finding::fine(
            "unknown labels",
            format!(
                "{cells} of {all} cells neither teach nor count: {}{}",
                listed.join(", "),
                if supports.len() > EXAMPLES {
                    ", ..."
                } else {
                    ""
                }
            ),
        )
    })
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
        .filter(|support| support.images == 0 || support.images == support.known)
        .map(|support| {
            let (name, always) = (&support.name, u8::from(support.images > 0));
            match support.known {
                0 => format!("`{name}` is always unknown"),
                _ => format!("`{name}` is always {always}"),
            }
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
    let rare: Vec<String> = supports(inputs)
        .into_iter()
        .filter(|support| {
            let fewer = support.images.min(support.known - support.images);
            fewer > 0 && fewer < 2 * parts
        })
        .map(|support| {
            let Support {
                name,
                images,
                known,
            } = support;
            format!("`{name}` is 1 in {images} of {known} images")
        })
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
