//! Images that were made of the same things: glyphs, writers, patients, films.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Finding, Inputs, Verdict};
use crate::Result;
use crate::dataset::read_pairs;
use crate::ids::Index;

/// What each image was made of: any number of sources an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The column that names them.
    column: String,
    of_rows: Vec<Vec<String>>,
}

/// Reads the sources of images from a table with an id column and a row for each image and
/// source, such as the `boxes.csv` of `soup compose` with its column `glyph`. Images without a row
/// have no source.
///
/// # Errors
/// A column that is not there, an unreadable row.
pub fn read_sources(path: &Path, column: &str, ids: &[String]) -> Result<Sources> {
    let mut by_id: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (id, source) in read_pairs(path, column)? {
        by_id.entry(id).or_default().push(source);
    }
    let met = Index::new(by_id.keys().map(String::as_str)).meet(ids);
    let sources: Vec<&Vec<String>> = by_id.values().collect();
    let of_row = |row: Option<usize>| row.map_or(vec![], |row| sources[row].clone());
    Ok(Sources {
        column: column.to_owned(),
        of_rows: met.rows.into_iter().map(of_row).collect(),
    })
}

/// Sources that are on both sides of a fold.
pub(super) fn finding(inputs: &Inputs<'_>) -> Finding {
    const CHECK: &str = "shared sources";
    let Some(sources) = inputs.sources else {
        return Finding::skipped(
            CHECK,
            "nothing says which images were made of the same things (--sources TABLE --source COLUMN)",
        );
    };
    let column = &sources.column;
    let Some(folds) = inputs.folds else {
        let all: BTreeSet<&String> = sources.of_rows.iter().flatten().collect();
        let uses: usize = sources.of_rows.iter().map(Vec::len).sum();
        if uses == all.len() {
            return Finding::fine(CHECK, format!("no `{column}` is in two images"));
        }
        return Finding::bad(
            CHECK,
            Verdict::Warning,
            format!(
                "{} different `{column}` are used {uses} times: folds by image would have the same ones \
                 on both sides, and read too high",
                all.len()
            ),
            advice(column),
            [],
        );
    };
    let mut folds_of: BTreeMap<&String, BTreeSet<u32>> = BTreeMap::new();
    for (row, fold) in folds.of_rows().iter().enumerate() {
        for source in &sources.of_rows[row] {
            folds_of.entry(source).or_default().insert(*fold);
        }
    }
    let shared = folds_of.values().filter(|folds| folds.len() > 1).count();
    if shared == 0 {
        return Finding::fine(CHECK, format!("no `{column}` is in two folds"));
    }
    let touched = (sources.of_rows.iter())
        .filter(|sources| sources.iter().any(|source| folds_of[source].len() > 1))
        .count();
    Finding::bad(
        CHECK,
        Verdict::Problem,
        format!(
            "{shared} of {} `{column}` are in several folds, and {touched} of {} images hold one: \
             held-out images show what training has seen, so the score reads too high",
            folds_of.len(),
            sources.of_rows.len()
        ),
        advice(column),
        (folds_of.iter())
            .filter(|(_, folds)| folds.len() > 1)
            .map(|(source, folds)| format!("`{source}` is in {} folds", folds.len())),
    )
}

fn advice(column: &str) -> String {
    format!(
        "keep each `{column}` on one side: folds by group (soup folds --kind group --group {column}); \
         where every image mixes many, validate on images made of others (soup evaluate RUN --data)"
    )
}
